//! What everybody must agree on to build the same scripts: the deployment's terms from the manifest, and the attestor sets
//! from the coordinator.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aes_bitcoin::{AttestorKeys, AttestorSets, Escrow, Etched, RuneId};
use aes_config::{BitcoinEscrow, ManifestChain};
use aes_protocol::{Bytes, ChainId};
use bitcoin::Txid;
use tokio::time::Instant;

use crate::error::ChainError;
use crate::home::Home;

/// A rotation is days ahead of what it changes; asking for the current set so often is plenty.
const SETS_FOR: Duration = Duration::from_secs(5);

/// The manifest's words, read.
#[derive(Debug, Clone)]
pub struct Terms {
    pub escrow: Bytes,
    pub etched: Etched,
    pub first_set: u64,
    pub escape_delay: u64,
    pub max_leg: u128,
}

impl Terms {
    pub fn read(chain: &ChainId, entry: &ManifestChain, bitcoin: &BitcoinEscrow) -> Result<Self, ChainError> {
        let wrong = |what: &str, text: &str| {
            let cause = format!("the manifest's {what} '{text}' cannot be read; it is written by `aes deploy`");
            ChainError::Refused { chain: chain.clone(), cause }
        };
        let id: RuneId = entry.asset.parse().map_err(|_| wrong("asset", &entry.asset))?;
        let txid: Txid = bitcoin.etching.parse().map_err(|_| wrong("etching", &bitcoin.etching))?;
        let premine = bitcoin.premine.parse().map_err(|_| wrong("premine", &bitcoin.premine))?;
        let max_leg = bitcoin.max_leg.parse().map_err(|_| wrong("max_leg", &bitcoin.max_leg))?;
        Ok(Self {
            escrow: entry.escrow.clone(),
            etched: Etched { id, txid, premine },
            first_set: bitcoin.first_set,
            escape_delay: bitcoin.escape_delay,
            max_leg,
        })
    }
}

/// The escrow with every set there has been.
pub struct Sets {
    chain: ChainId,
    home: Arc<dyn Home>,
    terms: Terms,
    known: RwLock<Option<(Instant, Arc<Escrow>)>>,
}

impl Sets {
    pub fn new(chain: ChainId, home: Arc<dyn Home>, terms: Terms) -> Self {
        Self { chain, home, terms, known: RwLock::default() }
    }

    pub async fn escrow(&self) -> Result<Arc<Escrow>, ChainError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, escrow)) = known.as_ref().filter(|(at, _)| at.elapsed() < SETS_FOR) {
            return Ok(escrow.clone());
        }
        let escrow = Arc::new(self.read(known.map(|(_, escrow)| escrow)).await?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), escrow.clone()));
        Ok(escrow)
    }

    async fn read(&self, known: Option<Arc<Escrow>>) -> Result<Escrow, ChainError> {
        let refused = |cause: String| ChainError::Refused { chain: self.chain.clone(), cause };
        let mut escrow = match known {
            Some(known) => (*known).clone(),
            None => Escrow {
                chain: self.chain.clone(),
                deployment: self.home.domain().salt(),
                rune: self.terms.etched.id,
                first_set: self.terms.first_set,
                sets: AttestorSets::default(),
            },
        };
        let current = self.home.attestor_set(None).await?.set;
        let from = escrow.sets.current().map_or(self.terms.first_set, |last| last.set_id().saturating_add(1));
        for id in from..=current.id {
            let set = if id == current.id { current.clone() } else { self.home.attestor_set(Some(id)).await?.set };
            escrow.sets.add(AttestorKeys::new(&set).map_err(|error| refused(error.to_string()))?);
        }
        let address = escrow.address().map_err(|error| refused(error.to_string()))?;
        if address != self.terms.escrow {
            let named = &self.terms.escrow;
            return Err(refused(format!(
                "the manifest's escrow {named} is not set {}'s vault {address}",
                escrow.first_set
            )));
        }
        Ok(escrow)
    }
}
