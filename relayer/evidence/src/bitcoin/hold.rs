//! A leg's hold: the script is built anew from the leg and the attestors' keys, so nothing that the file says of it is
//! believed. A settlement's id covers its every output; the transaction that made the hold is shown so that nobody
//! passes a spend of another output off as one.

use aes_bitcoin::{AttestorKeys, AttestorSets, Ending, Escrow, Hold, Outcome, Presigned, RefundDelay, Source};
use aes_protocol::{keccak, AttestorSet, Bytes, Domain, Hash32, LegStatus};
use bitcoin::consensus::serialize;
use bitcoin::relative::LockTime;
use bitcoin::{OutPoint, Sequence, Transaction};
use cosmwasm_schema::cw_serde;

use crate::{ProofError, Subject};

/// What a hold's script is made of, beside the execution and the leg.
#[cw_serde]
#[derive(Eq)]
pub struct HoldTerms {
    /// ALZ's rune: block and place of its etching, `block:transaction`
    pub rune: String,
    /// the deployment's first attestor set, whose vault is the leg's escrow, and then, where it is another, the set that
    /// the hold is under
    pub sets: Vec<AttestorSet>,
    /// of an account-sourced leg: its depositor's word, as `attach` keeps it on the home chain
    pub presigned: Option<Bytes>,
    /// which output of the transaction that made it
    pub output: u32,
}

impl HoldTerms {
    /// The hold, when `made` made it and its attestor sets are `trusted`.
    pub(super) fn hold(
        &self,
        subject: &Subject,
        domain: &Domain,
        made: &Transaction,
        trusted: &[AttestorSet],
    ) -> Result<Hold, ProofError> {
        let wrong = |cause: &dyn ToString| ProofError::mismatch("hold", cause.to_string());
        let [first, under] = match self.sets.as_slice() {
            [only] => [only, only],
            [first, under] => [first, under],
            _ => return Err(ProofError::malformed("hold", "it names no attestor set, or more than two")),
        };
        let mut sets = AttestorSets::default();
        for set in [first, under] {
            sets.add(AttestorKeys::new(set).map_err(|error| wrong(&error))?);
        }
        let rune = self.rune.parse().map_err(|_| ProofError::malformed("hold", "the rune is no block:transaction"))?;
        let escrow =
            Escrow { chain: subject.leg.chain.clone(), deployment: domain.salt(), rune, first_set: first.id, sets };
        let outpoint = OutPoint { txid: made.compute_txid(), vout: self.output };
        let (execution_id, leg) = (subject.execution_id, subject.leg);
        let hold = match &self.presigned {
            Some(bytes) => Presigned::decode(bytes.as_slice())
                .and_then(|presigned| presigned.verify(&escrow, execution_id, leg))
                .map_err(|error| wrong(&error))?,
            None => {
                let script = escrow.reserve_hold(execution_id, leg, under.id).map_err(|error| wrong(&error))?;
                script.at(outpoint)
            }
        };
        if hold.outpoint != outpoint || hold.script.keys().set_id() != under.id {
            return Err(wrong(&"its depositor signed for another one"));
        }
        let output = usize::try_from(self.output).ok().and_then(|at| made.output.get(at));
        if output != Some(&hold.script.output()) {
            return Err(wrong(&format!("output {outpoint} is not the leg's: it has another script or other sats")));
        }
        if let Some(stranger) = self.sets.iter().find(|set| !trusted.contains(set)) {
            return Err(ProofError::NotAnchored { what: format!("attestor set {}", stranger.id) });
        }
        Ok(hold)
    }
}

/// How `spent` ended it.
pub(super) fn ended(hold: &Hold, spent: &Transaction) -> Result<LegStatus, ProofError> {
    let wrong = |cause: &dyn ToString| ProofError::mismatch("hold", cause.to_string());
    let input = spent.input.iter().find(|input| input.previous_output == hold.outpoint);
    let input = input.ok_or_else(|| wrong(&"the transaction does not spend it"))?;
    match hold.ending(spent).map_err(|error| wrong(&error))? {
        Some(Ending::Settled(Outcome::Finalize)) => Ok(LegStatus::Finalized),
        Some(Ending::Settled(Outcome::Release)) => Ok(LegStatus::Released),
        // A witness is under no transaction id, the sequence is: the refund path asks for it (BIP-112).
        Some(Ending::Escaped) => match hold.script.source() {
            Source::Account { refund, .. } if waits(input.sequence, refund) => Ok(LegStatus::Escaped),
            _ => Err(wrong(&"it was spent before the refund delay")),
        },
        Some(Ending::Foreign) | None => Err(wrong(&"it was spent by neither of its settlements")),
    }
}

fn waits(sequence: Sequence, refund: RefundDelay) -> bool {
    match sequence.to_relative_lock_time() {
        Some(LockTime::Time(time)) => time.value() >= refund.units(),
        _ => false,
    }
}

/// keccak of the hold's outpoint and output, as transactions have them.
pub(crate) fn event_hash(hold: &Hold) -> Hash32 {
    keccak(&[serialize(&hold.outpoint), serialize(&hold.script.output())].concat())
}
