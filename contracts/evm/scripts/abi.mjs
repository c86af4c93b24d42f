// Writes the ABI that outsiders build on into schema/evm; with --check, fails where it has drifted.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { forgeOutput } from "./forge-output.mjs";

const directory = new URL("../../../schema/evm/", import.meta.url);
const check = process.argv.includes("--check");
let drifted = false;

mkdirSync(directory, { recursive: true });
for (const name of ["AesEscrow", "AlzToken", "IERC20"]) {
  const file = new URL(`${name}.json`, directory);
  const text = `${JSON.stringify({ abi: forgeOutput(name).abi }, null, 2)}\n`;
  if (!check) {
    writeFileSync(file, text);
  } else if (readOrEmpty(file) !== text) {
    console.error(`schema/evm/${name}.json is not what the contracts say: run \`npm run abi\` in contracts/evm`);
    drifted = true;
  }
}
process.exitCode = drifted ? 1 : 0;

function readOrEmpty(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return "";
    throw error;
  }
}
