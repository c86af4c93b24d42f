//! The rules: what must be seen on the chains before each kind of statement is signed (protocol, sections 3, 6, 7).
//! The set that signs is always the coordinator's current one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use aes_chains::{Chain, ChainError, Depth, Hold, HoldStatus, Home};
use aes_config::SecretKey;
use aes_coordinator::msg::{ExecutionResponse, State};
use aes_coordinator::state::Record;
use aes_evidence::Subject;
use aes_protocol::{
    decisions_tree, evidence_root, AttestorSet, Bytes, ChainId, Decision, DecisionLeaf, Evidence, Hash32, LegStatus,
    Statement,
};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::bitcoin::{BitcoinSigner, Opened};
use crate::journal::Journal;
use crate::proved::{Followed, Proved, Witnessed};
use crate::record::{check_execution, check_record};
use crate::refusal::Refusal;
use crate::signer::Signer;
use crate::start::StartError;
use crate::wire::{Answer, Request, Seen, MAX_DECISIONS};

/// Records asked of the home chain's node at once.
const RECORDS_AT_ONCE: usize = 16;

pub struct Attestor {
    pub(crate) home: Arc<dyn Home>,
    pub(crate) chains: BTreeMap<ChainId, Arc<dyn Chain>>,
    pub(crate) signer: Signer,
    /// none where it signs nothing on Bitcoin
    pub(crate) bitcoin: Option<BitcoinSigner>,
    pub(crate) journal: Journal,
    pub(crate) opened: Opened,
    /// the chains whose headers it follows itself
    pub(crate) followed: BTreeMap<ChainId, Arc<Followed>>,
    /// the EVM chains of which no endpoint is believed alone
    pub(crate) witnessed: BTreeMap<ChainId, Arc<Witnessed>>,
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
        Ok(Self::with_journal(home, chains, signer, journal))
    }

    /// The same without a thread for the journal: for virtual time, which would go on while a thread works.
    pub fn without_threads(
        home: Arc<dyn Home>,
        chains: BTreeMap<ChainId, Arc<dyn Chain>>,
        key: &SecretKey,
        journal: &Path,
    ) -> Result<Self, StartError> {
        let signer = Signer::new(key)?;
        let journal = Journal::written_by_caller(journal, signer.address(), home.domain())?;
        Ok(Self::with_journal(home, chains, signer, journal))
    }

    fn with_journal(
        home: Arc<dyn Home>,
        chains: BTreeMap<ChainId, Arc<dyn Chain>>,
        signer: Signer,
        journal: Journal,
    ) -> Self {
        Self {
            home,
            chains,
            signer,
            bitcoin: None,
            journal,
            opened: Opened::default(),
            followed: BTreeMap::new(),
            witnessed: BTreeMap::new(),
        }
    }

    /// The same on chains that prove what they say.
    pub fn proved(proved: Proved, key: &SecretKey, journal: &Path) -> Result<Self, StartError> {
        let attestor = Self::new(proved.home, proved.chains, key, journal)?;
        Ok(Self { followed: proved.followed, witnessed: proved.witnessed, ..attestor })
    }

    pub fn with_bitcoin(self, signer: BitcoinSigner) -> Self {
        Self { bitcoin: Some(signer), ..self }
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

    pub(crate) async fn look(&self, request: &Request) -> Result<Seen, Refusal> {
        match request {
            Request::Opened { execution_id } => self.opened(execution_id).await,
            Request::Prepared { execution_id } => self.prepared(execution_id).await,
            Request::Decided { execution_ids } => self.decided(execution_ids).await,
            Request::Settled { execution_id } => self.settled(execution_id).await,
            Request::Rotated { set } => {
                set.validate()?;
                for chain in self.chains.values().filter_map(|chain| chain.cosignable()) {
                    chain.check_set(set)?;
                }
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
            let hold = match self.witnessed.get(&leg.chain) {
                Some(chain) => chain.hold(execution_id, leg).await?,
                None => self.unshaken(&leg.chain)?.hold(execution_id, leg, Depth::Soft).await?,
            };
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
        self.opened.note(*execution_id);
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
        let decisions = stream::iter(execution_ids.iter().copied()).map(|execution_id| self.decision(execution_id));
        let decisions: Vec<DecisionLeaf> = decisions.buffered(RECORDS_AT_ONCE).try_collect().await?;
        let tree = decisions_tree(&decisions).ok_or(Refusal::DecisionCount(0))?;
        Ok(Seen { statement: Statement::Decided { decisions_root: tree.root() }, evidence: vec![], decisions })
    }

    pub(crate) async fn decision(&self, execution_id: Hash32) -> Result<DecisionLeaf, Refusal> {
        let decision = decision_of(&execution_id, self.record(&execution_id).await?.state)?;
        Ok(DecisionLeaf { execution_id, decision })
    }

    async fn settled(&self, execution_id: &Hash32) -> Result<Seen, Refusal> {
        let record = self.execution(execution_id).await?;
        let decision = decision_of(execution_id, record.state)?;
        let ends: &[LegStatus] = match decision {
            Decision::Commit => &[LegStatus::Finalized, LegStatus::Escaped],
            Decision::Abort => &[LegStatus::Released, LegStatus::Absent, LegStatus::Escaped],
        };
        let (evidence, evidence_root) = self.evidence(&record, ends).await?;
        let statement = Statement::Settled { execution_id: *execution_id, decision, evidence_root };
        Ok(Seen { statement, evidence, decisions: vec![] })
    }

    /// The coordinator's record alone: all that a decision needs, and the cheapest to read.
    pub(crate) async fn record(&self, execution_id: &Hash32) -> Result<Record, Refusal> {
        let record = self.home.record(execution_id).await?.ok_or(Refusal::UnknownExecution(*execution_id))?;
        check_record(execution_id, &record, self.home.domain())?;
        Ok(record)
    }

    /// The coordinator's record with its legs, about which a node cannot lie either.
    async fn execution(&self, execution_id: &Hash32) -> Result<ExecutionResponse, Refusal> {
        let record = self.home.execution(execution_id).await?.ok_or(Refusal::UnknownExecution(*execution_id))?;
        check_execution(execution_id, &record, self.home.domain())?;
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
            let subject = Subject { execution_id: &record.execution_id, leg, deadline: record.deadline };
            let evidence = match self.witnessed.get(&leg.chain) {
                Some(chain) => chain.evidence(&subject).await?,
                None => self.unshaken(&leg.chain)?.evidence(&record.execution_id, leg, record.deadline).await?,
            };
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

    pub(crate) fn chain(&self, id: &ChainId) -> Result<&Arc<dyn Chain>, Refusal> {
        self.chains.get(id).ok_or_else(|| Refusal::NoNode(id.clone()))
    }

    /// One of which what was seen as final still is: on others nothing new is signed before somebody has looked.
    pub(crate) fn unshaken(&self, id: &ChainId) -> Result<&Arc<dyn Chain>, Refusal> {
        let chain = self.chain(id)?;
        chain.check_finality()?;
        Ok(chain)
    }
}

pub(crate) fn decision_of(execution_id: &Hash32, state: State) -> Result<Decision, Refusal> {
    match state {
        State::Open => Err(Refusal::Undecided(*execution_id)),
        State::Committed | State::Finalized => Ok(Decision::Commit),
        State::Aborted | State::RolledBack => Ok(Decision::Abort),
    }
}
