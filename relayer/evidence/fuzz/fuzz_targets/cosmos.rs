//! Light blocks, headers and commitment proofs of a CosmWasm proof, and the hold in it.
#![no_main]

mod chunks;

use aes_evidence::cosmos::{CosmosProof, CosmosShown, Hop, Run, Told};
use aes_evidence::file::{Anchors, NativeProof};
use aes_evidence::Subject;
use aes_protocol::{Domain, Hash32};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let leg = chunks::leg("cosmos:allianza-1", &[7; 32]);
    let subject = Subject { execution_id: &Hash32([1; 32]), leg: &leg, deadline: 9 };
    let _ = (Told::held(data, &subject), Told::ended(data));
    let mut chunks = chunks::cut(data).into_iter();
    let (Some(light_block), Some(multistore), Some(iavl), Some(hold)) =
        (chunks.next(), chunks.next(), chunks.next(), chunks.next())
    else {
        return;
    };
    let run = Run { hops: vec![Hop { light_block, next_validators: None }], parents: chunks.collect() };
    for (height, shown) in [
        (10, CosmosShown::Held { hold: hold.clone() }),
        (11, CosmosShown::Ended { hold }),
        (12, CosmosShown::Absence { first: 12 }),
    ] {
        let proof = CosmosProof {
            runs: vec![run.clone()],
            height,
            multistore: multistore.clone(),
            iavl: iavl.clone(),
            shown,
        };
        let proof = NativeProof::Cosmos(proof);
        let mut anchors = Anchors::default();
        for anchor in proof.rests_on(&leg.chain).unwrap_or_default() {
            anchors.pin(&anchor);
        }
        let domain = Domain { home_chain: leg.chain.clone(), coordinator: leg.escrow.clone() };
        assert!(proof.verify(&subject, &domain, &Anchors::default()).is_err(), "believed without an anchor");
        let _ = proof.verify(&subject, &domain, &anchors);
    }
});
