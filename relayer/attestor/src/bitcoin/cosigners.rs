//! A relayer's attestors, asked for their signatures on a Bitcoin transaction: all at once, until there are enough.

use aes_chains::bitcoin::{Cosigned, Cosigners, Refusals, SigningRequest};
use aes_protocol::ChainId;
use async_trait::async_trait;
use bitcoin::OutPoint;
use tokio::task::JoinSet;

use super::CosignBody;
use crate::client::{AttestRefusal, AttestorClient};

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
    ) -> Result<(), Refusals> {
        let mut asking = JoinSet::new();
        for client in self.0.iter().cloned() {
            let body = CosignBody { chain: chain.clone(), request: request.clone() };
            asking.spawn(async move { (client.cosign(&body).await, client) });
        }
        let mut refusals = Refusals::default();
        while let Some(Ok((answer, client))) = asking.join_next().await {
            match answer {
                Err(refusal) => {
                    if let AttestRefusal::Refused { problem, .. } = &refusal {
                        refusals.pinned.extend(outpoint(problem.pinned.as_ref()));
                        refusals.reserved.extend(outpoint(problem.reserved.as_ref()));
                    }
                    refusals.said.push(refusal.to_string());
                }
                Ok(answer) => match take(answer) {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(cause) => refusals.said.push(format!("attestor {}: {cause}", client.url())),
                },
            }
        }
        // Let the rest end by themselves: cutting them off would close their connections.
        asking.detach_all();
        if refusals.said.is_empty() {
            Ok(())
        } else {
            Err(refusals)
        }
    }
}

fn outpoint(text: Option<&String>) -> Option<OutPoint> {
    text?.parse().ok()
}
