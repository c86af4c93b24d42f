//! The one door to `ordinals`: what a runestone says, and how ours are written.
//! `ordinals` 0.0.9 speaks an older `bitcoin`; only output scripts, as bytes, cross (README.md says why 0.0.9).

use bitcoin::{Network, ScriptBuf, TxOut};
use bitcoin_of_ordinals as older;
pub use ordinals::{Artifact, Rune, RuneId, SpacedRune};
use ordinals::{Edict, Etching, Height, Runestone};

/// What the outputs say by the rules of `ordinals`: nothing, a runestone, or a cenotaph.
pub fn decipher(outputs: &[TxOut]) -> Option<Artifact> {
    let output = outputs
        .iter()
        .map(|output| older::TxOut { value: 0, script_pubkey: output.script_pubkey.to_bytes().into() })
        .collect();
    let lock_time = older::absolute::LockTime::ZERO;
    Runestone::decipher(&older::Transaction { version: 2, lock_time, input: Vec::new(), output })
}

/// Short names open up over the four years after the halving that began runes; etching a closed one is void.
pub fn name_is_open(rune: Rune, network: Network, height: u64) -> bool {
    let network = match network {
        Network::Bitcoin => older::Network::Bitcoin,
        Network::Testnet => older::Network::Testnet,
        // runes began with the first block, as on testnet4
        _ => older::Network::Regtest,
    };
    // blocks past 2^32 are past every closed name
    !rune.is_reserved() && u32::try_from(height).map_or(true, |at| rune >= Rune::minimum_at_height(network, Height(at)))
}

/// `amount` of the rune (0: all there is) to each named output, the rest to `pointer`.
pub(crate) fn edicts_script(rune: RuneId, edicts: &[(u128, u32)], pointer: Option<u32>) -> ScriptBuf {
    let edicts = edicts.iter().map(|(amount, output)| Edict { id: rune, amount: *amount, output: *output }).collect();
    script(&Runestone { edicts, pointer, ..Default::default() })
}

/// The whole supply at once, to the first output that is no OP_RETURN: no terms, so nothing is ever minted.
pub(crate) fn etching_script(name: SpacedRune, divisibility: u8, premine: u128, symbol: Option<char>) -> ScriptBuf {
    let etching = Etching {
        divisibility: Some(divisibility),
        premine: Some(premine),
        rune: Some(name.rune),
        spacers: Some(name.spacers),
        symbol,
        terms: None,
        turbo: false,
    };
    script(&Runestone { etching: Some(etching), ..Default::default() })
}

fn script(runestone: &Runestone) -> ScriptBuf {
    ScriptBuf::from_bytes(runestone.encipher().into_bytes())
}
