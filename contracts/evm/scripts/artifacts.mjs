// Copies what a deployment needs, {abi, bytecode} of the escrow and the token, into a directory.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { forgeOutput } from "./forge-output.mjs";

const [directory] = process.argv.slice(2);
if (!directory) {
  console.error("usage: npm run artifacts -- DIRECTORY");
  process.exit(2);
}
mkdirSync(directory, { recursive: true });
for (const name of ["AesEscrow", "AlzToken"]) {
  const { abi, bytecode } = forgeOutput(name);
  writeFileSync(join(directory, `${name}.json`), `${JSON.stringify({ abi, bytecode: bytecode.object })}\n`);
}
