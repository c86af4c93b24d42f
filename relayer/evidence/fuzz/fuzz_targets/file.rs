//! A whole proof file, as JSON; believing whatever it rests on, so that its proofs are read to their end.
#![no_main]

use aes_evidence::file::{Anchors, ProofFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = serde_json::from_slice::<ProofFile>(data) else { return };
    let mut anchors = Anchors::default();
    for anchor in file.rests_on().unwrap_or_default() {
        anchors.pin(&anchor);
    }
    let _ = file.verify(&anchors);
});
