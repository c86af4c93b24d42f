//! The rules: what must be seen on the chains before each kind of statement is signed (protocol, sections 3, 6, 7).
//! The set that signs is always the coordinator's current one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use aes_chains::{Chain, ChainError, Depth, Hold, HoldStatus, Home};
use aes_config::SecretKey;
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_protocol::{
    decisions_tree, evidence_root, manifest_root, AttestorSet, Bytes, ChainId, Decision, DecisionLeaf, Evidence,
    Execution, Hash32, Leg, LegStatus, Statement,
};
use futures::future::try_join_all;

use crate::journal::Journal;
use crate::refusal::Refusal;
use crate::signer::Signer;
use crate::start::StartError;
use crate::wire::{Answer, Request, Seen, MAX_DECISIONS};

pub struct Attestor {
    pub(crate) home: Arc<dyn Home>,
    pub(crate) chains: BTreeMap<ChainId, Arc<dyn Chain>>,
    pub(crate) signer: Signer,
    journal: Journal,
}

impl Attestor {
    /// Opens the journal, which only this process may have open, and which must be of this key and this deployment.
    pub fn new(
        home: Arc<dyn Home>,
        chains: BTreeMap<ChainId, Arc<dyn Chain>>,
        key: &SecretKey,
        journal: &Path,
    ) -> Result<Self, StartError> {
        let signer = Signer::new(key)?;
        let journal = Journal::open(journal, signer.address(), home.domain())?;
        Ok(Self { home, chains, signer, journal })
    }

    /// Looks, journals, signs: in that order, so that no signature exists that the journal does not know.
    pub(crate) async fn attest(&self, request: &Request) -> Result<Answer, Refusal> {
        let (set, seen) = tokio::try_join!(self.current_set(), self.look(request))?;
        if let Request::Rotated { set: next } = request {
            if set.id.checked_add(1) != Some(next.id) {
                return Err(Refusal::NotTheNextSet { got: next.id, current: set.id });
            }
        }
        let digest = seen.statement.digest(self.home.domain(), set.id);
        self.journal.enter(digest, set.id, seen.clone()).await?;
        Ok(Answer {
            statement: seen.statement,
            attestor_set: set.id,
            signer: self.signer.address().to_vec().into(),
            signature: self.signer.sign(&digest)?,
            evidence: seen.evidence,
            decisions: seen.decisions,
        })
    }

    async fn current_set(&self) -> Result<AttestorSet, Refusal> {
        let set = self.home.attestor_set(None).await?.set;
        if !set.contains(self.signer.address()) {
            let signer = Bytes::from(self.signer.address().as_slice()).to_string();
            return Err(Refusal::NotInSet { signer, set: set.id });
        }
        Ok(set)
    }

    async fn look(&self, request: &Request) -> Result<Seen, Refusal> {
        match request {
            Request::Opened { execution_id } => self.opened(execution_id).await,
            Request::Prepared { execution_id } => self.prepared(execution_id).await,
            Request::Decided { execution_ids } => self.decided(execution_ids).await,
            Request::Settled { execution_id } => self.settled(execution_id).await,
            Request::Rotated { set } => {
                set.validate()?;
                let statement = Statement::Rotated { new_set: set.id, new_set_hash: set.hash() };
                Ok(Seen { statement, evidence: vec![], decisions: vec![] })
            }
        }
    }

    async fn opened(&self, execution_id: &Hash32) -> Result<Seen, Refusal> {
        let record = self.open_execution(execution_id).await?;
        let account_sourced =
            record.legs.iter().map(|entry| &entry.leg).filter(|leg| leg.function.is_account_sourced());
        try_join_all(account_sourced.map(|leg| async {
            let hold = self.chain(&leg.chain)?.hold(execution_id, leg, Depth::Soft).await?;
            let is_this_legs = |hold: &Hold| hold.status == HoldStatus::Held && hold.deadline == record.deadline;
            if hold.as_ref().is_some_and(is_this_legs) {
                return Ok(());
            }
            let seen = match hold {
                None => "nothing held".to_string(),
                Some(hold) => format!("{:?} with deadline {}", hold.status, hold.deadline),
            };
            Err(Refusal::Leg {
                leg: leg.index,
                chain: leg.chain.clone(),
                seen,
                expected: format!("Held with deadline {}", record.deadline),
            })
        }))
        .await?;
        let statement = Statement::Opened {
            execution_id: *execution_id,
            manifest_root: record.manifest_root,
            deadline: record.deadline,
        };
        Ok(Seen { statement, evidence: vec![], decisions: vec![] })
    }

    async fn prepared(&self, execution_id: &Hash32) -> Result<Seen, Refusal> {
        let record = self.open_execution(execution_id).await?;
        let (evidence, evidence_root) = self.evidence(&record, &[LegStatus::Held]).await?;
        let statement = Statement::Prepared { execution_id: *execution_id, evidence_root };
        Ok(Seen { statement, evidence, decisions: vec![] })
    }

    async fn decided(&self, execution_ids: &[Hash32]) -> Result<Seen, Refusal> {
        let mut once = BTreeSet::new();
        if let Some(twice) = execution_ids.iter().find(|id| !once.insert(**id)) {
            return Err(Refusal::NamedTwice(*twice));
        }
        if execution_ids.len() > MAX_DECISIONS {
            return Err(Refusal::DecisionCount(execution_ids.len()));
        }
        let decisions = try_join_all(execution_ids.iter().map(|execution_id| async {
            let decision = decision_of(&self.execution(execution_id).await?)?;
            Ok::<_, Refusal>(DecisionLeaf { execution_id: *execution_id, decision })
        }))
        .await?;
        let tree = decisions_tree(&decisions).ok_or(Refusal::DecisionCount(0))?;
        Ok(Seen { statement: Statement::Decided { decisions_root: tree.root() }, evidence: vec![], decisions })
    }

    async fn settled(&self, execution_id: &Hash32) -> Result<Seen, Refusal> {
        let record = self.execution(execution_id).await?;
        let decision = decision_of(&record)?;
        let ends: &[LegStatus] = match decision {
            Decision::Commit => &[LegStatus::Finalized, LegStatus::Escaped],
            Decision::Abort => &[LegStatus::Released, LegStatus::Absent, LegStatus::Escaped],
        };
        let (evidence, evidence_root) = self.evidence(&record, ends).await?;
        let statement = Statement::Settled { execution_id: *execution_id, decision, evidence_root };
        Ok(Seen { statement, evidence, decisions: vec![] })
    }

    /// The coordinator's record. The execution's id covers the legs and the deadline, so a node cannot lie about them.
    async fn execution(&self, execution_id: &Hash32) -> Result<ExecutionResponse, Refusal> {
        let record = self.home.execution(execution_id).await?.ok_or(Refusal::UnknownExecution(*execution_id))?;
        let nonsense = |cause: &str| ChainError::BadAnswer {
            chain: self.home.domain().home_chain.clone(),
            cause: format!("the record of execution {execution_id} {cause}"),
        };
        let legs: Vec<Leg> = record.legs.iter().map(|entry| entry.leg.clone()).collect();
        let account = |bech32: &str| match bech32::decode(bech32) {
            Ok((_, bytes)) => Ok(Bytes(bytes)),
            Err(_) => Err(nonsense("names an account that is no bech32 address")),
        };
        let execution = Execution {
            home_chain: self.home.domain().home_chain.clone(),
            coordinator: self.home.domain().coordinator.clone(),
            opener: account(&record.opener)?,
            salt: record.salt,
            manifest_root: manifest_root(&legs).ok_or_else(|| nonsense("has no legs"))?,
            deadline: record.deadline,
            relayer: record.relayer.as_deref().map(account).transpose()?.unwrap_or_default(),
        };
        if execution.execution_id() != *execution_id || record.manifest_root != execution.manifest_root {
            return Err(nonsense("does not hash to its id").into());
        }
        Ok(record)
    }

    async fn open_execution(&self, execution_id: &Hash32) -> Result<ExecutionResponse, Refusal> {
        let time = async { Ok::<_, Refusal>(self.home.time().await?) };
        let (record, now) = tokio::try_join!(self.execution(execution_id), time)?;
        if record.state != State::Open {
            return Err(Refusal::NotOpen { execution_id: *execution_id, state: record.state });
        }
        if now >= record.deadline {
            return Err(Refusal::DeadlinePassed { execution_id: *execution_id, deadline: record.deadline, now });
        }
        Ok(record)
    }

    /// Of every leg at finality, each with one of the `expected` statuses; and their root.
    async fn evidence(
        &self,
        record: &ExecutionResponse,
        expected: &[LegStatus],
    ) -> Result<(Vec<Evidence>, Hash32), Refusal> {
        let evidence = try_join_all(record.legs.iter().map(|entry| async {
            let leg = &entry.leg;
            let evidence = self.chain(&leg.chain)?.evidence(&record.execution_id, leg, record.deadline).await?;
            match evidence {
                Some(evidence) if evidence.leg_hash != leg.hash() || evidence.chain != leg.chain => {
                    let cause = format!("evidence of leg {} is of another leg", leg.index);
                    Err(ChainError::BadAnswer { chain: leg.chain.clone(), cause }.into())
                }
                Some(evidence) if expected.contains(&evidence.status) => Ok(evidence),
                other => Err(Refusal::Leg {
                    leg: leg.index,
                    chain: leg.chain.clone(),
                    seen: other.map_or("nothing final yet".into(), |evidence| format!("{:?}", evidence.status)),
                    expected: format!("one of {expected:?} at finality"),
                }),
            }
        }))
        .await?;
        let root = evidence_root(&evidence).ok_or(Refusal::UnknownExecution(record.execution_id))?;
        Ok((evidence, root))
    }

    fn chain(&self, id: &ChainId) -> Result<&Arc<dyn Chain>, Refusal> {
        self.chains.get(id).ok_or_else(|| Refusal::NoNode(id.clone()))
    }
}

fn decision_of(record: &ExecutionResponse) -> Result<Decision, Refusal> {
    match record.state {
        State::Open => Err(Refusal::Undecided(record.execution_id)),
        State::Committed | State::Finalized => Ok(Decision::Commit),
        State::Aborted | State::RolledBack => Ok(Decision::Abort),
    }
}
