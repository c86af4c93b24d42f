//! `aes relay`: runs the relayer until Ctrl-C or SIGTERM.

use std::future::{pending, Future};
use std::path::Path;

use aes_attestor::AttestorClient;
use aes_relay::Relay;
use aes_store::Store;
use anyhow::{Context as _, Result};
use futures::FutureExt;
use tokio::net::TcpListener;

use crate::context::Context;
use crate::signals::Stop;

pub async fn run(config: &Path) -> Result<()> {
    let mut stop = Stop::listen()?;
    run_until(&Context::open(config).await?, async move { stop.asked().await }).await
}

pub async fn run_until(context: &Context, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let config = context.config.relay()?;
    let attestors = config.attestors.iter().map(AttestorClient::of).collect::<Result<Vec<_>, _>>()?;
    let store = Store::open(&config.database)?;
    let own = context.chain(&context.manifest.domain.home_chain)?.gas_account().await?.address;
    let relay = Relay::new(context.home.clone(), own, context.chains.clone(), attestors, store, config);
    let operator = match config.listen {
        Some(address) => {
            let listen = || format!("relay.listen {address}");
            let listener = TcpListener::bind(address).await.with_context(listen)?;
            relay.operator_api(listener, &config.http).with_context(listen)?.boxed()
        }
        None => pending().boxed(),
    };
    tokio::select! {
        ended = relay.run(shutdown) => Ok(ended?),
        ended = operator => Ok(ended?),
    }
}
