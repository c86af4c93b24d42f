//! One process's adapter for a simulated EVM chain. Call data, gas for settlements and the reading of holds are as the
//! real adapter has them; nonces are counted here, and asked of the node again where one was lost.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aes_chains::evm::EscrowCalls;
use aes_chains::{Chain, ChainError, Depth, EscrowMessage, GasAccount, Head, Hold, HoldStatus, Outcome, TxId};
use aes_protocol::{keccak, Bytes, Certificate, ChainId, DecisionLeaf, Evidence, Hash32, Leg, LegStatus, Statement};
use async_trait::async_trait;
use ethers_contract::EthEvent;
use ethers_core::abi::{AbiDecode, AbiEncode};
use revm::primitives::{Address, Log, B256};
use tokio::sync::watch;

use super::abi::{escrow, revert_text, to_ethers, token};
use super::ledger::{Block, EvmLedger, Rejected, Tx};
use super::vm::Done;
use crate::fault::Fault;
use crate::wire::{Link, Seat};
use crate::world::{with, World};

pub struct EvmLink {
    link: Link,
    id: ChainId,
    name: String,
    account: Address,
    sent: Mutex<Sent>,
}

#[derive(Default)]
struct Sent {
    /// `None`: ask the node
    next_nonce: Option<u64>,
    txs: BTreeMap<Hash32, Tx>,
}

impl EvmLink {
    pub fn new(link: Link, account: Address) -> Self {
        let id = with(|world| world.chain_id(link.chain));
        Self { name: id.reference().into(), link, id, account, sent: Mutex::default() }
    }

    fn refused(&self, cause: impl Into<String>) -> ChainError {
        ChainError::Refused { chain: self.id.clone(), cause: cause.into() }
    }

    fn bad(&self, cause: impl Into<String>) -> ChainError {
        ChainError::BadAnswer { chain: self.id.clone(), cause: cause.into() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sent> {
        self.sent.lock().expect("nothing panics with the lock")
    }

    fn ledger<'a>(&self, world: &'a World) -> &'a EvmLedger {
        world.evm(self.link.chain)
    }

    fn hold_in(&self, ledger: &EvmLedger, block: &Block, id: &Hash32, leg: &Leg) -> Result<Option<Hold>, ChainError> {
        let call = escrow::HoldOfCall { execution_id: id.0, hash: leg.hash().0 };
        let answer = ledger.view(block, ledger.escrow, call.encode()).map_err(|cause| self.bad(cause))?;
        let (status, deadline, held_at, settled_at): (u8, u64, u64, u64) =
            AbiDecode::decode(&answer).map_err(|error| self.bad(error.to_string()))?;
        let status = match status {
            0 => return Ok(None),
            1 => HoldStatus::Held,
            2 => HoldStatus::Finalized,
            3 => HoldStatus::Released,
            _ => HoldStatus::Escaped,
        };
        let height = |height: u64| Some(height).filter(|height| *height != 0);
        Ok(Some(Hold { status, deadline, held_at: height(held_at), settled_at: height(settled_at) }))
    }

    fn evidence_in(
        &self,
        ledger: &EvmLedger,
        last: &Block,
        id: &Hash32,
        leg: &Leg,
        deadline: u64,
    ) -> Result<Option<Evidence>, ChainError> {
        let of = |status, head: Head, tx_id, event_hash| Evidence {
            leg_hash: leg.hash(),
            status,
            chain: self.id.clone(),
            height: head.height,
            block_hash: head.hash,
            tx_id,
            event_hash,
            time: head.time,
        };
        let Some(hold) = self.hold_in(ledger, last, id, leg)? else {
            let first = ledger.blocks.iter().find(|block| block.head.time >= deadline);
            let first = first.filter(|block| block.head.height <= last.head.height);
            return Ok(first.map(|block| of(LegStatus::Absent, block.head, Hash32::default(), Hash32::default())));
        };
        let (status, event, height) = match (hold.status, hold.held_at) {
            (HoldStatus::Held, _) if hold.deadline != deadline => return Ok(None),
            (HoldStatus::Held, _) => (LegStatus::Held, escrow::PreparedFilter::signature(), hold.held_at),
            (HoldStatus::Finalized, _) => (LegStatus::Finalized, escrow::FinalizedFilter::signature(), hold.settled_at),
            (HoldStatus::Released, Some(_)) => {
                (LegStatus::Released, escrow::ReleasedFilter::signature(), hold.settled_at)
            }
            (HoldStatus::Released, None) => (LegStatus::Absent, escrow::ReleasedFilter::signature(), hold.settled_at),
            (HoldStatus::Escaped, _) => (LegStatus::Escaped, escrow::EscapedFilter::signature(), hold.settled_at),
        };
        let topics = [B256::from(event.0), B256::from(id.0), B256::from(leg.hash().0)];
        let block = height.and_then(|height| ledger.blocks.get(height as usize));
        let found = block.and_then(|block| {
            let is_it = |log: &&Log| log.address == ledger.escrow && log.topics().starts_with(&topics);
            block.txs.iter().find_map(|(tx, receipt)| Some((block.head, tx.id, receipt.logs.iter().find(is_it)?)))
        });
        let (head, tx, log) = found.ok_or_else(|| self.bad("the escrow's storage and its logs do not agree"))?;
        Ok(Some(of(status, head, tx, event_hash(log))))
    }

    fn encode(&self, ledger: &EvmLedger, world: &World, message: &EscrowMessage) -> Result<Vec<u8>, ChainError> {
        let absent = absent(ledger, world, message);
        let calls = EscrowCalls { chain: &self.id, address: to_ethers(ledger.escrow) };
        Ok(calls.call_data(message, to_ethers(self.account), &absent)?.to_vec())
    }

    /// What the message takes, run on the newest block; a revert is a refusal.
    fn gas(&self, ledger: &EvmLedger, data: &[u8]) -> Result<u64, ChainError> {
        let run = ledger.call(ledger.newest(), self.account, ledger.escrow, data.to_vec().into());
        match run.map_err(|cause| self.bad(cause))? {
            Done::Ok { gas, .. } => Ok(gas + gas / 4 + 10_000),
            Done::Reverted { data } => Err(self.refused(revert_text(&data))),
            Done::OutOfGas => Err(self.refused("out of gas")),
        }
    }

    fn send(&self, world: &mut World, message: &EscrowMessage) -> Result<TxId, ChainError> {
        let ledger = self.ledger(world);
        let data = self.encode(ledger, world, message)?;
        let gas = match message {
            EscrowMessage::Settle { certificate, items, .. } => {
                aes_chains::evm::settlement_gas(certificate, items, data.len())
            }
            _ => self.gas(ledger, &data)?,
        };
        if world.is_broke(self.link.seat, self.link.chain) {
            let (address, needed) = (format!("{}", self.account), format!("{gas} gas"));
            return Err(ChainError::InsufficientGas { chain: self.id.clone(), address, balance: "0".into(), needed });
        }
        let ledger = self.ledger(world);
        let max_fee = u128::from(ledger.base_fee) * 2 + 1;
        let mut sent = self.lock();
        // users have no memory: where a reorg lost one of theirs, the next takes its place
        let known = sent.next_nonce.take().filter(|_| self.link.seat != Seat::User);
        let nonce = known.unwrap_or_else(|| ledger.pending_nonce(self.account));
        let to = ledger.escrow;
        let mut tx = Tx { id: Hash32::default(), from: self.account, to, nonce, data: data.into(), gas, max_fee };
        tx.id = id_of(&self.id, &tx);
        let taken = match world.hand_over(&self.link, tx.clone()) {
            Err(Rejected::Nonce(_)) if known.is_some() => {
                tx.nonce = world.evm(self.link.chain).pending_nonce(self.account);
                tx.id = id_of(&self.id, &tx);
                world.hand_over(&self.link, tx.clone())
            }
            taken => taken,
        };
        taken.map_err(|Rejected::Nonce(cause)| self.bad(cause))?;
        sent.next_nonce = Some(tx.nonce + 1);
        sent.txs.insert(tx.id, tx.clone());
        if self.link.seat != Seat::User && world.strikes(Fault::Twice, 0.05) {
            world.repeat_later(self.link.chain, message.clone());
        }
        Ok(TxId(tx.id.to_string()))
    }
}

fn id_of(chain: &ChainId, tx: &Tx) -> Hash32 {
    let parts =
        [chain.as_str().as_bytes(), tx.from.as_slice(), &tx.nonce.to_be_bytes(), &tx.data, &tx.max_fee.to_be_bytes()];
    keccak(&parts.concat())
}

fn event_hash(log: &Log) -> Hash32 {
    let mut bytes = log.address.to_vec();
    log.topics().iter().for_each(|topic| bytes.extend_from_slice(topic.as_slice()));
    bytes.extend_from_slice(&log.data.data);
    keccak(&bytes)
}

/// The members of the certificate's set that did not sign.
fn absent(ledger: &EvmLedger, world: &World, message: &EscrowMessage) -> Vec<ethers_core::types::Address> {
    let signed: Option<(&Certificate, Statement)> = match message {
        EscrowMessage::PrepareReserve { execution_id, deadline, manifest_root, certificate, .. } => {
            let (execution_id, manifest_root) = (*execution_id, *manifest_root);
            Some((certificate, Statement::Opened { execution_id, manifest_root, deadline: *deadline }))
        }
        EscrowMessage::Settle { decision, certificate, items } => items.first().map(|first| {
            let leaf = DecisionLeaf { execution_id: first.execution_id, decision: *decision };
            (certificate, Statement::Decided { decisions_root: leaf.root(&first.path) })
        }),
        EscrowMessage::Rotate { set, certificate } => {
            Some((certificate, Statement::Rotated { new_set: set.id, new_set_hash: set.hash() }))
        }
        _ => None,
    };
    let Some((certificate, statement)) = signed else { return Vec::new() };
    let digest = statement.digest(&world.domain, certificate.attestor_set);
    let signers: Vec<Option<[u8; 20]>> =
        certificate.signatures.iter().map(|signature| crate::keys::signer_of(&digest, signature)).collect();
    let members = ledger.sets.get(&certificate.attestor_set).into_iter().flatten();
    members.filter(|member| !signers.contains(&Some(member.into_array()))).map(|member| to_ethers(*member)).collect()
}

#[async_trait]
impl Chain for EvmLink {
    fn id(&self) -> &ChainId {
        &self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn ticks(&self) -> watch::Receiver<u64> {
        with(|world| world.evm_mut(self.link.chain).ticks.subscribe())
    }
    async fn check_contract(&self) -> Result<(), ChainError> {
        self.head(Depth::Soft).await.map(|_| ())
    }
    async fn head(&self, depth: Depth) -> Result<Head, ChainError> {
        let read =
            |world: &World, back| Ok(self.ledger(world).block_at(back, world.is_final(self.link.seat, depth)).head);
        self.link.ask(read).await
    }
    async fn hold(&self, execution_id: &Hash32, leg: &Leg, depth: Depth) -> Result<Option<Hold>, ChainError> {
        let read = |world: &World, back| {
            let ledger = self.ledger(world);
            self.hold_in(ledger, ledger.block_at(back, world.is_final(self.link.seat, depth)), execution_id, leg)
        };
        self.link.ask(read).await
    }
    async fn evidence(&self, execution_id: &Hash32, leg: &Leg, deadline: u64) -> Result<Option<Evidence>, ChainError> {
        let read = |world: &World, back| {
            let ledger = self.ledger(world);
            let last = ledger.block_at(back, world.is_final(self.link.seat, Depth::Final));
            self.evidence_in(ledger, last, execution_id, leg, deadline)
        };
        self.link.ask(read).await
    }
    async fn alz_balance(&self, account: &Bytes) -> Result<u128, ChainError> {
        let holder = ethers_core::types::Address::from_slice(account.as_slice());
        let read = |world: &World, back| {
            let ledger = self.ledger(world);
            let call = token::BalanceOfCall { account: holder }.encode();
            let answer = ledger.view(ledger.block_at(back, false), ledger.token, call);
            u128::decode(answer.map_err(|cause| self.bad(cause))?).map_err(|error| self.bad(error.to_string()))
        };
        self.link.ask(read).await
    }
    async fn gas_account(&self) -> Result<GasAccount, ChainError> {
        let (address, account) = (format!("{}", self.account), self.account.to_vec().into());
        Ok(GasAccount { address, account, balance: u128::MAX, denom: "wei".into() })
    }
    async fn submit(&self, message: &EscrowMessage) -> Result<TxId, ChainError> {
        self.link.tell(|world| self.send(world, message)).await
    }
    async fn estimate(&self, message: &EscrowMessage) -> Result<u128, ChainError> {
        let read = |world: &World, _| {
            let ledger = self.ledger(world);
            let gas = self.gas(ledger, &self.encode(ledger, world, message)?)?;
            Ok(u128::from(gas) * u128::from(ledger.base_fee))
        };
        self.link.ask(read).await
    }
    async fn outcome(&self, tx: &TxId) -> Result<Outcome, ChainError> {
        let id: Hash32 = tx.0.parse().map_err(|_| self.refused("no transaction id"))?;
        let read = |world: &World, back| {
            Ok(match self.ledger(world).find(&id, back) {
                None => Outcome::Unknown,
                Some(None) => Outcome::Pending,
                Some(Some((head, receipt))) => match &receipt.failure {
                    None => Outcome::Included { height: head.height, time: head.time },
                    Some(cause) => Outcome::Failed { height: head.height, cause: cause.clone() },
                },
            })
        };
        let outcome = self.link.ask(read).await?;
        let mut sent = self.lock();
        match (&outcome, sent.txs.get(&id).map(|tx| tx.nonce)) {
            (Outcome::Unknown, Some(_)) => sent.next_nonce = None,
            (Outcome::Included { .. } | Outcome::Failed { .. }, Some(nonce)) => {
                sent.txs.retain(|_, other| other.nonce > nonce);
            }
            _ => {}
        }
        Ok(outcome)
    }
    async fn bump(&self, tx: &TxId) -> Result<Option<TxId>, ChainError> {
        let id: Hash32 = tx.0.parse().map_err(|_| self.refused("no transaction id"))?;
        let act = |world: &mut World| {
            let Some(mut tx) = self.lock().txs.get(&id).cloned() else { return Ok(None) };
            let ledger = self.ledger(world);
            if ledger.find(&id, 0).flatten().is_some() {
                return Ok(None);
            }
            let fee_now = u128::from(ledger.base_fee) * 2 + 1;
            let next = ledger.pending_nonce(self.account);
            if next < tx.nonce {
                // one before it is lost: the same call goes in its place
                (tx.nonce, tx.max_fee) = (next, fee_now);
            } else {
                tx.max_fee = (tx.max_fee + tx.max_fee / 8 + 1).max(fee_now);
            }
            tx.id = id_of(&self.id, &tx);
            if world.hand_over(&self.link, tx.clone()).is_err() {
                return Ok(None);
            }
            world.fired.count(Fault::Replaced);
            self.lock().txs.insert(tx.id, tx.clone());
            Ok(Some(TxId(tx.id.to_string())))
        };
        self.link.tell(act).await
    }
}
