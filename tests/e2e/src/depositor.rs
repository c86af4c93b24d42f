//! The user as a depositor on Bitcoin who makes everything by hand: deposits with something wrong about them, and
//! pre-signatures of whatever he likes.

use std::collections::BTreeMap;

use aes_bitcoin::{
    AttestorKeys, AttestorSets, Coin, Draft, Escrow, Etched, Hold, HoldScript, Ledger, Outcome, Presigned, RefundDelay,
    RuneId, Source, Tip, CARRIER,
};
use aes_chains::bitcoin::{keypair, sign};
use aes_chains::{Depth, TxId};
use aes_cli::commands::attach::Attach;
use aes_cli::context::wait_chain;
use aes_cli::devnet::{BITCOIN, USER};
use aes_coordinator::msg::ExecutionResponse;
use aes_protocol::ChainId;
use anyhow::{bail, Context as _, Result};
use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::key::{Keypair, TapTweak};
use bitcoin::secp256k1::Secp256k1;
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::transaction::Version;
use bitcoin::{
    taproot, Amount, Block, BlockHash, OutPoint, ScriptBuf, Sequence, TapSighashType, Transaction, TxIn, TxOut, Txid,
    Witness,
};
use ordinals::{Edict, Runestone};
use serde_json::{json, Value};

use crate::bitcoin::node;
use crate::net::{typed, Net};
use crate::until;

/// Of a deposit by hand: some 350 virtual bytes.
const FEE: Amount = Amount::from_sat(1_500);

pub struct Depositor<'a> {
    net: &'a Net,
    id: ChainId,
    key: Keypair,
    pub account: ScriptBuf,
    pub escrow: Escrow,
    /// what the next deposit spends: its change is the one after's
    coins: Vec<Coin>,
}

impl<'a> Depositor<'a> {
    /// With the user's largest coin that has ALZ, and the largest that has none.
    pub async fn of_user(net: &'a Net) -> Result<Self> {
        let id: ChainId = BITCOIN.parse()?;
        let entry = net.user.manifest.chain(&id)?;
        let terms = net.user.manifest.bitcoin.get(&id).context("the manifest's Bitcoin")?;
        let rune = entry.asset.parse()?;
        let etched = Etched { id: rune, txid: terms.etching.parse()?, premine: terms.premine.parse()? };
        let mut sets = AttestorSets::default();
        sets.add(AttestorKeys::new(&net.user.home.attestor_set(Some(terms.first_set)).await?.set)?);
        let deployment = net.user.manifest.domain.salt();
        let escrow = Escrow { chain: id.clone(), deployment, rune, first_set: terms.first_set, sets };
        let account = ScriptBuf::from(net.devnet.bitcoin_account(USER)?.0 .0);
        let key = keypair(net.devnet.key(USER)?).context("the user's key")?;
        let coins = coins_of(net, etched, entry.height, &account).await?;
        Ok(Self { net, id, key, account, escrow, coins })
    }

    /// The hold's script as the execution wants it.
    pub async fn script(&self, execution: &ExecutionResponse) -> Result<HoldScript> {
        let now = self.net.user.chain(&self.id)?.head(Depth::Soft).await?.time;
        let delay = self.net.user.manifest.bitcoin.get(&self.id).context("the manifest's Bitcoin")?.escape_delay;
        let refund = RefundDelay::until(now, execution.deadline + delay).context("a refund delay")?;
        self.script_with(execution, refund)
    }

    /// Of its first leg, which the depositor can take back after `refund`.
    pub fn script_with(&self, execution: &ExecutionResponse, refund: RefundDelay) -> Result<HoldScript> {
        let leg = &execution.legs.first().context("a first leg")?.leg;
        let (depositor, _) = self.key.x_only_public_key();
        Ok(self.escrow.account_hold(&execution.execution_id, leg, self.escrow.first_set, depositor, refund)?)
    }

    /// `output` with these amounts of these runes, signed; the rest is change.
    pub fn deposit(&mut self, output: TxOut, edicts: &[(RuneId, u128)]) -> Result<Transaction> {
        let alz: u128 = self.coins.iter().map(|coin| coin.alz).sum();
        let given: u128 = edicts.iter().filter(|(rune, _)| *rune == self.escrow.rune).map(|(_, amount)| amount).sum();
        let sats: Amount = self.coins.iter().map(|coin| coin.output.value).sum();
        let value = sats.checked_sub(output.value + FEE).filter(|change| *change >= CARRIER).context("too few sats")?;
        let change = TxOut { value, script_pubkey: self.account.clone() };
        let edicts = edicts.iter().map(|(id, amount)| Edict { id: *id, amount: *amount, output: 0 }).collect();
        let runestone = Runestone { edicts, pointer: Some(1), ..Runestone::default() }.encipher();
        let runestone = TxOut { value: Amount::ZERO, script_pubkey: runestone.into_bytes().into() };
        let input = |coin: &Coin| TxIn {
            previous_output: coin.outpoint,
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            ..TxIn::default()
        };
        let tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: self.coins.iter().map(input).collect(),
            output: vec![output, change.clone(), runestone],
        };
        let tx = self.signed(Draft { tx, prevouts: self.coins.iter().map(|coin| coin.output.clone()).collect() })?;
        let outpoint = OutPoint { txid: tx.compute_txid(), vout: 1 };
        let alz = alz.checked_sub(given).context("too little ALZ")?;
        self.coins = vec![Coin { outpoint, output: change, alz }];
        Ok(tx)
    }

    /// His own hold by its refund leaf, once that is open, with a coin beside it that brings the fee.
    pub fn taken_back(&self, hold: &Hold, value: Amount) -> Result<Transaction> {
        let Source::Account { refund, .. } = hold.script.source() else { bail!("the reserve's") };
        let coin = self.coins.first().context("a coin")?;
        let sats = (coin.output.value + value).checked_sub(FEE).context("too few sats")?;
        let input = |previous_output, sequence| TxIn { previous_output, sequence, ..TxIn::default() };
        let tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![
                input(coin.outpoint, Sequence::ENABLE_RBF_NO_LOCKTIME),
                input(hold.outpoint, refund.sequence()),
            ],
            output: vec![TxOut { value: sats, script_pubkey: self.account.clone() }],
        };
        let prevouts = vec![coin.output.clone(), TxOut { value, ..hold.script.output() }];
        let leaf = hold.script.refund_leaf()?;
        let (all, default) = (Prevouts::All(&prevouts), TapSighashType::Default);
        let sighash = SighashCache::new(&tx).taproot_script_spend_signature_hash(1, &all, leaf.hash, default)?;
        let signature = sign(&self.key, sighash).serialize();
        let control_block = leaf.control_block.serialize();
        let witness: [&[u8]; 3] = [&signature, leaf.script.as_bytes(), &control_block];
        let mut tx = self.signed(Draft { tx, prevouts })?;
        tx.input[1].witness = Witness::from_slice(&witness);
        Ok(tx)
    }

    /// His word for a hold, be it one or not.
    pub fn presigned(&self, hold: &Hold) -> Result<Presigned> {
        let Source::Account { depositor, refund } = hold.script.source() else { bail!("the reserve's") };
        let signature = |outcome| anyhow::Ok(sign(&self.key, hold.settlement(outcome)?.sighash()));
        Ok(Presigned {
            set_id: hold.script.keys().set_id(),
            depositor,
            refund,
            outpoint: hold.outpoint,
            finalize: signature(Outcome::Finalize)?,
            release: signature(Outcome::Release)?,
        })
    }

    /// By `aes attach`, to the execution's first leg.
    pub async fn attach(&self, execution: &ExecutionResponse, presigned: &Presigned) -> Result<()> {
        let words = [&execution.execution_id.to_string(), "--leg", "0", &presigned.encode().to_string()];
        typed::<Attach>(&words)?.run(&self.net.user).await?;
        Ok(())
    }

    pub async fn broadcast(&self, tx: &Transaction) -> Result<Txid> {
        let sent = node(self.net)?.call("sendrawtransaction", json!([serialize_hex(tx)])).await?;
        Ok(serde_json::from_value(sent)?)
    }

    /// Until it is so deep that it counts.
    pub async fn until_final(&self, txid: Txid) -> Result<()> {
        let chain = self.net.user.chain(&self.id)?;
        let height = wait_chain(&**chain, &TxId(txid.to_string())).await?;
        until(chain.ticks(), &format!("{txid} final"), async || {
            Ok((chain.head(Depth::Final).await?.height >= height).then_some(()))
        })
        .await
    }

    /// By the key path, as any wallet spends its own.
    fn signed(&self, draft: Draft) -> Result<Transaction> {
        let key = self.key.tap_tweak(&Secp256k1::new(), None).to_keypair();
        let mut cache = SighashCache::new(&draft.tx);
        let mut witnesses = Vec::new();
        for input in 0..draft.tx.input.len() {
            let (prevouts, sighash_type) = (Prevouts::All(&draft.prevouts), TapSighashType::Default);
            let sighash = cache.taproot_key_spend_signature_hash(input, &prevouts, sighash_type)?;
            let signature = taproot::Signature { signature: sign(&key, sighash), sighash_type };
            witnesses.push(Witness::p2tr_key_spend(&signature));
        }
        let mut tx = draft.tx;
        for (input, witness) in tx.input.iter_mut().zip(witnesses) {
            input.witness = witness;
        }
        Ok(tx)
    }
}

/// Out of the blocks, by the ledger of `aes-bitcoin`.
async fn coins_of(net: &Net, etched: Etched, first: u64, account: &ScriptBuf) -> Result<Vec<Coin>> {
    let node = node(net)?;
    let height = first.saturating_sub(1);
    let before: BlockHash = serde_json::from_value(node.call("getblockhash", json!([height])).await?)?;
    let mut hash: BlockHash = serde_json::from_value(node.call("getbestblockhash", json!([])).await?)?;
    // one connection for a thousand blocks
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut blocks = Vec::new();
    while hash != before {
        let asked = json!({ "jsonrpc": "1.0", "id": 1, "method": "getblock", "params": [hash, 0] });
        let answer: Value = http.post(&node.rpc_url).json(&asked).send().await?.json().await?;
        let block: Block = deserialize_hex(answer["result"].as_str().context("a block in hex")?)?;
        hash = block.header.prev_blockhash;
        blocks.push(block);
    }
    let mut ledger = Ledger::new(etched, Tip { height, hash: before });
    let mut own = BTreeMap::new();
    for block in blocks.iter().rev() {
        ledger.apply(block)?;
        for tx in &block.txdata {
            tx.input.iter().for_each(|input| drop(own.remove(&input.previous_output)));
            let txid = tx.compute_txid();
            let outputs = (0u32..).zip(&tx.output).filter(|(_, output)| output.script_pubkey == *account);
            own.extend(outputs.map(|(vout, output)| (OutPoint { txid, vout }, output.clone())));
        }
    }
    let coin = |(outpoint, output): (OutPoint, TxOut)| {
        let alz = ledger.holding(&outpoint).map_or(0, |holding| holding.alz);
        Coin { outpoint, output, alz }
    };
    let coins: Vec<Coin> = own.into_iter().map(coin).collect();
    let with = coins.iter().max_by_key(|coin| coin.alz).filter(|coin| coin.alz > 0).context("the user has no ALZ")?;
    let without = coins.iter().filter(|coin| coin.alz == 0).max_by_key(|coin| coin.output.value);
    Ok(vec![with.clone(), without.context("the user has no sats beside it")?.clone()])
}
