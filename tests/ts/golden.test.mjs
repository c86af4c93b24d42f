// The EVM contracts' golden bytes (contracts/evm/test/golden.txt, written by forge) read by the ABI in schema/evm: every
// message, event and query of escrow and token is there, and viem reads each and writes the same bytes again.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { decodeEventLog, decodeFunctionData, decodeFunctionResult } from "viem";
import { encodeEventTopics, encodeFunctionData, encodeFunctionResult } from "viem";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const contracts = { AesEscrow: abi("AesEscrow"), AlzToken: abi("AlzToken") };
const lines = read("../../contracts/evm/test/golden.txt").trim().split("\n").map((line) => line.split(" "));
// who emits what only the token has
const [bridgeSet] = encodeEventTopics({ abi: contracts.AlzToken, eventName: "BridgeSet" });
const token = lines.find(([kind, , topics]) => kind === "event" && topics.startsWith(bridgeSet))[1];
const abiOf = (address) => (address === token ? contracts.AlzToken : contracts.AesEscrow);

/** What each line is, as `contract name`. */
const seen = new Set();
const saw = (address, name) => seen.add(`${address === token ? "AlzToken" : "AesEscrow"} ${name}`);

for (const [kind, address, first, second] of lines) {
  if (kind === "event") continue;
  const { functionName, args } = decodeFunctionData({ abi: abiOf(address), data: first });
  test(`${kind}: ${functionName}`, () => {
    assert.equal(encodeFunctionData({ abi: abiOf(address), functionName, args }), first);
    if (kind !== "query") return;
    const result = decodeFunctionResult({ abi: abiOf(address), functionName, args, data: second });
    assert.equal(encodeFunctionResult({ abi: abiOf(address), functionName, result }), second);
  });
  saw(address, functionName);
}

for (const [kind, address, topics, data] of lines) {
  if (kind !== "event") continue;
  const abi = [...contracts.AesEscrow, ...contracts.AlzToken];
  const { eventName, args } = decodeEventLog({ abi, topics: topics.split(","), data, strict: true });
  test(`event: ${eventName}`, () => assert.ok(args === undefined || Object.keys(args).length > 0));
  saw(address, eventName);
}

// OpenZeppelin's, for domains that change: ours does not
const never = ["AlzToken EIP712DomainChanged"];
for (const [contract, items] of Object.entries(contracts)) {
  test(`${contract}: nothing of the ABI is without its golden bytes`, () => {
    const named = items.filter(({ type }) => type === "function" || type === "event").map(({ name }) => `${contract} ${name}`);
    assert.deepEqual(named.filter((name) => !seen.has(name) && !never.includes(name)), []);
  });
}

function abi(contract) {
  const file = JSON.parse(read(`../../schema/evm/${contract}.json`));
  return file.abi;
}
