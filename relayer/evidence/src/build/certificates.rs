//! The certificates of an execution, found in the home chain's own transactions: nobody else need keep them. Anyone can put
//! a transaction there that looks like one, so only a certificate of an attestor set over the very statement is taken.

use aes_coordinator::msg::ExecuteMsg;
use aes_protocol::{AttestorSet, Certificate, Domain, Statement};
use cosmrs::cosmwasm::MsgExecuteContract;
use cosmrs::tx::Msg;
use cosmrs::Tx;
use tendermint_rpc::query::Query;
use tendermint_rpc::{Client, HttpClient, Order};

use crate::file::verify_certificate;

/// Transactions asked for at a time.
const PAGE: u8 = 100;
/// Nobody is heard for longer: whoever floods the index pays for it, and the record proves the execution all the same.
const PAGES: u32 = 20;

pub(super) struct Wanted<'a> {
    /// `Prepared` or `Settled`
    pub statement: Statement,
    pub domain: &'a Domain,
    /// every set there has been
    pub sets: &'a [AttestorSet],
}

/// `None` where the node has no index of transactions, or none that is still kept.
pub(super) async fn certificate(rpc: &HttpClient, wanted: &Wanted<'_>) -> Option<Certificate> {
    let (event, execution_id) = match &wanted.statement {
        Statement::Prepared { execution_id, .. } => ("wasm-aes-committed.execution_id", execution_id),
        Statement::Settled { execution_id, .. } => ("wasm-aes-recorded.execution_id", execution_id),
        _ => return None,
    };
    let query = Query::eq(event, execution_id.to_string());
    for page in 1..=PAGES {
        let found = rpc.tx_search(query.clone(), false, page, PAGE, Order::Ascending).await.ok()?;
        let done = found.txs.iter().filter(|tx| tx.tx_result.code.is_ok());
        if let Some(certificate) = done.filter_map(|tx| wanted.read(&tx.tx)).next() {
            return Some(certificate);
        }
        if found.txs.len() < usize::from(PAGE) {
            return None;
        }
    }
    None
}

impl Wanted<'_> {
    fn read(&self, tx: &[u8]) -> Option<Certificate> {
        let tx = Tx::from_bytes(tx).ok()?;
        let messages = tx.body.messages.iter().filter_map(|any| MsgExecuteContract::from_any(any).ok());
        messages.filter(|message| message.contract.to_bytes() == self.domain.coordinator.0).find_map(|message| {
            let certificate = match (serde_json::from_slice(&message.msg).ok()?, &self.statement) {
                (ExecuteMsg::Commit { certificate, .. }, Statement::Prepared { .. })
                | (ExecuteMsg::Record { certificate, .. }, Statement::Settled { .. }) => certificate,
                _ => return None,
            };
            let set = self.sets.iter().find(|set| set.id == certificate.attestor_set)?;
            // The statement names the execution and the root.
            verify_certificate(&certificate, &self.statement, self.domain, set).ok()?;
            Some(certificate)
        })
    }
}
