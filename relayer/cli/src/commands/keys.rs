//! `aes keys`: makes a key in an encrypted keystore, and shows the accounts a key has on each chain. Never a key itself.

use std::fmt;
use std::path::PathBuf;

use aes_chains::cosmos::bech32_of;
use aes_config::{password, KeyRef, SecretKey};
use aes_protocol::{address_of_public_key, Bytes};
use anyhow::{anyhow, Context, Result};
use k256::ecdsa::SigningKey;
use serde::Serialize;
use sha2::{Digest, Sha256};

#[derive(Debug, clap::Subcommand)]
pub enum Keys {
    /// makes a key and writes it, encrypted, to a new file
    New {
        file: PathBuf,
        /// environment variable with the password
        #[arg(long, default_value = "AES_PASSWORD")]
        password_env: String,
        /// bech32 prefix of the CosmWasm chain
        #[arg(long, default_value = "wasm")]
        prefix: String,
    },
    /// shows the accounts of a key in a keystore
    Show {
        file: PathBuf,
        #[arg(long, default_value = "AES_PASSWORD")]
        password_env: String,
        #[arg(long, default_value = "wasm")]
        prefix: String,
    },
}

#[derive(Debug, Serialize)]
pub struct Accounts {
    pub evm: Bytes,
    pub cosmos: String,
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EVM     {}\ncosmos  {}", self.evm, self.cosmos)
    }
}

impl Accounts {
    pub fn of(key: &SecretKey, prefix: &str) -> Result<Self> {
        let public = *SigningKey::from_slice(key.expose()).context("not a secp256k1 key")?.verifying_key();
        let address = address_of_public_key(public.to_encoded_point(false).as_bytes());
        let evm = address.ok_or_else(|| anyhow!("the key has no address"))?.to_vec().into();
        let sha = Sha256::digest(public.to_encoded_point(true).as_bytes());
        let canonical = Bytes(ripemd::Ripemd160::digest(sha).to_vec());
        Ok(Self { evm, cosmos: bech32_of(&canonical, prefix)? })
    }
}

impl Keys {
    pub fn run(&self) -> Result<Accounts> {
        match self {
            Self::New { file, password_env, prefix } => {
                let password = password(password_env)?;
                let key = SecretKey::generate();
                key.save(file, &password)?;
                Accounts::of(&key, prefix)
            }
            Self::Show { file, password_env, prefix } => {
                let reference = KeyRef::Keystore { keystore: file.clone(), password_env: password_env.clone() };
                Accounts::of(&reference.load()?, prefix)
            }
        }
    }
}
