//! Collects attestors' signatures: each is checked as it comes, and the first `threshold` that verify are enough.

use std::collections::BTreeSet;

use aes_bitcoin::{AttestorKeys, AttestorSignature};
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{schnorr, Message, Secp256k1, XOnlyPublicKey};
use bitcoin::{OutPoint, TapSighash};

use super::cosign::{Cosigned, Refusals, SigningRequest};
use super::BitcoinChain;
use crate::error::ChainError;

/// Questions to the attestors at a time: hundreds at once would all be answered late, and none in time.
pub const AT_ONCE: usize = 16;

/// Too few signatures, or none asked for.
#[derive(Debug)]
pub struct NotSigned {
    pub error: ChainError,
    /// an attestor has signed, and signs for no move of this leg that leaves the first output out
    pub partly: bool,
    /// the vault outputs that attestors have signed for this leg's hold before
    pub pinned: BTreeSet<OutPoint>,
    /// that attestors have signed away for other legs
    pub reserved: BTreeSet<OutPoint>,
}

impl From<ChainError> for NotSigned {
    fn from(error: ChainError) -> Self {
        Self { error, partly: false, pinned: BTreeSet::new(), reserved: BTreeSet::new() }
    }
}

impl BitcoinChain {
    /// For each digest the signatures of one threshold of `keys`, in the set's order.
    pub(super) async fn gather(
        &self,
        request: &SigningRequest,
        keys: &AttestorKeys,
        digests: &[TapSighash],
    ) -> Result<Vec<Vec<AttestorSignature>>, NotSigned> {
        let cosigners = self.cosigners.get().ok_or_else(|| self.node.later("this process asks no attestors"))?;
        let _turn = self.asking.acquire().await.map_err(|_| self.node.later("this process ends"))?;
        let mut signed: Vec<(usize, Vec<AttestorSignature>)> = Vec::new();
        let mut take = |answer: Cosigned| {
            let (place, signatures) = check(&answer, keys, digests)?;
            if signed.iter().all(|(other, _)| *other != place) {
                signed.push((place, signatures));
            }
            Ok(signed.len() >= keys.threshold())
        };
        let asked = cosigners.ask(&self.node.id, request, &mut take).await;
        if signed.len() < keys.threshold() {
            let Refusals { said, pinned, reserved } = asked.err().unwrap_or_default();
            let (got, wanted) = (signed.len(), keys.threshold());
            let error = self.node.later(format!("{got} of {wanted} attestors signed: {}", said.join("; ")));
            let (pinned, reserved) = (pinned.into_iter().collect(), reserved.into_iter().collect());
            return Err(NotSigned { error, partly: got > 0, pinned, reserved });
        }
        signed.sort_by_key(|(place, _)| *place);
        signed.truncate(keys.threshold());
        let of_input = |input: usize| signed.iter().filter_map(|(_, all)| all.get(input).copied()).collect();
        Ok((0..digests.len()).map(of_input).collect())
    }
}

/// Who it is in the set, and that every signature is theirs over its digest.
fn check(
    answer: &Cosigned,
    keys: &AttestorKeys,
    digests: &[TapSighash],
) -> Result<(usize, Vec<AttestorSignature>), String> {
    let key = XOnlyPublicKey::from_slice(&answer.key.0).map_err(|_| "its key is no point of the curve".to_string())?;
    let place = keys.keys().iter().position(|known| *known == key);
    let place = place.ok_or_else(|| format!("its key {key} is not in set {}", keys.set_id()))?;
    if answer.signatures.len() != digests.len() {
        return Err(format!("{} signatures for {} inputs", answer.signatures.len(), digests.len()));
    }
    let secp = Secp256k1::verification_only();
    let one = |(bytes, digest): (&aes_protocol::Bytes, &TapSighash)| {
        let signature = schnorr::Signature::from_slice(&bytes.0).map_err(|error| error.to_string())?;
        let message = Message::from_digest(digest.to_byte_array());
        secp.verify_schnorr(&signature, &message, &key).map_err(|_| "signed something else than was asked")?;
        Ok(AttestorSignature { key, signature })
    };
    let signatures = answer.signatures.iter().zip(digests).map(one).collect::<Result<_, String>>()?;
    Ok((place, signatures))
}
