//! Accounts as wallets write them, and a key's own.

use aes_config::SecretKey;
use aes_protocol::{Bytes, ChainId, Hash32};
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Network, ScriptBuf};

use super::wallet::{keypair, Wallet};

/// As attestor sets list it: x-only (BIP-340).
pub fn key_of(key: &SecretKey) -> Option<Hash32> {
    Some(Hash32(keypair(key)?.x_only_public_key().0.serialize()))
}

/// The scriptPubKey of an address of that chain; `None` where it is none.
pub fn script_of(address: &str, chain: &ChainId) -> Option<Bytes> {
    let address: Address<NetworkUnchecked> = address.parse().ok()?;
    Some(address.require_network(network_of(chain)).ok()?.script_pubkey().to_bytes().into())
}

/// As wallets write it, where there is a way to write it.
pub fn address_of(script: &Bytes, chain: &ChainId) -> Option<String> {
    let script = ScriptBuf::from(script.0.clone());
    Address::from_script(&script, network_of(chain)).ok().map(|address| address.to_string())
}

/// The script and the address of a key's own account there (BIP-86).
pub fn account_of(key: &SecretKey, chain: &ChainId) -> Option<(Bytes, String)> {
    let wallet = Wallet::of(keypair(key)?);
    Some((wallet.script().to_bytes().into(), wallet.address(network_of(chain))))
}

/// For the way addresses are written. A chain that is none of these is regtest or a signet of its own.
pub(super) fn network_of(id: &ChainId) -> Network {
    [Network::Bitcoin, Network::Testnet4, Network::Testnet, Network::Signet]
        .into_iter()
        .find(|network| {
            let genesis = bitcoin::constants::genesis_block(*network).block_hash().to_string();
            genesis.starts_with(id.reference())
        })
        .unwrap_or(Network::Regtest)
}
