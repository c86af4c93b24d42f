// Fails where an error that our contracts declare or inherit a right from has no test of its own name that expects it:
// `test_Name` with `Name.selector` in it. Errors that only OpenZeppelin's ERC-20 and signatures have are theirs to test.
import { readdirSync, readFileSync } from "node:fs";
import { forgeOutput } from "./forge-output.mjs";

const read = (folder) =>
  readdirSync(new URL(`../${folder}/`, import.meta.url))
    .filter((name) => name.endsWith(".sol"))
    .map((name) => readFileSync(new URL(`../${folder}/${name}`, import.meta.url), "utf8"))
    .join("\n");

const inAbi = ["AesEscrow", "AlzToken"].flatMap((name) => forgeOutput(name).abi).filter(({ type }) => type === "error");
const declared = [...read("src").matchAll(/^\s*error (\w+)\(/gm)].map(([, name]) => name);
const tests = read("test");
const names = new Set([...inAbi.map(({ name }) => name).filter((name) => name.startsWith("Ownable")), ...declared]);

for (const name of names) {
  const body = new RegExp(`function test_${name}\\(\\)[^]*?\\n    }`).exec(tests)?.[0];
  if (!body?.includes(`.${name}.selector`)) {
    console.error(`error ${name}: no test_${name} in contracts/evm/test that expects it`);
    process.exitCode = 1;
  }
}
for (const { name } of inAbi.filter(({ name }) => !names.has(name) && !/^(ERC20|ERC2612|ECDSA|InvalidAccountNonce|InvalidShortString|StringTooLong)/.test(name))) {
  console.error(`error ${name}: in the ABI, and nobody here knows it`);
  process.exitCode = 1;
}
