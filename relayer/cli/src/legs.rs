//! A leg as a user writes it: `polygon lock 200 from 0xabc…`, and accounts as CAIP-10 or as their chain writes them.

use aes_chains::bitcoin;
use aes_chains::cosmos::{account_of, bech32_of};
use aes_config::{Config, Manifest};
use aes_protocol::{Bytes, ChainId, ChainKind, Function, Leg};
use anyhow::{anyhow, bail, Context, Result};

use crate::amount;

/// By its name in the config, or by its CAIP-2 id.
pub fn find_chain(config: &Config, word: &str) -> Result<ChainId> {
    if let Some((id, _)) = config.chains.iter().find(|(_, chain)| chain.name == word) {
        return Ok(id.clone());
    }
    let known =
        || config.chains.iter().map(|(id, chain)| format!("{} ({id})", chain.name)).collect::<Vec<_>>().join(", ");
    let id: ChainId =
        word.parse().with_context(|| format!("no chain is called '{word}'; the config has {}", known()))?;
    config.chain(&id).with_context(|| format!("the config has {}", known()))?;
    Ok(id)
}

pub fn parse_account(config: &Config, chain: &ChainId, text: &str) -> Result<Bytes> {
    let address = match text.rsplit_once(':') {
        Some((prefix, address)) if prefix == chain.as_str() => address,
        Some((prefix, _)) => bail!("account {text} is on {prefix}, the leg is on {chain}"),
        None => text,
    };
    let account = match chain.kind() {
        ChainKind::Cosmos => {
            let prefix = config.chain(chain)?.prefix.as_deref();
            let prefix = prefix
                .ok_or_else(|| anyhow!("chains.\"{chain}\".prefix is missing; give the chain's bech32 prefix"))?;
            account_of(address, prefix)?
        }
        ChainKind::Bitcoin => match bitcoin::script_of(address, chain) {
            Some(script) => script,
            None => {
                address.parse().with_context(|| format!("'{address}' is no address of {chain}, nor a script in hex"))?
            }
        },
        ChainKind::Evm => address.parse()?,
    };
    chain.check_account(&account)?;
    Ok(account)
}

/// As its chain writes it; `-` where there is none.
pub fn show_account(config: &Config, chain: &ChainId, account: &Bytes) -> String {
    if account.is_empty() {
        return "-".into();
    }
    let prefix = config.chains.get(chain).and_then(|chain| chain.prefix.as_deref());
    match (chain.kind(), prefix) {
        (ChainKind::Bitcoin, _) => bitcoin::address_of(account, chain).unwrap_or_else(|| account.to_string()),
        (ChainKind::Cosmos, Some(prefix)) => bech32_of(account, prefix).unwrap_or_else(|_| account.to_string()),
        _ => account.to_string(),
    }
}

pub fn parse_legs(config: &Config, manifest: &Manifest, lines: &[String]) -> Result<Vec<Leg>> {
    let leg = |(index, line): (usize, &String)| {
        let index = u8::try_from(index).context("an execution has 1 to 16 legs")?;
        parse_leg(config, manifest, index, line).with_context(|| format!("leg {index}: '{line}'"))
    };
    lines.iter().enumerate().map(leg).collect()
}

fn parse_leg(config: &Config, manifest: &Manifest, index: u8, line: &str) -> Result<Leg> {
    let shape = "write: CHAIN FUNCTION AMOUNT [from ACCOUNT] [to ACCOUNT], e.g. polygon lock 200 from 0xabc…";
    let words: Vec<&str> = line.split_whitespace().collect();
    let [chain, function, amount, accounts @ ..] = words.as_slice() else { bail!("{shape}") };
    let chain = find_chain(config, chain)?;
    let function = match *function {
        "transfer" => Function::Transfer,
        "lock" => Function::Lock,
        "unlock" => Function::Unlock,
        "mint" => Function::Mint,
        "burn" => Function::Burn,
        other => bail!("'{other}' is no function: transfer, lock, unlock, mint or burn"),
    };
    let (mut from, mut to) = (Bytes::default(), Bytes::default());
    for pair in accounts.chunks(2) {
        match pair {
            ["from", account] => from = parse_account(config, &chain, account)?,
            ["to", account] => to = parse_account(config, &chain, account)?,
            _ => bail!("{shape}"),
        }
    }
    let escrow = manifest.chain(&chain)?.escrow.clone();
    Ok(Leg { index, chain, escrow, function, from, to, amount: amount::parse(amount)?.into() })
}
