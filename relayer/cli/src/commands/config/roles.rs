//! What the tables of a role need beside the chains: a relayer its attestors, an attestor its place in the set.

use aes_attestor::{AttestorClient, Signer};
use aes_authority::SetResponse;
use aes_chains::cosmos::CosmosClient;
use aes_config::{AttestorAt, Config, Manifest};
use aes_coordinator::msg::QueryMsg;
use aes_protocol::{AttestorSet, Bytes};
use anyhow::{anyhow, ensure, Result};
use futures::future::join_all;

use super::Check;

pub async fn check(config: &Config, manifest: &Manifest) -> Vec<Check> {
    if config.relay.is_none() && config.attest.is_none() {
        return vec![];
    }
    let home = &manifest.domain.home_chain;
    let set = match current_set(config, manifest).await {
        Ok(set) => set,
        Err(error) => return vec![Check::new(home, "attestor set", Err(error))],
    };
    let mut checks = Vec::new();
    if let Some(relay) = &config.relay {
        let asked = join_all(relay.attestors.iter().map(|at| attestor(at, &set))).await;
        let signers: std::collections::BTreeSet<&Bytes> = asked.iter().flatten().collect();
        let enough = match signers.len() >= usize::from(set.threshold) {
            true => Ok(format!("{} of set {} answer, {} are needed", signers.len(), set.id, set.threshold)),
            false => Err(anyhow!(
                "{} of set {} answer and {} are needed, so nothing can be certified; start more, or name them in \
                 relay.attestors",
                signers.len(),
                set.id,
                set.threshold
            )),
        };
        let quorum = Check::new(home, "attestors", enough);
        let each = relay.attestors.iter().zip(asked).map(|(at, found)| {
            let found = found.map(|signer| format!("signs as {signer}"));
            Check::new(home, at.url.to_string(), found)
        });
        checks.extend(each);
        checks.push(quorum);
    }
    if let Some(attest) = &config.attest {
        let found = attest.key.load().map_err(Into::into).and_then(|key| {
            let signer = Signer::new(&key)?;
            ensure!(
                set.contains(signer.address()),
                "{} is not in the current set {}: it signs nothing until `aes rotate` brings a set that has it",
                Bytes::from(signer.address().as_slice()),
                set.id
            );
            Ok(format!("{} is in set {}", Bytes::from(signer.address().as_slice()), set.id))
        });
        checks.push(Check::new(home, "attest.key", found));
    }
    checks
}

async fn current_set(config: &Config, manifest: &Manifest) -> Result<AttestorSet> {
    let home = &manifest.domain.home_chain;
    let client = CosmosClient::new(home, config.chain(home)?)?;
    let set: SetResponse = client.ask(&manifest.coordinator, &QueryMsg::AttestorSet { id: None }).await?;
    Ok(set.set)
}

async fn attestor(at: &AttestorAt, set: &AttestorSet) -> Result<Bytes> {
    let signer = AttestorClient::of(at)?.identity().await?.signer;
    let address: [u8; 20] = signer.as_slice().try_into().map_err(|_| anyhow!("it says its signer is {signer}"))?;
    ensure!(
        set.contains(&address),
        "its signer {signer} is not in the current set {}; take it out of relay.attestors",
        set.id
    );
    Ok(signer)
}
