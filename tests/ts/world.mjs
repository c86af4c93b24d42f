// One escrow with its token on a node, accounts that take part, three attestors (2 of 3), and words to speak to them.
import { getAddress, keccak256, parseEther, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { forgeOutput } from "../../contracts/evm/scripts/forge-output.mjs";
import * as evm from "./evm.mjs";
import * as aes from "./protocol.mjs";

export const COMMIT = 1;
export const ABORT = 2;

const homeChain = "cosmos:allianza-1";
const coordinator = keccak256(toHex("the coordinator"));
export const domain = aes.domain(homeChain, coordinator);
const attestors = [1n, 2n, 3n]
  .map((n) => privateKeyToAccount(keccak256(toHex(`attestor ${n}`))))
  .sort((a, b) => (a.address.toLowerCase() < b.address.toLowerCase() ? -1 : 1));

const settings = (token, admin) => ({
  homeChain,
  coordinator,
  token,
  attestorSet: { id: 1n, threshold: 2, attestors: attestors.map((a) => ({ signer: a.address, bitcoinKey: keccak256(a.address) })) },
  limits: { maxLeg: parseEther("1000"), reservePerHour: parseEther("1000"), mintCap: parseEther("1000") },
  maxHorizon: 86_400n,
  escapeDelay: 86_400n,
  limitsDelay: 3_600n,
  setGrace: 86_400n,
  admin: admin.address,
});

/** `chain`: a viem client with public and wallet actions. The admin gets all ALZ and is the deployer. */
export async function deployWorld(chain, admin) {
  const token = await deploy(chain, admin, forgeOutput("AlzToken"), [admin.address, admin.address, parseEther("1000000")]);
  const escrow = await deploy(chain, admin, forgeOutput("AesEscrow"), [settings(token.address, admin)]);
  return { token, escrow };
}

export async function deploy(chain, account, { abi, bytecode }, args) {
  const hash = await chain.deployContract({ account, abi, bytecode: bytecode.object ?? bytecode, args });
  const { contractAddress } = await chain.waitForTransactionReceipt({ hash });
  return { address: getAddress(contractAddress), abi };
}

/** Sends, waits for the block, and answers the receipt of what went through. */
export async function send(chain, account, { address, abi }, functionName, args) {
  const hash = await chain.writeContract({ account, address, abi, functionName, args });
  const receipt = await chain.waitForTransactionReceipt({ hash });
  if (receipt.status !== "success") throw new Error(`${functionName} reverted`);
  return receipt;
}

/** A certificate of the second and the third attestor; the first is absent. */
export async function certify(primaryType, statement) {
  const message = { ...statement, attestorSet: 1n };
  const signatures = await Promise.all(
    attestors.slice(1).map((a) => a.signTypedData({ domain, types: aes.types, primaryType, message })),
  );
  return evm.certificate(1n, signatures, [attestors[0].address]);
}

/** A batch for finalizeBatch or releaseBatch, under one certificate: `executions` are `{executionId, legs}`. */
export async function decided(decision, executions) {
  const hashes = executions.map(({ executionId }) => aes.structHash("Decision", { executionId, decision }));
  const tree = aes.tree(hashes);
  const certificate = await certify("Decided", { decisionsRoot: tree.root });
  const withPaths = executions.map((execution, i) => ({ ...execution, path: tree.getProof(keccak256(hashes[i])) }));
  return evm.batch(certificate, withPaths);
}
