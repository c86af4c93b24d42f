//! EVM proofs from a real anvil: built from plain JSON-RPC, and each yields exactly the leaf the adapter gives.
//! Needs anvil (`make nodes`) and the contracts built (`make contracts`).

#[allow(dead_code, reason = "shared with the adapter's own tests, which use all of it")]
#[path = "../../chains/tests/evm_world/mod.rs"]
mod evm_world;
mod support;

use std::sync::Arc;

use aes_chains::evm::{EvmChain, Node};
use aes_chains::EscrowMessage;
use aes_evidence::build::EvmProofBuilder;
use aes_evidence::evm::{EvmAnchors, EvmProof, EvmShown};
use aes_evidence::{ProofError, Subject};
use aes_protocol::{Decision, Evidence, Function, Hash32, Leg, LegStatus};
use evm_world::{hash, World, ALZ};

struct Proved<'a> {
    world: &'a World,
    chain: Arc<EvmChain>,
    builder: EvmProofBuilder,
}

impl<'a> Proved<'a> {
    async fn new(world: &'a World) -> Self {
        let node = Node::new(world.id(), &world.config(&[&world.anvil.rpc_url], None)).unwrap();
        Self { world, chain: world.chain("RELAYER").await, builder: EvmProofBuilder::new(Arc::new(node)) }
    }

    /// Waits until the leg has `status` at finality, proves it, and has the proof verified.
    async fn check(
        &self,
        id: &Hash32,
        leg: &Leg,
        deadline: u64,
        status: LegStatus,
    ) -> (Evidence, EvmProof, EvmAnchors) {
        let leaf = self.world.evidence_as(&self.chain, id, leg, deadline, status).await;
        let subject = Subject { execution_id: id, leg, deadline };
        let proof = self.builder.build(&subject, &leaf, None).await.unwrap();
        let anchors = EvmAnchors {
            blocks: vec![self.builder.final_hash(leaf.height).await.unwrap().unwrap()],
            code_hashes: [(leg.escrow.clone(), self.world.entry.code_hash)].into(),
        };
        assert_eq!(proof.verify(&subject, &anchors), Ok(leaf.clone()));
        let by = if matches!(proof.shown, EvmShown::Event { .. }) { "event" } else { "state" };
        let kind = format!("evm-{status:?}-by-{by}").to_lowercase();
        let verify = |proof: &EvmProof| proof.verify(&subject, &anchors);
        support::mutate::none_proves_another(&kind, &proof, verify, &leaf);

        let unpinned = proof.verify(&subject, &EvmAnchors::default());
        assert!(matches!(unpinned, Err(ProofError::NotAnchored { .. })), "{unpinned:?}");
        let other = Subject { execution_id: &hash(0x77), ..subject };
        assert!(matches!(proof.verify(&other, &anchors), Err(ProofError::Mismatch { .. })));
        let richer = Leg { amount: (leg.amount.u128() + 1).into(), ..leg.clone() };
        assert!(proof.verify(&Subject { leg: &richer, ..subject }, &anchors).is_err());
        (leaf, proof, anchors)
    }
}

#[tokio::test]
async fn every_way_of_a_leg_is_proved_by_its_event() {
    let world = World::start().await;
    let (alice, proved) = (world.chain("ALICE").await, Proved::new(&world).await);
    let deadline = evm_world::now() + 600;

    let (id, leg) = (hash(1), world.leg(0, Function::Lock, 100 * ALZ));
    world.included(&alice, &EscrowMessage::Prepare { execution_id: id, deadline, leg: leg.clone() }).await;
    let (held, proof, anchors) = proved.check(&id, &leg, deadline, LegStatus::Held).await;
    // The slot that absence is shown by is where the escrow keeps a hold.
    let slot = aes_evidence::evm::hold_slot(&id, &leg.hash());
    let stored = world.rpc("eth_getStorageAt", serde_json::json!([leg.escrow, slot, "latest"])).await;
    assert_ne!(stored, Hash32::default().to_string());
    let later = Subject { execution_id: &id, leg: &leg, deadline: deadline + 1 };
    assert!(proof.verify(&later, &anchors).is_err(), "another deadline is another hold");

    world.included(&proved.chain, &world.settle(Decision::Commit, id, vec![leg.clone()])).await;
    let (finalized, ..) = proved.check(&id, &leg, deadline, LegStatus::Finalized).await;

    // Up to a later block: what has only that one pinned believes the same.
    let subject = Subject { execution_id: &id, leg: &leg, deadline };
    let tip = held.height + 3;
    while proved.builder.final_hash(tip).await.unwrap().is_none() {
        world.next_block(&proved.chain).await;
    }
    let tip = tip.max(finalized.height);
    let longer = proved.builder.build(&subject, &finalized, Some(tip)).await.unwrap();
    let anchors =
        EvmAnchors { blocks: vec![proved.builder.final_hash(tip).await.unwrap().unwrap()], ..Default::default() };
    assert_eq!(longer.verify(&subject, &anchors), Ok(finalized));

    let (id, leg) = (hash(2), world.leg(0, Function::Burn, 7 * ALZ));
    world.included(&alice, &EscrowMessage::Prepare { execution_id: id, deadline, leg: leg.clone() }).await;
    world.included(&proved.chain, &world.settle(Decision::Abort, id, vec![leg.clone()])).await;
    proved.check(&id, &leg, deadline, LegStatus::Released).await;

    let (id, leg) = (hash(3), world.leg(0, Function::Mint, 7 * ALZ));
    world.included(&proved.chain, &world.settle(Decision::Abort, id, vec![leg.clone()])).await;
    let (_, tombstone, _) = proved.check(&id, &leg, deadline, LegStatus::Absent).await;
    assert!(matches!(tombstone.shown, EvmShown::Event { .. }));
}

#[tokio::test]
async fn a_leg_that_was_never_held_is_proved_by_its_empty_slot() {
    let world = World::start().await;
    let proved = Proved::new(&world).await;
    let (id, leg) = (hash(4), world.leg(0, Function::Lock, ALZ));
    let deadline = evm_world::now() + 3;
    let (leaf, proof, anchors) = proved.check(&id, &leg, deadline, LegStatus::Absent).await;
    assert_eq!((leaf.tx_id, leaf.event_hash), (Hash32::default(), Hash32::default()));
    assert!(leaf.time >= deadline);

    let subject = Subject { execution_id: &id, leg: &leg, deadline };
    let later = Subject { deadline: leaf.time + 1, ..subject };
    assert!(proof.verify(&later, &anchors).is_err(), "not the first block at or after that deadline");
    let other_code = EvmAnchors { code_hashes: [(leg.escrow.clone(), hash(9))].into(), ..anchors };
    assert!(proof.verify(&subject, &other_code).unwrap_err().to_string().contains("the anchors say"));

    // The token's slot of that place is as empty, but it is not the escrow's: another leg, and no hold ever stood there.
    let mut elsewhere = leg.clone();
    elsewhere.escrow = world.entry.asset.to_lowercase().parse().unwrap();
    let elsewhere = Subject { leg: &elsewhere, ..subject };
    assert!(proof.verify(&elsewhere, &EvmAnchors { blocks: vec![leaf.block_hash], ..Default::default() }).is_err());
}
