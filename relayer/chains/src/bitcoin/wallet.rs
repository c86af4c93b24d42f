//! The account whose key this process holds: P2TR by its key path (BIP-86). It pays fees, brings the sats that a hold
//! needs, and for a user holds the ALZ that is deposited.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aes_bitcoin::{Coin, Draft, WalletKey, WalletKeyError};
use aes_config::{ChainConfig, SecretKey};
use bitcoin::hashes::Hash;
use bitcoin::key::{Keypair, TapTweak};
use bitcoin::secp256k1::{schnorr, Message, Secp256k1, XOnlyPublicKey};
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::{Address, Amount, Network, OutPoint, ScriptBuf, TapSighash, TapSighashType, Witness};

use super::follow::Follower;
use super::index::Index;
use super::node::Node;
use crate::error::ChainError;

/// A key that this process holds, and its account.
pub struct Wallet {
    keypair: Keypair,
    pub purse: Purse,
}

/// A P2TR account's coins: of the key here, or of a wallet elsewhere that signs PSBTs.
pub struct Purse {
    script: ScriptBuf,
    /// coins in transactions that are being made: no other takes them
    taken: Mutex<BTreeSet<OutPoint>>,
}

/// A wallet that signs PSBTs, and its account.
pub struct Elsewhere {
    pub key: WalletKey,
    pub purse: Purse,
}

impl Elsewhere {
    pub fn read(text: &str) -> Result<Self, String> {
        let key: WalletKey = text.parse().map_err(|error: WalletKeyError| format!("bitcoin.wallet: {error}"))?;
        Ok(Self { purse: Purse::of(key.script()), key })
    }
}

/// Coins that are this transaction's until it is dropped, which is once the node has the transaction.
pub struct Picked<'a> {
    pub coins: Vec<Coin>,
    purse: &'a Purse,
}

impl Drop for Picked<'_> {
    fn drop(&mut self) {
        let mut taken = self.purse.taken();
        for coin in &self.coins {
            taken.remove(&coin.outpoint);
        }
    }
}

/// Signs as BIP-340 says, without auxiliary randomness: the same digest always gives the same bytes.
pub fn sign(key: &Keypair, sighash: TapSighash) -> schnorr::Signature {
    Secp256k1::signing_only().sign_schnorr_no_aux_rand(&Message::from_digest(sighash.to_byte_array()), key)
}

pub fn keypair(secret: &SecretKey) -> Option<Keypair> {
    Keypair::from_seckey_slice(&Secp256k1::signing_only(), secret.expose()).ok()
}

impl Wallet {
    /// `None` where the config has no key: this process only looks.
    pub fn new(chain: &aes_protocol::ChainId, config: &ChainConfig) -> Result<Option<Self>, ChainError> {
        let Some(key) = &config.key else { return Ok(None) };
        let refused = |cause: String| ChainError::Refused {
            chain: chain.clone(),
            cause: format!("chains.\"{chain}\".key: {cause}"),
        };
        let secret = key.load().map_err(|error| refused(error.to_string()))?;
        let keypair = keypair(&secret).ok_or_else(|| refused("the key is no secp256k1 key".into()))?;
        Ok(Some(Self::of(keypair)))
    }

    pub fn of(keypair: Keypair) -> Self {
        let script = ScriptBuf::new_p2tr(&Secp256k1::verification_only(), keypair.x_only_public_key().0, None);
        Self { keypair, purse: Purse::of(script) }
    }

    /// What it signs with inside scripts.
    pub fn key(&self) -> XOnlyPublicKey {
        self.keypair.x_only_public_key().0
    }

    pub fn script(&self) -> &ScriptBuf {
        &self.purse.script
    }

    pub fn address(&self, network: Network) -> String {
        self.purse.address(network)
    }

    pub fn sign(&self, sighash: TapSighash) -> schnorr::Signature {
        sign(&self.keypair, sighash)
    }

    /// One witness for each input from `first` on, all of which are this account's.
    pub fn witnesses(&self, draft: &Draft, first: usize) -> Result<Vec<Witness>, String> {
        let secp = Secp256k1::new();
        let key = self.keypair.tap_tweak(&secp, None).to_keypair();
        let mut cache = SighashCache::new(&draft.tx);
        (first..draft.tx.input.len())
            .map(|input| {
                let prevouts = Prevouts::All(&draft.prevouts);
                let sighash = cache
                    .taproot_key_spend_signature_hash(input, &prevouts, TapSighashType::Default)
                    .map_err(|error| error.to_string())?;
                let signature = bitcoin::taproot::Signature {
                    signature: sign(&key, sighash),
                    sighash_type: TapSighashType::Default,
                };
                Ok(Witness::p2tr_key_spend(&signature))
            })
            .collect()
    }
}

impl Purse {
    pub fn of(script: ScriptBuf) -> Self {
        Self { script, taken: Mutex::default() }
    }

    pub fn script(&self) -> &ScriptBuf {
        &self.script
    }

    /// As wallets write it.
    pub fn address(&self, network: Network) -> String {
        Address::from_script(&self.script, network).map_or_else(|_| self.script.to_hex_string(), |own| own.to_string())
    }

    /// In the chain, coins with ALZ left out.
    pub fn balance(&self, index: &Index) -> Amount {
        let free = index.coins().spendable(index.tip().height).filter(|(at, _)| index.ledger().holding(at).is_none());
        free.map(|(_, output)| output.value).fold(Amount::ZERO, |sum, value| sum.checked_add(value).unwrap_or(sum))
    }

    /// Confirmed coins that neither the mempool nor another transaction of this process spends, nor `promised` names: first
    /// those with ALZ until there is as much as asked, then the largest others until there are enough sats.
    pub async fn pick(
        &self,
        node: &Node,
        follower: &Arc<Follower>,
        promised: &BTreeSet<OutPoint>,
        alz: u128,
        sats: Amount,
    ) -> Result<Picked<'_>, ChainError> {
        let (mut with, mut without) = follower.index(candidates)?;
        for candidates in [&mut with, &mut without] {
            candidates.retain(|coin| !promised.contains(&coin.outpoint));
        }
        let mut picked = Picked { coins: Vec::new(), purse: self };
        self.add(node, &mut picked, with, |coins| {
            coins.iter().map(|coin| coin.alz).fold(0, u128::saturating_add) >= alz
        })
        .await?;
        self.add(node, &mut picked, without, |coins| total(coins) >= sats).await?;
        Ok(picked)
    }

    async fn add(
        &self,
        node: &Node,
        picked: &mut Picked<'_>,
        candidates: Vec<Coin>,
        enough: impl Fn(&[Coin]) -> bool,
    ) -> Result<(), ChainError> {
        for coin in candidates {
            if enough(&picked.coins) {
                break;
            }
            if !self.taken().insert(coin.outpoint) {
                continue;
            }
            let outpoint = coin.outpoint;
            picked.coins.push(coin);
            if !node.is_unspent(outpoint).await? {
                picked.coins.pop();
                self.taken().remove(&outpoint);
            }
        }
        Ok(())
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<OutPoint>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// With ALZ and without, the largest first.
fn candidates(index: &Index) -> (Vec<Coin>, Vec<Coin>) {
    let coin = |(outpoint, output): (OutPoint, &bitcoin::TxOut)| {
        let holding = index.ledger().holding(&outpoint);
        // another rune beside it: not ours to move
        if holding.is_some_and(|holding| holding.mixed) {
            return None;
        }
        Some(Coin { outpoint, output: output.clone(), alz: holding.map_or(0, |holding| holding.alz) })
    };
    let coins = index.coins().spendable(index.tip().height).filter_map(coin);
    let (mut with, mut without): (Vec<Coin>, Vec<Coin>) = coins.partition(|coin| coin.alz > 0);
    with.sort_by_key(|coin| (std::cmp::Reverse(coin.alz), coin.outpoint));
    without.sort_by_key(|coin| (std::cmp::Reverse(coin.output.value), coin.outpoint));
    (with, without)
}

pub fn total(coins: &[Coin]) -> Amount {
    coins.iter().map(|coin| coin.output.value).fold(Amount::ZERO, |sum, next| sum.checked_add(next).unwrap_or(sum))
}
