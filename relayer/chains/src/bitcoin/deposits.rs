//! A depositor's own hold, on disk from its first draft on: after a crash the same deposit goes on, never a second one, and
//! when the home chain is gone the depositor still has what an escape needs.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use aes_bitcoin::{Draft, Escrow, EscrowError, Hold, HoldScript, Presigned, RefundDelay, Source, DEPOSIT_VOUT};
use aes_protocol::{Hash32, Leg};
use bitcoin::secp256k1::{schnorr, XOnlyPublicKey};
use bitcoin::{OutPoint, Transaction};
use serde::{Deserialize, Serialize};

use super::folder::Folder;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deposit {
    pub execution_id: Hash32,
    pub leg: Leg,
    pub deadline: u64,
    /// with the attestor sets: the hold is rebuilt without asking the home chain
    escrow: Escrow,
    set_id: u64,
    depositor: XOnlyPublicKey,
    refund: RefundDelay,
    pub draft: Draft,
    pub signed: Option<SignedDeposit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedDeposit {
    pub tx: Transaction,
    pub finalize: schnorr::Signature,
    pub release: schnorr::Signature,
}

impl Deposit {
    /// `None` for a reserve-sourced hold, which nobody deposits.
    pub fn new(escrow: &Escrow, script: &HoldScript, deadline: u64, draft: Draft) -> Option<Self> {
        let Source::Account { depositor, refund } = script.source() else { return None };
        Some(Self {
            execution_id: *script.execution_id(),
            leg: script.leg().clone(),
            deadline,
            escrow: escrow.clone(),
            set_id: script.keys().set_id(),
            depositor,
            refund,
            draft,
            signed: None,
        })
    }

    pub fn outpoint(&self) -> OutPoint {
        OutPoint { txid: self.draft.tx.compute_txid(), vout: DEPOSIT_VOUT }
    }

    pub fn hold(&self) -> Result<Hold, EscrowError> {
        let Self { escrow, execution_id, leg, set_id, depositor, refund, .. } = self;
        Ok(escrow.account_hold(execution_id, leg, *set_id, *depositor, *refund)?.at(self.outpoint()))
    }

    pub fn inputs(&self) -> impl Iterator<Item = OutPoint> + '_ {
        self.draft.tx.input.iter().map(|input| input.previous_output)
    }

    /// What goes to the home chain, once it is signed.
    pub fn presigned(&self) -> Option<Presigned> {
        let SignedDeposit { finalize, release, .. } = self.signed.as_ref()?;
        Some(Presigned {
            set_id: self.set_id,
            depositor: self.depositor,
            refund: self.refund,
            outpoint: self.outpoint(),
            finalize: *finalize,
            release: *release,
        })
    }
}

pub struct Deposits(Folder<Deposit>);

impl Deposits {
    pub fn beside(index: &Path) -> Self {
        Self(Folder::beside(index, "deposits"))
    }

    pub fn get(&self, execution_id: &Hash32, leg: u8) -> io::Result<Option<Deposit>> {
        self.0.get(&name(execution_id, leg))
    }

    pub fn put(&self, deposit: &Deposit) -> io::Result<()> {
        self.0.put_synced(&name(&deposit.execution_id, deposit.leg.index), deposit)
    }

    /// Coins that deposits of open executions spend: `now` is before their deadlines.
    pub fn promised(&self, now: u64) -> io::Result<BTreeSet<OutPoint>> {
        let all = self.0.all()?;
        let waiting = all.iter().filter(|deposit| now < deposit.deadline);
        Ok(waiting.flat_map(Deposit::inputs).collect())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

fn name(execution_id: &Hash32, leg: u8) -> String {
    format!("{execution_id}-{leg}")
}
