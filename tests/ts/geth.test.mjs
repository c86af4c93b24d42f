// The contracts on the real Ethereum client, which anvil only simulates: deploy, every way to prepare, settle, release, batch.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createWalletClient, defineChain, getContract, http, keccak256, maxUint256, parseEther, parseSignature, publicActions, toHex, zeroAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import * as evm from "./evm.mjs";
import { developerKey, startGeth } from "./geth.mjs";
import * as aes from "./protocol.mjs";
import { ABORT, certify, COMMIT, decided, deployWorld, domain, send as sendOn } from "./world.mjs";

const [TRANSFER, LOCK, UNLOCK, MINT] = [0, 1, 2, 3];
const HELD = 1;
const ALZ = parseEther("1");
const admin = privateKeyToAccount(developerKey);
const [alice, bob] = [generatePrivateKey(), generatePrivateKey()].map((key) => privateKeyToAccount(key));
let geth, chain, token, escrow, escrowView, deadline;

before(async () => {
  geth = await startGeth();
  const definition = defineChain({ id: 1337, name: "geth", nativeCurrency: { name: "ether", symbol: "ETH", decimals: 18 }, rpcUrls: { default: { http: [geth.url] } } });
  chain = createWalletClient({ chain: definition, transport: http(geth.url), pollingInterval: 20 }).extend(publicActions);
  ({ token, escrow } = await deployWorld(chain, admin));
  escrowView = getContract({ ...escrow, client: chain });
  deadline = (await chain.getBlock()).timestamp + 3_600n;
  await send(admin, token, "setBridge", [escrow.address]);
  await send(admin, token, "transfer", [alice.address, 1_000n * ALZ]);
  await chain.waitForTransactionReceipt({ hash: await chain.sendTransaction({ account: admin, to: alice.address, value: parseEther("10") }) });
  await send(alice, token, "approve", [escrow.address, maxUint256]);
});
after(() => geth?.stop());

test("the escrow says where it stands", async () => {
  assert.equal(await escrowView.read.chain(), "eip155:1337");
  assert.equal(await escrowView.read.domainSeparator(), aes.domainSeparator(domain));
});

test("a transfer is prepared, finalized, and finalized again to no effect", async () => {
  const [executionId, leg] = [id("transfer"), legOf(TRANSFER, 5n)];
  await prepare(executionId, leg);
  assert.equal(await statusOf(executionId, leg), HELD);
  await settle("finalizeBatch", COMMIT, [{ executionId, legs: [leg] }]);
  assert.equal(await balance(bob), 5n * ALZ);
  await settle("finalizeBatch", COMMIT, [{ executionId, legs: [leg] }]);
  assert.equal(await balance(bob), 5n * ALZ);
});

test("a lock is prepared and released; a release with nothing held forbids the prepare", async () => {
  const [executionId, leg, never] = [id("release"), legOf(LOCK, 7n), legOf(LOCK, 8n)];
  const had = await balance(alice);
  await prepare(executionId, leg);
  assert.equal(await balance(alice), had - 7n * ALZ);
  await settle("releaseBatch", ABORT, [{ executionId, legs: [leg, never] }]);
  assert.equal(await balance(alice), had);
  await assert.rejects(prepare(executionId, never), /HoldSettled/);
});

test("anyone prepares with the depositor's signature and a permit", async () => {
  const [executionId, leg, value] = [id("permit"), legOf(LOCK, 9n), 9n * ALZ];
  await send(alice, token, "approve", [escrow.address, 0n]);
  const legHash = await escrowView.read.legHash([leg]);
  const authorization = await alice.signTypedData({ domain, types: aes.types, primaryType: "Deposit", message: { executionId, legHash, deadline } });
  const { r, s, v } = parseSignature(
    await alice.signTypedData({
      domain: { name: "Allianza", version: "1", chainId: 1337, verifyingContract: token.address },
      types: { Permit: ["owner address", "spender address", "value uint256", "nonce uint256", "deadline uint256"].map(typed) },
      primaryType: "Permit",
      message: { owner: alice.address, spender: escrow.address, value, nonce: 0n, deadline },
    }),
  );
  await send(admin, escrow, "prepareFor", [executionId, deadline, leg, authorization, { value, deadline, v: Number(v), r, s }]);
  assert.equal(await statusOf(executionId, leg), HELD);
  await settle("finalizeBatch", COMMIT, [{ executionId, legs: [leg] }]);
  assert.equal(await escrowView.read.vault(), value);
  await send(alice, token, "approve", [escrow.address, maxUint256]);
});

test("reserve legs and a batch of two executions under one certificate", async () => {
  const [first, second, leg] = [id("batch 1"), id("batch 2"), legOf(TRANSFER, 1n)];
  const had = await balance(bob);
  await prepare(first, leg);
  const reserve = [legOf(UNLOCK, 2n), legOf(MINT, 3n)];
  const hashes = await Promise.all(reserve.map((each) => escrowView.read.legHash([each])));
  const tree = aes.tree(hashes);
  const opened = await certify("Opened", { executionId: second, manifestRoot: tree.root, deadline });
  for (const [i, each] of reserve.entries()) {
    const proof = tree.getProof(keccak256(hashes[i]));
    await send(admin, escrow, "prepareReserve", [second, deadline, each, tree.root, proof, opened]);
  }
  await settle("finalizeBatch", COMMIT, [{ executionId: first, legs: [leg] }, { executionId: second, legs: reserve }]);
  assert.equal(await balance(bob), had + 6n * ALZ);
  assert.equal(await escrowView.read.issued(), 3n * ALZ);
});

test("what is wrong is said by the error's name", async () => {
  const [executionId, leg] = [id("wrong"), { ...legOf(TRANSFER, 1n), to: escrow.address }];
  await assert.rejects(prepare(executionId, leg), /WrongRecipient/);
  const batch = await decided(COMMIT, [{ executionId, legs: [legOf(TRANSFER, 1n)] }]);
  await assert.rejects(send(admin, escrow, "finalizeBatch", [batch]), /NothingHeld/);
  await assert.rejects(send(admin, escrow, "releaseBatch", [batch]), /NotAnAttestor/);
});

const id = (name) => keccak256(toHex(name));
const typed = (field) => ({ name: field.split(" ")[0], type: field.split(" ")[1] });
const balance = ({ address }) => chain.readContract({ ...token, functionName: "balanceOf", args: [address] });
const send = (account, contract, name, args) => sendOn(chain, account, contract, name, args);
const prepare = (executionId, leg) => send(alice, escrow, "prepare", [evm.terms(deadline, leg), leg.to, executionId]);
const settle = async (name, decision, executions) => send(admin, escrow, name, [await decided(decision, executions)]);
const statusOf = async (executionId, leg) => (await escrowView.read.holdOf([executionId, await escrowView.read.legHash([leg])]))[0];

function legOf(fn_, alz) {
  const [from, to] = [fn_ === UNLOCK || fn_ === MINT ? zeroAddress : alice.address, fn_ === LOCK ? zeroAddress : bob.address];
  return { index: Number(alz), fn_, from, to, amount: alz * ALZ };
}
