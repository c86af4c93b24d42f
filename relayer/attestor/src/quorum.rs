//! Asks all attestors at once and makes a certificate of the first `threshold` that agree. Trusts none of them:
//! every signature is recovered, and what comes with the statement must be the same bytes from each.

use std::collections::{BTreeMap, BTreeSet};

use aes_protocol::{AttestorSet, Bytes, Certificate, ChainId, DecisionLeaf, Domain, Evidence, Statement};
use tokio::task::JoinSet;

use crate::client::{AttestRefusal, AttestorClient};
use crate::signer::Secp256k1;
use crate::wire::{Answer, Request};

/// A statement under a certificate, and what stands under its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    pub statement: Statement,
    pub certificate: Certificate,
    pub evidence: Vec<Evidence>,
    pub decisions: Vec<DecisionLeaf>,
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", describe(self))]
pub struct QuorumError {
    pub threshold: u8,
    /// who signed, and what: too few of one kind
    pub signed: Vec<(Bytes, Statement)>,
    /// attestors that had not answered when the rest could no longer reach the threshold
    pub unanswered: usize,
    pub refusals: Vec<AttestRefusal>,
    /// where what was signed differs: the chains whose evidence does, and none but the home chain for a decision
    pub disputed: Option<BTreeSet<ChainId>>,
}

fn describe(error: &QuorumError) -> String {
    let QuorumError { threshold, signed, unanswered, refusals, disputed } = error;
    let mut text = format!("fewer than {threshold} attestors agree");
    if *unanswered > 0 {
        text.push_str(&format!("; {unanswered} had not answered yet"));
    }
    if let Some(disputed) = disputed {
        let chains: Vec<&str> = disputed.iter().map(ChainId::as_str).collect();
        text.push_str(&format!("; they differ about {}", chains.join(", ")));
    }
    for (signer, statement) in signed {
        text.push_str(&format!("; {signer} signed {statement:?}"));
    }
    for refusal in refusals {
        text.push_str(&format!("; {refusal}"));
    }
    text
}

/// Answers alike in all that is not the signature.
struct Group {
    statement: Statement,
    evidence: Vec<Evidence>,
    decisions: Vec<DecisionLeaf>,
    signatures: BTreeMap<Bytes, Bytes>,
}

pub struct Quorum;

impl Quorum {
    /// Returns as soon as `threshold` attestors of `set` agree, or as soon as they no longer can.
    pub async fn collect(
        clients: &[AttestorClient],
        request: &Request,
        set: &AttestorSet,
        domain: &Domain,
    ) -> Result<Certified, QuorumError> {
        let threshold = usize::from(set.threshold);
        let mut asking = JoinSet::new();
        for client in clients.iter().cloned() {
            let request = request.clone();
            asking.spawn(async move { (client.attest(&request).await, client) });
        }
        let mut groups: Vec<Group> = Vec::new();
        let mut refusals = Vec::new();
        loop {
            let agreed = groups.iter().map(|group| group.signatures.len()).max().unwrap_or(0);
            if agreed.saturating_add(asking.len()) < threshold {
                break;
            }
            let Some(Ok((answer, client))) = asking.join_next().await else { break };
            let checked = answer.and_then(|answer| {
                check(&answer, request, set, domain)
                    .map_err(|cause| AttestRefusal::BadAnswer { url: client.url().into(), cause })?;
                Ok(answer)
            });
            match checked {
                Err(refusal) => refusals.push(refusal),
                Ok(answer) => {
                    let group = join(&mut groups, answer);
                    if group.signatures.len() >= threshold {
                        let certified = certify(group, set);
                        // Let the rest end by themselves: cutting them off would close their connections.
                        asking.detach_all();
                        return Ok(certified);
                    }
                }
            }
        }
        let unanswered = asking.len();
        asking.detach_all();
        let signed =
            groups.iter().flat_map(|group| group.signatures.keys().map(|signer| (signer.clone(), group.statement)));
        let (signed, disputed) = (signed.collect(), disputed(&groups, &domain.home_chain));
        Err(QuorumError { threshold: set.threshold, signed, unanswered, refusals, disputed })
    }
}

/// The answer to this request, signed by who it says, who is in the set.
fn check(answer: &Answer, request: &Request, set: &AttestorSet, domain: &Domain) -> Result<(), String> {
    if !request.is_answered_by(answer) {
        return Err("signed something else than was asked, or what comes with it is not under its root".into());
    }
    let alone = AttestorSet {
        id: set.id,
        threshold: 1,
        attestors: set.attestors.iter().filter(|attestor| attestor.signer == answer.signer).cloned().collect(),
    };
    Certificate { attestor_set: answer.attestor_set, signatures: vec![answer.signature.clone()] }
        .verify(&answer.statement, domain, &alone, &Secp256k1)
        .map_err(|error| format!("as signer {}: {error}", answer.signer))
}

fn join(groups: &mut Vec<Group>, answer: Answer) -> &mut Group {
    let Answer { statement, evidence, decisions, signer, signature, .. } = answer;
    let position = groups
        .iter()
        .position(|group| group.statement == statement && group.evidence == evidence && group.decisions == decisions);
    let position = position.unwrap_or_else(|| {
        groups.push(Group { statement, evidence, decisions, signatures: BTreeMap::new() });
        groups.len() - 1
    });
    let group = &mut groups[position];
    group.signatures.insert(signer, signature);
    group
}

fn disputed(groups: &[Group], home: &ChainId) -> Option<BTreeSet<ChainId>> {
    let (first, others) = groups.split_first().filter(|(_, others)| !others.is_empty())?;
    let leaves = others.iter().flat_map(|other| first.evidence.iter().zip(&other.evidence));
    let chains: BTreeSet<ChainId> =
        leaves.filter(|(one, other)| one != other).map(|(one, _)| one.chain.clone()).collect();
    Some(if chains.is_empty() { BTreeSet::from([home.clone()]) } else { chains })
}

fn certify(group: &Group, set: &AttestorSet) -> Certified {
    Certified {
        statement: group.statement,
        certificate: Certificate { attestor_set: set.id, signatures: group.signatures.values().cloned().collect() },
        evidence: group.evidence.clone(),
        decisions: group.decisions.clone(),
    }
}
