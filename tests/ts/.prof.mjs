// Gas beside Boltz's ERC20Swap, on one anvil and with one token: whole transactions, steady state (every balance
// exists, allowances are unlimited). Prints `figure NAME VALUE UNIT` and fails where a target is missed.
import { readFileSync } from "node:fs";
import { concat, createTestClient, getAddress, http, keccak256, maxUint256, parseEther, publicActions, sha256, toHex } from "viem";
import { walletActions } from "viem";
import { generatePrivateKey, mnemonicToAccount, privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import { forgeOutput } from "../../contracts/evm/scripts/forge-output.mjs";
import { startAnvil } from "./.anvilp.mjs";
import * as aes from "./protocol.mjs";

const boltzArtifact = new URL("node_modules/boltz-core/dist/out/ERC20Swap.sol/ERC20Swap.json", import.meta.url);
const amount = parseEther("100");
const homeChain = "cosmos:allianza-1";
const coordinator = keccak256(toHex("the coordinator"));
const [admin, depositor, recipient, relayer] = [0, 1, 2, 3].map((addressIndex) =>
  mnemonicToAccount("test test test test test test test test test test test junk", { addressIndex }),
);
const holders = Array.from({ length: 16 }, () => privateKeyToAccount(generatePrivateKey()).address);
const attestors = [1n, 2n, 3n]
  .map((n) => privateKeyToAccount(keccak256(toHex(`attestor ${n}`))))
  .sort((a, b) => (a.address.toLowerCase() < b.address.toLowerCase() ? -1 : 1));

const anvil = await startAnvil();
const chain = createTestClient({ chain: foundry, mode: "anvil", transport: http(anvil.url), pollingInterval: 20 })
  .extend(publicActions)
  .extend(walletActions);

const tokenOutput = forgeOutput("AlzToken");
const escrowOutput = forgeOutput("AesEscrow");
const boltzOutput = JSON.parse(readFileSync(boltzArtifact, "utf8"));
const token = await deploy(tokenOutput, [admin.address, admin.address, parseEther("1000000")]);
const boltz = await deploy(boltzOutput, []);
const escrow = await deploy(escrowOutput, [settings()]);
await steadyState();

const prepare = await prepareOne(leg(0, recipient.address));
const settle = await settleLegs("one leg", [leg(0, recipient.address)]);
const settle16 = await settleLegs("sixteen legs", holders.map((holder, index) => leg(index, holder)));
const { lock, claim } = await boltzSwap();
anvil.stop();

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

function settings() {
  return {
    homeChain,
    coordinator,
    token: token.address,
    attestorSet: { id: 1n, threshold: 2, attestors: attestors.map((a) => ({ signer: a.address, bitcoinKey: keccak256(a.address) })) },
    limits: { maxLeg: parseEther("1000"), reservePerHour: parseEther("1000"), mintCap: parseEther("1000") },
    maxHorizon: 86_400n,
    escapeDelay: 86_400n,
    limitsDelay: 3_600n,
    setGrace: 86_400n,
    admin: admin.address,
  };
}

/** Every account that takes part has ALZ already, and the depositor has approved both contracts for ever. */
async function steadyState() {
  for (const account of [depositor.address, recipient.address, escrow.address, boltz.address, ...holders]) {
    await send(admin, token, "transfer", [account, parseEther("10000")]);
  }
  for (const spender of [escrow.address, boltz.address]) await send(depositor, token, "approve", [spender, maxUint256]);
}

function leg(index, to) {
  return { index, fn_: 0, from: depositor.address, to, amount };
}

async function prepareOne(one) {
  return send(depositor, escrow, "prepare", [keccak256(toHex("prepare")), await deadline(), one]);
}

/** Prepares the legs of one execution, then settles them all in one transaction under 2 of 3 signatures. */
async function settleLegs(name, legs) {
  const executionId = keccak256(toHex(name));
  for (const each of legs) await send(depositor, escrow, "prepare", [executionId, await deadline(), each]);
  const decisionsRoot = aes.tree([aes.structHash("Decision", { executionId, decision: 1 })]).root;
  const message = { decisionsRoot, attestorSet: 1n };
  const domain = aes.domain(homeChain, coordinator);
  const signatures = await Promise.all(
    attestors.slice(1).map((a) => a.signTypedData({ domain, types: aes.types, primaryType: "Decided", message })),
  );
  const certificate = { attestorSet: 1n, signatures: concat(signatures) };
  return send(relayer, escrow, "finalize", [certificate, [{ executionId, path: [], legs }]]);
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
    lock: await send(depositor, overload("lock", 5), "lock", lockArgs),
    claim: await send(recipient, overload("claim", 5), "claim", [preimage, amount, token.address, depositor.address, timelock]),
  };
}

async function deadline() {
  return (await chain.getBlock()).timestamp + 3_600n;
}

async function deploy({ abi, bytecode }, args) {
  const hash = await chain.deployContract({ account: admin, abi, bytecode: bytecode.object ?? bytecode, args });
  const { contractAddress } = await chain.waitForTransactionReceipt({ hash });
  return { address: getAddress(contractAddress), abi };
}

/** Sends, and answers the gas the whole transaction took. */
async function send(account, { address, abi }, functionName, args) {
  const hash = await chain.writeContract({ account, address, abi, functionName, args });
  const receipt = await chain.waitForTransactionReceipt({ hash });
  if (receipt.status !== "success") throw new Error(`${functionName} reverted`);
  if (["prepare","lock","finalize","claim"].includes(functionName)) await prof(functionName, hash, receipt);
  return Number(receipt.gasUsed);
}
async function prof(n, hash, receipt) {
  const t = await chain.request({method:"debug_traceTransaction",params:[hash,{disableStorage:true,disableMemory:true,disableStack:false}]});
  if(n===(process.env.FN??"finalize")&&!globalThis.done){globalThis.done=1;(await import("node:fs")).writeFileSync("/tmp/trace.json",JSON.stringify(t.structLogs.filter(l=>l.depth===1).map(({pc,op,gasCost})=>({pc,op,gasCost}))))}
  const by={}; let tot=0;
  const depthTot={};
  for (let i=0;i<t.structLogs.length;i++){const l=t.structLogs[i];const nx=t.structLogs[i+1];
    let c = l.gasCost; if (["CALL","STATICCALL","DELEGATECALL"].includes(l.op)) { c = (nx&&nx.depth===l.depth+1) ? l.gas-nx.gas-0 : l.gasCost; if(nx&&nx.depth===l.depth+1){ c = null; } }
    if(c===null){ // find return
      let j=i+1; let inner=0; while(j<t.structLogs.length&&t.structLogs[j].depth>l.depth) j++; 
      const last=t.structLogs[j-1]; const used=t.structLogs[i+1].gas-last.gas+last.gasCost; c=l.gas-t.structLogs[j].gas-used; }
    const k=l.depth+":"+l.op; (by[k]??=[0,0]); by[k][0]++; by[k][1]+=c; depthTot[l.depth]=(depthTot[l.depth]??0)+c; tot+=c;}
  if(n==="finalize"){let seq=[];let acc=0,startpc=null;
 for(const l of t.structLogs){ if(l.depth!==1) continue; }
 }
console.log("==",n,Number(receipt.gasUsed),"exec",tot,"intrinsic+",Number(receipt.gasUsed)-tot,depthTot);
  console.log(Object.entries(by).sort((a,b)=>b[1][1]-a[1][1]).slice(0,22).map(([k,v])=>k+" x"+v[0]+"="+v[1]).join("  "));
}
