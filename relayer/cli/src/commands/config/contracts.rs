//! What the contracts say of themselves, beside what the manifest and the deployment file say of them.

use aes_authority::{AdminResponse, SetResponse};
use aes_chains::cosmos::{account_of, CosmosClient};
use aes_chains::evm::EvmReader;
use aes_config::{Config, Manifest, ManifestChain};
use aes_coordinator::msg as coordinator;
use aes_escrow::msg as escrow;
use aes_protocol::{AttestorSet, ChainId, ChainKind, Domain, Hash32};
use anyhow::{anyhow, bail, ensure, Result};
use serde::Deserialize;
use serde_json::json;

use super::Check;

/// The EVM escrow's own word for what it is; the CosmWasm contracts carry the release's.
const EVM_VERSION: &str = "1";
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// What an escrow of either kind answers.
struct Escrow {
    version: String,
    expected_version: &'static str,
    authority: AdminResponse,
    domain: Domain,
    asset: String,
    /// of ALZ's own code, where it is a contract
    asset_code: Option<Hash32>,
    set: AttestorSet,
    vault: u128,
    held: u128,
    /// ALZ that the escrow's account really has
    owned: u128,
    /// EVM: who may mint and burn, where the token says so
    bridge: Option<String>,
}

pub async fn coordinator(config: &Config, manifest: &Manifest) -> Vec<Check> {
    let home = &manifest.domain.home_chain;
    let client = match home_client(config, manifest) {
        Ok(client) => client,
        Err(error) => return vec![Check::new(home, "coordinator", Err(error))],
    };
    let there: Result<coordinator::ConfigResponse> =
        async { Ok(client.ask(&manifest.coordinator, &coordinator::QueryMsg::Config {}).await?) }.await;
    let there = match there {
        Ok(there) => there,
        Err(error) => return vec![Check::new(home, "coordinator", Err(error))],
    };
    let check = |what: &str, found| Check::new(home, format!("coordinator: {what}"), found);
    vec![
        check("code", coordinator_code(&client, manifest).await),
        check("version", cw2(&client, &manifest.coordinator).await.and_then(|version| same_version(&version, RELEASE))),
        check("deployment", same_deployment(manifest, &there)),
        check("admin", admin(config, home, &there.authority)),
        check("running", running(&there.authority, there.equivocated)),
        check("escrows", registered(&client, manifest).await),
    ]
}

pub async fn escrow(config: &Config, manifest: &Manifest, id: &ChainId) -> Vec<Check> {
    let check = |what: &str, found| Check::new(id, format!("escrow: {what}"), found);
    let entry = match manifest.chain(id) {
        Ok(entry) => entry,
        Err(error) => return vec![check("manifest", Err(error.into()))],
    };
    let there = match read(config, id, entry).await {
        Ok(Some(there)) => there,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![check("state", Err(error))],
    };
    let current = async {
        let client = home_client(config, manifest)?;
        let set: SetResponse =
            client.ask(&manifest.coordinator, &coordinator::QueryMsg::AttestorSet { id: None }).await?;
        Ok(set.set)
    };
    let mut checks = vec![
        check("version", same_version(&there.version, there.expected_version)),
        check("deployment", same_escrow(manifest, entry, &there)),
        check("admin", admin(config, id, &there.authority)),
        check("running", running(&there.authority, false)),
        check("attestor set", current.await.and_then(|current| same_set(&there.set, &current))),
        check("balance", covered(&there)),
    ];
    if let Some(known) = manifest.asset_code.get(id) {
        checks.push(check("ALZ's code", same_asset_code(known, &there)));
    }
    if let Some(bridge) = there.bridge {
        let found = match bridge == entry.escrow_address {
            true => Ok("it may mint and burn".into()),
            false => Err(anyhow!(
                "ALZ {} lets {bridge} mint and burn, not the escrow, so mint and burn legs fail; `aes deploy` sets it",
                entry.asset
            )),
        };
        checks.push(check("bridge", found));
    }
    checks
}

fn home_client(config: &Config, manifest: &Manifest) -> Result<std::sync::Arc<CosmosClient>> {
    let home = &manifest.domain.home_chain;
    Ok(CosmosClient::new(home, config.chain(home)?)?)
}

/// `None` on Bitcoin: no contract is there, and the endpoint's own check has seen the etching, the first set's vault and
/// that every set has its keys.
async fn read(config: &Config, id: &ChainId, entry: &ManifestChain) -> Result<Option<Escrow>> {
    Ok(match id.kind() {
        ChainKind::Evm => Some(read_evm(&EvmReader::connect(id.clone(), config.chain(id)?).await?, entry).await?),
        ChainKind::Cosmos => Some(read_cosmos(&*CosmosClient::new(id, config.chain(id)?)?, entry).await?),
        ChainKind::Bitcoin => None,
    })
}

async fn read_evm(reader: &EvmReader, entry: &ManifestChain) -> Result<Escrow> {
    let address = &entry.escrow_address;
    let state = reader.escrow(address).await?;
    let (admin, pending_admin) = reader.admins(address).await?;
    let asset = state.settings.token;
    Ok(Escrow {
        version: state.version,
        expected_version: EVM_VERSION,
        authority: AdminResponse { admin, pending_admin, paused: state.paused },
        domain: state.settings.domain,
        set: state.settings.attestor_set,
        vault: state.vault,
        held: state.held,
        owned: reader.token_balance(&asset, address).await?,
        asset_code: reader.code_hash(&asset).await?,
        // a token that is not ours may know of no bridge
        bridge: reader.bridge(&asset).await.ok(),
        asset,
    })
}

async fn read_cosmos(client: &CosmosClient, entry: &ManifestChain) -> Result<Escrow> {
    #[derive(Deserialize)]
    struct Cw20Balance {
        balance: cosmwasm_std::Uint128,
    }
    let address = &entry.escrow_address;
    let there: escrow::ConfigResponse = client.ask(address, &escrow::QueryMsg::Config {}).await?;
    let set: SetResponse = client.ask(address, &escrow::QueryMsg::AttestorSet { id: None }).await?;
    let books: escrow::BalancesResponse = client.ask(address, &escrow::QueryMsg::Balances {}).await?;
    let (asset, owned, asset_code) = match there.asset {
        escrow::Asset::Native { denom } => {
            let owned = client.balance(address, &denom).await?;
            (denom, owned, None)
        }
        escrow::Asset::Cw20 { address: token } => {
            let query = json!({ "balance": { "address": address } });
            let owned: Cw20Balance = client.ask(&token, &query).await?;
            let code = client.code_hash(&token).await?;
            (token, owned.balance.u128(), Some(code))
        }
    };
    Ok(Escrow {
        version: cw2(client, address).await?,
        expected_version: RELEASE,
        authority: there.authority,
        domain: there.domain,
        set: set.set,
        vault: books.vault.u128(),
        held: books.held.u128(),
        owned,
        bridge: None,
        asset,
        asset_code,
    })
}

async fn cw2(client: &CosmosClient, contract: &str) -> Result<String> {
    Ok(client.contract_version(contract).await?.1)
}

fn same_version(is: &str, expected: &str) -> Result<String> {
    ensure!(
        is == expected,
        "it is of version {is}, this `aes` speaks {expected}; use the `aes` of the contract's release"
    );
    Ok(is.into())
}

async fn coordinator_code(client: &CosmosClient, manifest: &Manifest) -> Result<String> {
    let (is, wanted) = (client.code_hash(&manifest.coordinator).await?, manifest.coordinator_code_hash);
    ensure!(
        is == wanted,
        "it runs code {is}, the manifest says {wanted}; was it migrated, or is this another manifest?"
    );
    Ok(is.to_string())
}

fn same_deployment(manifest: &Manifest, there: &coordinator::ConfigResponse) -> Result<String> {
    let domain = Domain { home_chain: there.home_chain.clone(), coordinator: there.coordinator.clone() };
    ensure!(
        domain == manifest.domain && account_text_matches(manifest, &domain),
        "it is coordinator {} of {}, not the manifest's; take the manifest that `aes deploy` wrote for it",
        domain.coordinator,
        domain.home_chain
    );
    ensure!(
        there.conservation == manifest.conservation,
        "conservation is {:?} there and {:?} in the manifest; take the manifest that `aes deploy` wrote for it",
        there.conservation,
        manifest.conservation
    );
    Ok(format!("conservation {:?}, deadlines up to {} s ahead", there.conservation, there.settings.max_horizon))
}

/// The manifest has the address twice, as bytes and as text.
fn account_text_matches(manifest: &Manifest, domain: &Domain) -> bool {
    let prefix = manifest.coordinator.rsplit_once('1').map_or("", |(prefix, _)| prefix);
    account_of(&manifest.coordinator, prefix).is_ok_and(|account| account == domain.coordinator)
}

fn same_escrow(manifest: &Manifest, entry: &ManifestChain, there: &Escrow) -> Result<String> {
    ensure!(
        there.domain == manifest.domain,
        "it belongs to coordinator {} of {}, not to the manifest's; take the manifest that `aes deploy` wrote for it",
        there.domain.coordinator,
        there.domain.home_chain
    );
    ensure!(
        there.asset == entry.asset,
        "it holds {}, the manifest says {}; take the manifest that `aes deploy` wrote for it",
        there.asset,
        entry.asset
    );
    Ok(format!("{} holds {}", entry.escrow_address, there.asset))
}

fn same_asset_code(known: &Hash32, there: &Escrow) -> Result<String> {
    let asset = &there.asset;
    let is = there.asset_code.ok_or_else(|| anyhow!("there is no code at ALZ {asset}; is this the right chain?"))?;
    ensure!(
        is == *known,
        "ALZ {asset} runs code {is}, the manifest says {known}; was the token changed under the escrow? `aes deploy` asks"
    );
    Ok(is.to_string())
}

/// The deployment file names the admin, where this config has it.
fn admin(config: &Config, id: &ChainId, there: &AdminResponse) -> Result<String> {
    let named = config.deploy.as_ref().and_then(|deploy| deploy.chains.get(id)?.admin.clone());
    let pending = match &there.pending_admin {
        Some(pending) => format!(", {pending} may take over with `aes admin accept`"),
        None => String::new(),
    };
    match named {
        Some(named) if !named.eq_ignore_ascii_case(&there.admin) => bail!(
            "it is {}{pending}; the deployment file says {named}: `aes deploy` proposes it, `aes admin accept` takes over",
            there.admin
        ),
        _ => Ok(format!("{}{pending}", there.admin)),
    }
}

fn running(there: &AdminResponse, equivocated: bool) -> Result<String> {
    ensure!(
        !equivocated,
        "attestors signed both decisions of one execution: nothing is opened; `aes rotate` to another set, then \
         `aes admin unpause --on coordinator`"
    );
    ensure!(!there.paused, "it is paused: nothing new begins; `aes admin unpause` when the reason is gone");
    Ok("not paused".into())
}

fn same_set(there: &AttestorSet, current: &AttestorSet) -> Result<String> {
    ensure!(
        there == current,
        "it has attestor set {} ({}), the coordinator has {} ({}); `aes rotate` brings both to one set",
        there.id,
        there.hash(),
        current.id,
        current.hash()
    );
    Ok(format!("{}, {} of {}", there.id, there.threshold, there.attestors.len()))
}

fn covered(there: &Escrow) -> Result<String> {
    let (vault, held, owned) = (there.vault, there.held, there.owned);
    let books = vault.checked_add(held).ok_or_else(|| anyhow!("vault {vault} and held {held} do not fit 128 bits"))?;
    ensure!(
        owned >= books,
        "it has {owned} base units of ALZ, its books say vault {vault} and held {held}; pause, and look at the token"
    );
    Ok(format!("vault {vault}, held {held}, and has {owned} base units"))
}

async fn registered(client: &CosmosClient, manifest: &Manifest) -> Result<String> {
    let there = crate::commands::deploy::registered(client, &manifest.coordinator).await?;
    for (id, entry) in &manifest.chains {
        match there.get(id) {
            Some(escrow) if *escrow == entry.escrow => {}
            Some(escrow) => {
                bail!("{id}: {escrow} is registered, the manifest says {}; is it this manifest?", entry.escrow)
            }
            None => bail!("{id} is not registered, so no leg can be on it; run `aes deploy`"),
        }
    }
    Ok(format!("{} registered", manifest.chains.len()))
}
