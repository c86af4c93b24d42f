//! A whole proof file, as JSON: nothing of it is proved to who trusts nothing; and then believing whatever it rests on, so
//! that its proofs are read to their end. The same bytes as an anchors file.
#![no_main]

use aes_evidence::file::{read, Anchors, ProofFile, Verdict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = read::<Anchors>(data);
    let Ok(file) = read::<ProofFile>(data) else { return };
    if let Ok(report) = file.verify(&Anchors::default()) {
        assert_ne!(report.verdict, Verdict::Proved);
    }
    let mut anchors = Anchors::default();
    file.rests_on().iter().for_each(|anchor| anchors.pin(anchor));
    let _ = file.verify(&anchors);
});
