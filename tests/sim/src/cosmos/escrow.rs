//! One process's adapter for the escrow on the simulated home chain.

use aes_chains::{Chain, ChainError, Depth, EscrowMessage, GasAccount, Head, Hold, HoldStatus, Outcome, TxId};
use aes_escrow::msg::{self, ExecuteMsg, Opened, ReceiveMsg, Settlement};
use aes_protocol::{keccak, Bytes, ChainId, Decision, Evidence, Hash32, Leg, LegStatus};
use async_trait::async_trait;
use cosmwasm_std::{Addr, WasmMsg};
use tokio::sync::watch;

use super::alz::call;
use super::hold_key;
use super::ledger::CosmosLedger;
use crate::wire::Link;
use crate::world::{with, World};

pub struct CosmosLink {
    link: Link,
    id: ChainId,
    account: Addr,
}

impl CosmosLink {
    pub fn new(link: Link, account: Addr) -> Self {
        Self { link, id: with(|world| world.home.id.clone()), account }
    }

    fn bad(&self, cause: impl Into<String>) -> ChainError {
        ChainError::BadAnswer { chain: self.id.clone(), cause: cause.into() }
    }

    /// As it is stored, and the bytes of it.
    fn stored(&self, home: &CosmosLedger, back: u64, id: &Hash32, leg: &Leg) -> Option<(msg::Hold, Vec<u8>)> {
        let bytes = home.stored(back, &home.escrow, hold_key(id, leg))?;
        Some((serde_json::from_slice(&bytes).ok()?, bytes))
    }

    fn evidence_in(
        &self,
        home: &CosmosLedger,
        back: u64,
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
        let Some((hold, bytes)) = self.stored(home, back, id, leg) else {
            let never = |head| of(LegStatus::Absent, head, Hash32::default(), Hash32::default());
            return Ok(home.first_from(deadline, back).map(never));
        };
        let (status, moment, event_hash) = match hold.status {
            msg::HoldStatus::Held if hold.deadline != deadline => return Ok(None),
            msg::HoldStatus::Held => {
                let first = msg::Hold { settled_at: None, failure: None, ..hold.clone() };
                let first = serde_json::to_vec(&first).map_err(|error| self.bad(error.to_string()))?;
                (LegStatus::Held, hold.held_at, keccak(&first))
            }
            msg::HoldStatus::Finalized => (LegStatus::Finalized, hold.settled_at, keccak(&bytes)),
            msg::HoldStatus::Released if hold.held_at.is_none() => (LegStatus::Absent, hold.settled_at, keccak(&bytes)),
            msg::HoldStatus::Released => (LegStatus::Released, hold.settled_at, keccak(&bytes)),
            msg::HoldStatus::Escaped => (LegStatus::Escaped, hold.settled_at, keccak(&bytes)),
        };
        let moment = moment.ok_or_else(|| self.bad("a hold without its time"))?;
        let head = home.block(moment.height).ok_or_else(|| self.bad("a hold of no block"))?;
        Ok(Some(of(status, head, moment.tx_hash, event_hash)))
    }
}

/// The contract's message, with the ALZ that goes with it.
pub fn encode(message: &EscrowMessage, home: &CosmosLedger) -> WasmMsg {
    let message = match message.clone() {
        EscrowMessage::Prepare { execution_id, deadline, leg } => {
            let amount = leg.amount.u128();
            let inside = ReceiveMsg::Prepare { execution_id, deadline, leg: leg.clone() };
            let message = ExecuteMsg::Prepare { execution_id, deadline, leg, opened: None };
            return home.alz.pay(&home.escrow, amount, &message, &inside);
        }
        EscrowMessage::FundVault { amount } => {
            return home.alz.pay(&home.escrow, amount, &ExecuteMsg::FundVault {}, &ReceiveMsg::FundVault {});
        }
        EscrowMessage::PrepareReserve { execution_id, deadline, leg, manifest_root, path, certificate } => {
            let opened = Some(Opened { manifest_root, path, certificate });
            ExecuteMsg::Prepare { execution_id, deadline, leg, opened }
        }
        EscrowMessage::Settle { decision, certificate, items } => {
            let items = items
                .into_iter()
                .map(|item| Settlement { execution_id: item.execution_id, path: item.path, legs: item.legs })
                .collect();
            match decision {
                Decision::Commit => ExecuteMsg::Finalize { certificate, items },
                Decision::Abort => ExecuteMsg::Release { certificate, items },
            }
        }
        EscrowMessage::Escape { execution_id, leg } => ExecuteMsg::Escape { execution_id, leg },
        EscrowMessage::Rotate { set, certificate } => ExecuteMsg::Rotate { set, certificate },
    };
    call(&home.escrow, &message, Vec::new())
}

#[async_trait]
impl Chain for CosmosLink {
    fn id(&self) -> &ChainId {
        &self.id
    }
    fn name(&self) -> &str {
        self.id.reference()
    }
    fn ticks(&self) -> watch::Receiver<u64> {
        with(|world| world.home.ticks.subscribe())
    }
    async fn check_contract(&self) -> Result<(), ChainError> {
        self.head(Depth::Soft).await.map(|_| ())
    }
    async fn head(&self, _: Depth) -> Result<Head, ChainError> {
        self.link.ask(|world, back| Ok(world.home.head(back))).await
    }
    async fn hold(&self, execution_id: &Hash32, leg: &Leg, _: Depth) -> Result<Option<Hold>, ChainError> {
        let read = |world: &World, back| {
            let stored = self.stored(&world.home, back, execution_id, leg);
            Ok(stored.map(|(hold, _)| Hold {
                status: match hold.status {
                    msg::HoldStatus::Held => HoldStatus::Held,
                    msg::HoldStatus::Finalized => HoldStatus::Finalized,
                    msg::HoldStatus::Released => HoldStatus::Released,
                    msg::HoldStatus::Escaped => HoldStatus::Escaped,
                },
                deadline: hold.deadline,
                held_at: hold.held_at.map(|moment| moment.time),
                settled_at: hold.settled_at.map(|moment| moment.time),
            }))
        };
        self.link.ask(read).await
    }
    async fn evidence(&self, execution_id: &Hash32, leg: &Leg, deadline: u64) -> Result<Option<Evidence>, ChainError> {
        self.link.ask(|world, back| self.evidence_in(&world.home, back, execution_id, leg, deadline)).await
    }
    async fn alz_balance(&self, account: &Bytes) -> Result<u128, ChainError> {
        let read = |world: &World, _| Ok(world.home.balance(&world.home.humanized(account)));
        self.link.ask(read).await
    }
    async fn gas_account(&self) -> Result<GasAccount, ChainError> {
        let account = with(|world| world.home.account(&self.account));
        Ok(GasAccount { address: self.account.to_string(), account, balance: u128::MAX, denom: "stake".into() })
    }
    async fn submit(&self, message: &EscrowMessage) -> Result<TxId, ChainError> {
        let act = |world: &mut World| {
            let call = encode(message, &world.home);
            // a settlement's gas is known: it is not run first
            if !matches!(message, EscrowMessage::Settle { .. }) {
                let ran = world.home.simulate(&self.account, call.clone());
                ran.map_err(|cause| ChainError::Refused { chain: self.id.clone(), cause })?;
            }
            if world.is_broke(self.link.seat, self.link.chain) {
                let (address, needed) = (self.account.to_string(), "gas".into());
                return Err(ChainError::InsufficientGas {
                    chain: self.id.clone(),
                    address,
                    balance: "0".into(),
                    needed,
                });
            }
            Ok(world.take_home(self.link.seat, &self.account, call))
        };
        self.link.tell(act).await
    }
    async fn estimate(&self, _: &EscrowMessage) -> Result<u128, ChainError> {
        Ok(1)
    }
    async fn outcome(&self, tx: &TxId) -> Result<Outcome, ChainError> {
        self.link.ask(|world, _| Ok(world.home.outcome(tx))).await
    }
    async fn bump(&self, _: &TxId) -> Result<Option<TxId>, ChainError> {
        Ok(None)
    }
}
