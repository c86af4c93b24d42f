// The protocol's bytes in TypeScript's tools (viem, OpenZeppelin's trees): what a dApp would write, kept to the
// standard libraries so that the vectors test the page and not a copy of our own code.
import { concat, getTypesForEIP712Domain, hashDomain, hashStruct, hashTypedData, keccak256, toHex } from "viem";
import { parseSignature, recoverAddress, size } from "viem";
import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";

export const types = {
  Leg: fields("uint8 index,string chain,bytes escrow,uint8 function,bytes from,bytes to,uint128 amount"),
  Execution: fields(
    "string homeChain,bytes coordinator,bytes opener,bytes32 salt,bytes32 manifestRoot,uint64 deadline,bytes relayer",
  ),
  Opened: fields("bytes32 executionId,bytes32 manifestRoot,uint64 deadline,uint64 attestorSet"),
  Prepared: fields("bytes32 executionId,bytes32 evidenceRoot,uint64 attestorSet"),
  Decided: fields("bytes32 decisionsRoot,uint64 attestorSet"),
  Settled: fields("bytes32 executionId,uint8 decision,bytes32 evidenceRoot,uint64 attestorSet"),
  Rotated: fields("uint64 newSet,bytes32 newSetHash,uint64 attestorSet"),
  Decision: fields("bytes32 executionId,uint8 decision"),
  Deposit: fields("bytes32 executionId,bytes32 legHash,uint64 deadline"),
  Evidence: fields(
    "bytes32 legHash,uint8 status,string chain,uint64 height,bytes32 blockHash,bytes32 txId,bytes32 eventHash,uint64 time",
  ),
  AttestorSet: fields("uint64 id,uint8 threshold,Attestor[] attestors"),
  Attestor: fields("address signer,bytes32 bitcoinKey"),
};

export const structHash = (primaryType, data) => hashStruct({ primaryType, data, types });

/** The EIP-712 domain of a deployment; its salt binds the home chain and the coordinator there. */
export function domain(homeChain, coordinator) {
  return { name: "AES", version: "1", salt: keccak256(concat([toHex(homeChain), "0x00", coordinator])) };
}

export const domainSeparator = (d) => hashDomain({ domain: d, types: { EIP712Domain: getTypesForEIP712Domain({ domain: d }) } });

export const digest = (d, primaryType, message) => hashTypedData({ domain: d, types, primaryType, message });

/** OpenZeppelin's tree over struct hashes: a leaf is the struct hash hashed once more, pairs are sorted. */
export const tree = (structHashes) => SimpleMerkleTree.of(structHashes.map((hash) => keccak256(hash)));

const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/** Throws unless `signatures` are exactly `threshold` good ones of the set, signers ascending, each once. */
export async function verifyCertificate(set, attestorSet, signatures, hash) {
  if (attestorSet !== set.id) throw new Error(`signed under set ${attestorSet}, not ${set.id}`);
  if (signatures.length !== set.threshold) throw new Error(`${signatures.length} signatures, needs ${set.threshold}`);
  let previous = "";
  for (const signature of signatures) {
    if (size(signature) !== 65) throw new Error("a signature has 65 bytes");
    const { s, v } = parseSignature(signature);
    if (!/1[bc]$/.test(signature)) throw new Error(`v is ${v}, not 27 or 28`);
    if (BigInt(s) > HALF_ORDER) throw new Error("high s");
    const signer = (await recoverAddress({ hash, signature })).toLowerCase();
    if (signer <= previous) throw new Error("signers do not ascend");
    if (!set.attestors.some((attestor) => attestor.signer === signer)) throw new Error(`${signer} is not in the set`);
    previous = signer;
  }
}

/** CAIP-2. */
export const isChainName = (name) => /^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$/.test(name);

function fields(list) {
  return list.split(",").map((field) => {
    const [type, name] = field.split(" ");
    return { type, name };
  });
}
