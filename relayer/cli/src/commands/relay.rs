//! `aes relay`: runs the relayer until Ctrl-C.

use std::future::Future;
use std::path::Path;

use aes_attestor::AttestorClient;
use aes_relay::Relay;
use aes_store::Store;
use anyhow::Result;

use crate::context::Context;

pub async fn run(config: &Path) -> Result<()> {
    let context = Context::open(config).await?;
    run_until(&context, async {
        // an error means that no signal can be waited for; stopping at once is the only safe answer
        let _ = tokio::signal::ctrl_c().await;
    })
    .await
}

pub async fn run_until(context: &Context, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let config = context.config.relay()?;
    let attestors = config.attestors.iter().map(|url| AttestorClient::new(url)).collect::<Result<Vec<_>, _>>()?;
    let store = Store::open(&config.database)?;
    let own = context.chain(&context.manifest.domain.home_chain)?.gas_account().await?.address;
    let relay = Relay::new(context.home.clone(), own, context.chains.clone(), attestors, store, config);
    relay.run(shutdown).await?;
    Ok(())
}
