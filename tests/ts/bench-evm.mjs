// Gas beside Boltz's ERC20Swap, on one anvil and with one token: whole transactions, steady state (every balance
// exists, allowances are unlimited). Prints `figure NAME VALUE UNIT` and fails where a target is missed; with --where, a table
// of where the gas of each goes instead.
import { readFileSync } from "node:fs";
import { createTestClient, http, keccak256, maxUint256, parseEther, publicActions, sha256, toHex, walletActions } from "viem";
import { generatePrivateKey, mnemonicToAccount, privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import { startAnvil } from "./anvil.mjs";
import * as evm from "./evm.mjs";
import { whereGasGoes } from "./where.mjs";
import { COMMIT, decided, deploy, deployWorld, send } from "./world.mjs";

const boltzArtifact = new URL("node_modules/boltz-core/dist/out/ERC20Swap.sol/ERC20Swap.json", import.meta.url);
const amount = parseEther("100");
const [admin, depositor, recipient, relayer] = [0, 1, 2, 3].map((addressIndex) =>
  mnemonicToAccount("test test test test test test test test test test test junk", { addressIndex }),
);
const holders = Array.from({ length: 16 }, () => privateKeyToAccount(generatePrivateKey()).address);

const showWhere = process.argv.includes("--where");
const tables = new Map();
const anvil = await startAnvil(...(showWhere ? ["--steps-tracing"] : []));
const chain = createTestClient({ chain: foundry, mode: "anvil", transport: http(anvil.url), pollingInterval: 20 })
  .extend(publicActions)
  .extend(walletActions);

const { token, escrow } = await deployWorld(chain, admin);
const boltz = await deploy(chain, admin, JSON.parse(readFileSync(boltzArtifact, "utf8")), []);
await steadyState();

const prepare = await prepareOne(leg(0, recipient.address));
const settle = await settleLegs("one leg", [leg(0, recipient.address)]);
const settle16 = await settleLegs("sixteen legs", holders.map((holder, index) => leg(index, holder)));
const { lock, claim } = await boltzSwap();
anvil.stop();
if (showWhere) {
  printTables();
  process.exit();
}

figure("evm.gas.prepare", prepare, "gas");
figure("evm.gas.settle", settle, "gas");
figure("evm.gas.settle16", settle16, "gas");
figure("evm.gas.boltz_lock", lock, "gas");
figure("evm.gas.boltz_claim", claim, "gas");
target("evm.prepare_vs_boltz_lock", prepare / lock, 1);
target("evm.settle_vs_boltz_claim", settle / claim, 1.4);
target("evm.settle16_vs_boltz_claim", settle16 / 16 / claim, 0.5);

function figure(name, value, unit) {
  console.log(`figure ${name} ${value} ${unit}`);
}

function target(name, value, most) {
  figure(name, value.toFixed(3), "ratio");
  if (value <= most) return;
  console.error(`${name} is ${value.toFixed(4)}, the target is ${most}`);
  process.exitCode = 1;
}

/** As Markdown: a line a kind, a column a transaction. */
function printTables() {
  const line = (cells) => console.log(`| ${cells.join(" | ")} |`);
  const number = (gas) => gas.toLocaleString("en");
  line(["", ...tables.keys()]);
  line(["---", ...Array(tables.size).fill("--:")]);
  const all = [...tables.values()];
  for (const kind of Object.keys(all[0])) line([kind, ...all.map((table) => number(table[kind]))]);
  line(["**together**", ...all.map((table) => number(Object.values(table).reduce((sum, gas) => sum + gas, 0)))]);
}

/** Every account that takes part has ALZ already, and the depositor has approved both contracts for ever. */
async function steadyState() {
  for (const account of [depositor.address, recipient.address, escrow.address, boltz.address, ...holders]) {
    await gas(admin, token, "transfer", [account, parseEther("10000")]);
  }
  for (const spender of [escrow.address, boltz.address]) await gas(depositor, token, "approve", [spender, maxUint256]);
}

function leg(index, to) {
  return { index, fn_: 0, from: depositor.address, to, amount };
}

async function prepareOne(one) {
  return gas(depositor, escrow, "prepare", [evm.terms(await deadline(), one), one.to, keccak256(toHex("prepare"))], "prepare");
}

/** Prepares the legs of one execution, then settles them all in one transaction under 2 of 3 signatures. */
async function settleLegs(name, legs) {
  const executionId = keccak256(toHex(name));
  for (const each of legs) await gas(depositor, escrow, "prepare", [evm.terms(await deadline(), each), each.to, executionId]);
  const batch = await decided(COMMIT, [{ executionId, legs }]);
  return gas(relayer, escrow, "finalizeBatch", [batch], `finalize ${name}`);
}

async function boltzSwap() {
  const preimage = keccak256(toHex("preimage"));
  const timelock = (await chain.getBlockNumber()) + 1_000n;
  const lockArgs = [sha256(preimage), amount, token.address, recipient.address, timelock];
  const overload = (name, count) => ({
    address: boltz.address,
    abi: boltz.abi.filter((item) => item.name === name && item.inputs.length === count),
  });
  return {
    lock: await gas(depositor, overload("lock", 5), "lock", lockArgs, "Boltz lock"),
    claim: await gas(recipient, overload("claim", 5), "claim", [preimage, amount, token.address, depositor.address, timelock], "Boltz claim"),
  };
}

async function deadline() {
  return (await chain.getBlock()).timestamp + 3_600n;
}

/** Sends, and answers the gas the whole transaction took. `column`: where to note what it went into. */
async function gas(account, contract, functionName, args, column) {
  const receipt = await send(chain, account, contract, functionName, args);
  if (showWhere && column) tables.set(column, await whereGasGoes(chain, receipt));
  return Number(receipt.gasUsed);
}
