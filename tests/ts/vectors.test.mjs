// The protocol's vectors (tests/vectors, written by the Rust crate) read by TypeScript's tools: the third language
// that has to come to the same bytes, and to the same refusals.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import { keccak256 } from "viem";
import * as aes from "./protocol.mjs";

const text = readFileSync(new URL("../vectors/protocol.json", import.meta.url), "utf8");
// Set ids go up to 2^64 - 1, which a JavaScript number would round: bare integers of 16 digits and more become text.
const vectors = JSON.parse(text.replace(/([:[]\s*)(\d{16,})(?=\s*[,\]}])/g, '$1"$2"'));

const functions = ["transfer", "lock", "unlock", "mint", "burn"];
const statuses = [null, "held", "finalized", "released", "absent", "escaped"];
const decisions = [null, "commit", "abort"];
const domain = aes.domain(vectors.domain.domain.home_chain, vectors.domain.domain.coordinator);
const code = (names, name) => {
  assert.ok(names.includes(name), `unknown name ${name}`);
  return names.indexOf(name);
};

const legHash = (leg) => aes.structHash("Leg", { ...leg, function: code(functions, leg.function) });
const decisionHash = (leaf) =>
  aes.structHash("Decision", { executionId: leaf.execution_id, decision: code(decisions, leaf.decision) });
const setOf = ({ id, threshold, attestors }) => ({
  id,
  threshold,
  attestors: attestors.map((a) => ({ signer: a.signer, bitcoinKey: a.bitcoin_key })),
});

test("every part of the file is read", () => {
  assert.deepEqual(Object.keys(vectors).sort(), [
    "certificates", "chains", "decisions", "domain", "evidence", "executions", "sets",
  ]);
});

test("the domain binds the home chain and the coordinator", () => {
  assert.equal(domain.salt, vectors.domain.salt);
  assert.equal(aes.domainSeparator(domain), vectors.domain.separator);
});

for (const name of vectors.chains.accepted) {
  test(`chain name accepted: ${name}`, () => assert.ok(aes.isChainName(name)));
}
for (const name of vectors.chains.refused) {
  test(`chain name refused: ${JSON.stringify(name)}`, () => assert.ok(!aes.isChainName(name)));
}

for (const { name, execution: e, execution_id, legs, manifest } of vectors.executions) {
  test(`execution: ${name}`, () => {
    checkTree(manifest, legs.map(legHash));
    const message = { ...e, homeChain: e.home_chain, manifestRoot: e.manifest_root };
    assert.equal(e.manifest_root, manifest.root);
    assert.equal(aes.structHash("Execution", message), execution_id);
  });
}

vectors.decisions.forEach(({ decisions: leaves, tree }) => {
  test(`decisions: a tree of ${leaves.length}`, () => checkTree(tree, leaves.map(decisionHash)));
});

test("evidence", () => {
  const hashes = vectors.evidence.leaves.map((leaf) =>
    aes.structHash("Evidence", {
      legHash: leaf.leg_hash,
      status: code(statuses, leaf.status),
      chain: leaf.chain,
      height: leaf.height,
      blockHash: leaf.block_hash,
      txId: leaf.tx_id,
      eventHash: leaf.event_hash,
      time: leaf.time,
    }),
  );
  assert.deepEqual(hashes, vectors.evidence.hashes);
  assert.equal(aes.tree(hashes).root, vectors.evidence.root);
});

vectors.sets.forEach(({ set, hash }) => {
  test(`attestor set: ${set.threshold} of ${set.attestors.length}`, () =>
    assert.equal(aes.structHash("AttestorSet", setOf(set)), hash));
});

for (const { name, set, certificate, statement, hash, digest, valid } of vectors.certificates) {
  test(`certificate: ${name}`, async () => {
    const [primaryType, message] = statementOf(statement, certificate.attestor_set);
    assert.equal(aes.structHash(primaryType, message), hash);
    assert.equal(aes.digest(domain, primaryType, message), digest);
    const verified = aes.verifyCertificate(set, certificate.attestor_set, certificate.signatures, digest);
    await (valid ? verified : assert.rejects(verified));
  });
}

function statementOf(statement, attestorSet) {
  const [[kind, s]] = Object.entries(statement);
  const executionId = s.execution_id;
  switch (kind) {
    case "opened":
      return ["Opened", { executionId, manifestRoot: s.manifest_root, deadline: s.deadline, attestorSet }];
    case "prepared":
      return ["Prepared", { executionId, evidenceRoot: s.evidence_root, attestorSet }];
    case "decided":
      return ["Decided", { decisionsRoot: s.decisions_root, attestorSet }];
    case "settled":
      return ["Settled", { executionId, decision: code(decisions, s.decision), evidenceRoot: s.evidence_root, attestorSet }];
    case "rotated":
      return ["Rotated", { newSet: s.new_set, newSetHash: s.new_set_hash, attestorSet }];
    default:
      throw new Error(`unknown statement ${kind}`);
  }
}

/** The leaves hash to what the vector says, OpenZeppelin's tree has its root and paths, and each path verifies. */
function checkTree(vector, hashes) {
  assert.deepEqual(hashes, vector.leaves);
  const tree = aes.tree(hashes);
  assert.equal(tree.root, vector.root);
  hashes.forEach((hash, i) => {
    const leaf = keccak256(hash);
    assert.deepEqual(tree.getProof(leaf), vector.paths[i]);
    assert.ok(SimpleMerkleTree.verify(vector.root, leaf, vector.paths[i]));
  });
}
