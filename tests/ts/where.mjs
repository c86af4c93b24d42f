// Where a transaction's gas went, by what the escrow's own steps are: the node runs it again and tells each.
const kinds = [
  ["storage written", ["SSTORE"]],
  ["storage read", ["SLOAD"]],
  ["signatures recovered", ["STATICCALL"]],
  ["the token's part", ["CALL"]],
  ["event", ["LOG0", "LOG1", "LOG2", "LOG3", "LOG4"]],
  ["hashes", ["KECCAK256"]],
];
const rest = "everything else: decoding, memory, checks, jumps";

/** `{kind: gas}`, in the order of the table. Needs a node that traces steps. */
export async function whereGasGoes(chain, { transactionHash, gasUsed }) {
  const options = { disableStorage: true, enableMemory: false };
  const { structLogs } = await chain.request({ method: "debug_traceTransaction", params: [transactionHash, options] });
  const own = structLogs.filter(({ depth }) => depth === 1);
  if (own.length === 0) throw new Error("the node traced no steps");
  const table = Object.fromEntries([["transaction and calldata", 0], ...kinds.map(([kind]) => [kind, 0]), [rest, 0]]);
  own.forEach((step, i) => {
    // What is left at the next own step tells the cost of a call with all that happened inside.
    const cost = i + 1 < own.length ? step.gas - own[i + 1].gas : step.gasCost;
    table[kinds.find(([, ops]) => ops.includes(step.op))?.[0] ?? rest] += cost;
  });
  table["transaction and calldata"] = Number(gasUsed) - Object.values(table).reduce((sum, gas) => sum + gas, 0);
  return table;
}
