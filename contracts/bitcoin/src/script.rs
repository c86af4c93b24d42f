//! The scripts that hold ALZ, and how a script is bound to what it holds for.
//!
//! Every internal key is `NUMS + H(binding)·G`: BIP-341's point without a known logarithm, moved by a known one.
//! Whoever knew the sum's logarithm would know that of NUMS, so no key path exists; and as the binding is hashed into
//! the output key, two legs of one depositor, or a reserve hold and the vault, never share an address.

use std::str::FromStr;

use aes_protocol::Hash32;
use bitcoin::hashes::{sha256, Hash, HashEngine};
use bitcoin::secp256k1::{Scalar, Secp256k1, XOnlyPublicKey};
use bitcoin::taproot::ControlBlock;
use bitcoin::{ScriptBuf, Sequence, TapLeafHash, TapNodeHash};
use miniscript::Descriptor;
use serde::{Deserialize, Serialize};

use crate::keys::AttestorKeys;

/// BIP-341's point H: SHA-256 of G's uncompressed encoding, lifted; nobody knows its logarithm.
pub const NUMS: &str = "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    #[error("the binding is no scalar below the curve's order; take another salt (chance 1 in 2^128)")]
    Binding,
    #[error("descriptor {descriptor}: {why}")]
    Descriptor { descriptor: String, why: String },
    #[error("descriptor {0} has not the leaf it was made with")]
    Leaf(String),
}

/// How long a hold stays before its depositor alone can take it back: BIP-68 units of 512 seconds of median time past,
/// counted from the block before the hold's. Time and not blocks, because the deadline is a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RefundDelay(u16);

impl RefundDelay {
    pub const UNIT_SECONDS: u64 = 512;

    /// `None` for zero, which is no delay.
    pub fn from_units(units: u16) -> Option<Self> {
        (units > 0).then_some(Self(units))
    }

    /// The shortest delay that, begun at `median_time_past`, ends no earlier than `opens_at`. A hold confirmed later
    /// opens later, so the present median time past is the one to give. `None` when that is over 388 days.
    pub fn until(median_time_past: u64, opens_at: u64) -> Option<Self> {
        let units = opens_at.saturating_sub(median_time_past).div_ceil(Self::UNIT_SECONDS).max(1);
        u16::try_from(units).ok().map(Self)
    }

    pub fn units(self) -> u16 {
        self.0
    }

    /// The first median time past at which the refund path is open, for a hold whose previous block had this one.
    pub fn opens_at(self, median_time_past_before: u64) -> u64 {
        median_time_past_before.saturating_add(u64::from(self.0).saturating_mul(Self::UNIT_SECONDS))
    }

    pub fn sequence(self) -> Sequence {
        Sequence::from_512_second_intervals(self.0)
    }
}

/// One way to spend: what a signature over it needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    pub script: ScriptBuf,
    pub hash: TapLeafHash,
    pub control_block: ControlBlock,
}

/// A descriptor with what is asked of it again and again.
#[derive(Debug, Clone)]
pub(crate) struct Locked {
    pub descriptor: Descriptor<XOnlyPublicKey>,
    pub script_pubkey: ScriptBuf,
    /// the attestors' leaf first, then the refund's
    pub leaves: Vec<Leaf>,
    pub internal_key: XOnlyPublicKey,
    pub merkle_root: Option<TapNodeHash>,
}

impl Locked {
    fn new(internal_key: XOnlyPublicKey, tree: &str) -> Result<Self, ScriptError> {
        let text = format!("tr({internal_key},{tree})");
        let refused =
            |why: miniscript::Error| ScriptError::Descriptor { descriptor: text.clone(), why: why.to_string() };
        let descriptor = Descriptor::<XOnlyPublicKey>::from_str(&text).map_err(refused)?;
        descriptor.sanity_check().map_err(refused)?;
        let Descriptor::Tr(taproot) = &descriptor else { return Err(ScriptError::Leaf(text)) };
        let spend_info = taproot.spend_info();
        let leaves = spend_info
            .leaves()
            .map(|leaf| Leaf {
                script: leaf.script().to_owned(),
                hash: leaf.leaf_hash(),
                control_block: leaf.control_block().clone(),
            })
            .collect();
        let merkle_root = spend_info.merkle_root();
        Ok(Self { script_pubkey: descriptor.script_pubkey(), descriptor, leaves, internal_key, merkle_root })
    }

    pub fn leaf(&self, position: usize) -> Result<&Leaf, ScriptError> {
        self.leaves.get(position).ok_or_else(|| ScriptError::Leaf(self.descriptor.to_string()))
    }

    /// `tr(NUMS', multi_a(k, A..))`
    pub fn by_attestors(binding: Binding, keys: &AttestorKeys) -> Result<Self, ScriptError> {
        Self::new(binding.internal_key()?, &multi_a(keys))
    }

    /// `tr(NUMS', {and_v(v:pk(D), multi_a(k, A..)), and_v(v:pk(D), older(N))})`
    pub fn by_both_or_later_by_one(
        binding: Binding,
        keys: &AttestorKeys,
        depositor: &XOnlyPublicKey,
        refund: RefundDelay,
    ) -> Result<Self, ScriptError> {
        let older = refund.sequence().to_consensus_u32();
        let both = format!("and_v(v:pk({depositor}),{})", multi_a(keys));
        Self::new(binding.internal_key()?, &format!("{{{both},and_v(v:pk({depositor}),older({older}))}}"))
    }
}

fn multi_a(keys: &AttestorKeys) -> String {
    let list: Vec<String> = keys.keys().iter().map(ToString::to_string).collect();
    format!("multi_a({},{})", keys.threshold(), list.join(","))
}

/// What a script stands for; hashed into its internal key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Binding<'a> {
    /// `execution_id` holds the deadline and the deployment, `leg_hash` amount, accounts, function and escrow
    Hold { execution_id: &'a Hash32, leg_hash: &'a Hash32 },
    /// two deployments with the same attestors have two vaults
    Vault { deployment: &'a Hash32, set_id: u64 },
}

impl Binding<'_> {
    /// BIP-340's tagged hash of the fields.
    fn hash(self) -> [u8; 32] {
        let tagged = |tag: &str, parts: [&[u8]; 2]| {
            let tag = sha256::Hash::hash(tag.as_bytes());
            let mut engine = sha256::Hash::engine();
            engine.input(tag.as_byte_array());
            engine.input(tag.as_byte_array());
            parts.iter().for_each(|part| engine.input(part));
            sha256::Hash::from_engine(engine).to_byte_array()
        };
        match self {
            Self::Hold { execution_id, leg_hash } => tagged("AES/hold", [&execution_id.0, &leg_hash.0]),
            Self::Vault { deployment, set_id } => tagged("AES/vault", [&deployment.0, &set_id.to_be_bytes()]),
        }
    }

    fn internal_key(self) -> Result<XOnlyPublicKey, ScriptError> {
        let nums = XOnlyPublicKey::from_str(NUMS).map_err(|_| ScriptError::Binding)?;
        let moved_by = Scalar::from_be_bytes(self.hash()).map_err(|_| ScriptError::Binding)?;
        let (key, _) = nums.add_tweak(&Secp256k1::verification_only(), &moved_by).map_err(|_| ScriptError::Binding)?;
        Ok(key)
    }
}
