//! The account that signs and pays here, and its sequence.

use aes_config::{KeyError, SecretKey};
use aes_protocol::{Bytes, ChainId};
use cosmrs::crypto::secp256k1::SigningKey;
use cosmrs::proto::cosmos::tx::v1beta1::TxRaw;
use cosmrs::proto::traits::Message;
use cosmrs::tx::{Body, Fee, SignDoc, SignerInfo};
use cosmrs::{Any, Coin};
use tokio::sync::{Mutex, OnceCell};

use super::fee::GasPrice;

pub(super) struct Signer {
    key: SigningKey,
    chain: cosmrs::tendermint::chain::Id,
    pub price: GasPrice,
    /// bech32
    pub address: String,
    pub account: Bytes,
    /// given by the chain when the account first received something
    pub number: OnceCell<u64>,
    /// The next one, counted here because the node's query knows only committed ones; none: ask. Held while
    /// a transaction is handed over, so that one account's transactions reach the node in their order.
    pub sequence: Mutex<Option<u64>>,
}

/// Where a transaction stands among its account's.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub number: u64,
    pub sequence: u64,
}

impl Signer {
    pub fn new(secret: &SecretKey, chain: &ChainId, prefix: &str, price: GasPrice) -> Result<Self, KeyError> {
        let not_a_key = |_| KeyError::NotAKey(format!("the key of {chain}"));
        let key = SigningKey::from_slice(secret.expose()).map_err(not_a_key)?;
        let account = key.public_key().account_id(prefix).map_err(not_a_key)?;
        let chain = chain.reference().parse().map_err(|_| KeyError::NotAKey(format!("the key of {chain}")))?;
        Ok(Self {
            key,
            chain,
            price,
            address: account.to_string(),
            account: account.to_bytes().into(),
            number: OnceCell::new(),
            sequence: Mutex::new(None),
        })
    }

    /// The bytes that go to the node.
    pub fn sign(&self, messages: Vec<Any>, gas: u64, at: Position) -> Result<Vec<u8>, cosmrs::ErrorReport> {
        let fee = Coin { denom: self.price.denom.parse()?, amount: self.price.fee(gas) };
        let signer = SignerInfo::single_direct(Some(self.key.public_key()), at.sequence);
        let auth = signer.auth_info(Fee::from_amount_and_gas(fee, gas));
        let document = SignDoc::new(&Body::new(messages, "", 0u32), &auth, &self.chain, at.number)?;
        document.sign(&self.key)?.to_bytes()
    }

    /// What a simulation takes: no fee and an empty signature.
    pub fn unsigned(&self, messages: Vec<Any>, sequence: u64) -> Result<Vec<u8>, cosmrs::ErrorReport> {
        let signer = SignerInfo::single_direct(Some(self.key.public_key()), sequence);
        let fee = Fee { amount: vec![], gas_limit: 0, payer: None, granter: None };
        let raw = TxRaw {
            body_bytes: Body::new(messages, "", 0u32).into_bytes()?,
            auth_info_bytes: signer.auth_info(fee).into_bytes()?,
            signatures: vec![vec![]],
        };
        Ok(raw.encode_to_vec())
    }
}
