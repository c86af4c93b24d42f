// The packed bytes that the EVM escrow takes (schema/evm/AesEscrow.json names them `bytes` and `uint256`; the layouts are
// in contracts/evm/src/IAesEscrow.sol and Certificates.sol), as a dApp would write them.
import { concat, encodePacked, zeroAddress } from "viem";

/** What a prepare says of its leg beside the accounts. */
export const terms = (deadline, { index, fn_, amount }) =>
  encodePacked(["uint8", "uint8", "uint64", "uint128"], [index, fn_, deadline, amount]);

/** Signatures in the order of their signers; `absent`: the set's other members, ascending. */
export function certificate(attestorSet, signatures, absent) {
  const header = encodePacked(["uint64", "uint8", "uint8"], [attestorSet, signatures.length, absent.length]);
  return concat([header, ...signatures, ...absent]);
}

/** For finalize and release: `executions` are `{executionId, path, legs}`. */
export function batch(certificate, executions) {
  const execution = ({ executionId, path, legs }) =>
    concat([encodePacked(["bytes32", "uint8", "uint8"], [executionId, path.length, legs.length]), ...path, ...legs.map(packedLeg)]);
  return concat([certificate, ...executions.map(execution)]);
}

function packedLeg({ index, fn_, amount, from = zeroAddress, to = zeroAddress }) {
  return encodePacked(["uint8", "uint8", "uint128", "address", "address"], [index, fn_, amount, from, to]);
}
