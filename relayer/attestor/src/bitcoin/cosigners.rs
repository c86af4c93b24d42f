//! A relayer's attestors, asked for their signatures on a Bitcoin transaction: all at once, until there are enough.

use aes_chains::bitcoin::{Cosigned, Cosigners, SigningRequest};
use aes_protocol::ChainId;
use async_trait::async_trait;
use tokio::task::JoinSet;

use super::CosignBody;
use crate::client::AttestorClient;

pub struct AttestorCosigners(Vec<AttestorClient>);

impl AttestorCosigners {
    pub fn new(attestors: Vec<AttestorClient>) -> Self {
        Self(attestors)
    }
}

#[async_trait]
impl Cosigners for AttestorCosigners {
    async fn ask(
        &self,
        chain: &ChainId,
        request: &SigningRequest,
        take: &mut (dyn FnMut(Cosigned) -> Result<bool, String> + Send),
    ) -> Result<(), String> {
        let mut asking = JoinSet::new();
        for client in self.0.iter().cloned() {
            let body = CosignBody { chain: chain.clone(), request: request.clone() };
            asking.spawn(async move { (client.cosign(&body).await, client) });
        }
        let mut refusals = Vec::new();
        while let Some(Ok((answer, client))) = asking.join_next().await {
            match answer {
                Err(refusal) => refusals.push(refusal.to_string()),
                Ok(answer) => match take(answer) {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(cause) => refusals.push(format!("attestor {}: {cause}", client.url())),
                },
            }
        }
        // Let the rest end by themselves: cutting them off would close their connections.
        asking.detach_all();
        if refusals.is_empty() {
            Ok(())
        } else {
            Err(refusals.join("; "))
        }
    }
}
