//! Makes the folder wasmd runs in: genesis, validator and settings.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{json, Value};
use tokio::process::Command;
use toml_edit::{value, DocumentMut, Item};

use super::{WasmdOptions, GAS_DENOM, MIN_GAS_PRICE};
use crate::Error;

const VALIDATOR: &str = "validator";
const STAKE: &str = "1000000000uallz";

pub(super) async fn create(program: &Path, options: &WasmdOptions) -> Result<(), Error> {
    let home = &options.data_dir;
    fs::create_dir_all(home).map_err(Error::file("make the folder", home))?;
    let wasmd = Wasmd { program, home };
    let chain_id = options.chain_id.as_str();
    wasmd.run(&["init", "devnet", "--chain-id", chain_id, "--default-denom", GAS_DENOM]).await?;
    wasmd.run(&["keys", "add", VALIDATOR, "--keyring-backend=test"]).await?;
    wasmd.run(&["genesis", "add-genesis-account", VALIDATOR, STAKE, "--keyring-backend=test"]).await?;
    if !options.accounts.is_empty() {
        let list = home.join("accounts.json");
        write(&list, &accounts(options).to_string())?;
        let list = list.display().to_string();
        wasmd.run(&["genesis", "bulk-add-genesis-account", &list]).await?;
    }
    wasmd.run(&["genesis", "gentx", VALIDATOR, STAKE, "--chain-id", chain_id, "--keyring-backend=test"]).await?;
    wasmd.run(&["genesis", "collect-gentxs"]).await?;

    let timeout_commit = format!("{}ms", options.block_time.as_millis());
    edit(
        home.join("config/config.toml"),
        &[
            ("rpc", "cors_allowed_origins", value(all_origins())),
            ("rpc", "pprof_laddr", value("")),
            // Nobody will call; 0 so that several nodes never want the same port.
            ("p2p", "laddr", value("tcp://127.0.0.1:0")),
            ("consensus", "timeout_commit", value(timeout_commit)),
        ],
    )?;
    edit(
        home.join("config/app.toml"),
        &[
            ("", "minimum-gas-prices", value(MIN_GAS_PRICE)),
            // All of AES speaks to the CometBFT RPC; these would only take ports.
            ("api", "enable", value(false)),
            // nobody speaks gRPC, but only with it on does wasmd answer `Simulate` over abci_query
            ("grpc", "enable", value(true)),
            ("grpc", "address", value("127.0.0.1:0")),
            ("grpc-web", "enable", value(false)),
        ],
    )
}

/// wasmd's own commands, on this home folder.
struct Wasmd<'a> {
    program: &'a Path,
    home: &'a Path,
}

impl Wasmd<'_> {
    async fn run(&self, args: &[&str]) -> Result<(), Error> {
        let output = Command::new(self.program)
            .args(args)
            .arg("--home")
            .arg(self.home)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|cause| Error::Spawn { program: self.program.into(), cause })?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Command {
            command: format!("wasmd {}", args.join(" ")),
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }
}

fn accounts(options: &WasmdOptions) -> Value {
    let account = |account: &super::GenesisAccount| {
        let coins: Vec<_> = account
            .coins
            .iter()
            .map(|coin| json!({ "denom": coin.denom, "amount": coin.amount.to_string() }))
            .collect();
        json!({ "address": account.address, "coins": coins })
    };
    options.accounts.iter().map(account).collect()
}

fn all_origins() -> toml_edit::Array {
    toml_edit::Array::from_iter(["*"])
}

/// Sets keys the node has written itself. A key that is not there is a node we do not know: an error.
fn edit(path: PathBuf, settings: &[(&str, &str, Item)]) -> Result<(), Error> {
    let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    let unexpected = |reason: String| Error::Unexpected { path: path.clone(), reason };
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| unexpected(error.to_string()))?;
    for (section, key, new) in settings {
        let table = match *section {
            "" => Some(document.as_table_mut()),
            section => document.get_mut(section).and_then(Item::as_table_mut),
        };
        let item =
            table.and_then(|table| table.get_mut(key)).ok_or_else(|| unexpected(format!("no key {section}.{key}")))?;
        *item = new.clone();
    }
    write(&path, &document.to_string())
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::file("write", path))
}
