//! The certificates of an execution, found in the home chain's own transactions: nobody else need keep them.

use aes_coordinator::msg::ExecuteMsg;
use aes_protocol::{Certificate, Hash32};
use cosmrs::cosmwasm::MsgExecuteContract;
use cosmrs::tx::Msg;
use cosmrs::Tx;
use tendermint_rpc::query::Query;
use tendermint_rpc::{Client, HttpClient, Order};

/// More transactions than this never tell of one moment of one execution: repeats cost their senders money.
const PAGE: u8 = 30;

#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    Committed,
    Recorded,
}

/// `None` where the node has no index of transactions, or none that is still kept.
pub(super) async fn certificate(rpc: &HttpClient, moment: Moment, execution_id: &Hash32) -> Option<Certificate> {
    let event = match moment {
        Moment::Committed => "wasm-aes-committed.execution_id",
        Moment::Recorded => "wasm-aes-recorded.execution_id",
    };
    let query = Query::eq(event, execution_id.to_string());
    let found = rpc.tx_search(query, false, 1, PAGE, Order::Ascending).await.ok()?;
    found.txs.iter().filter(|tx| tx.tx_result.code.is_ok()).find_map(|tx| read(&tx.tx, moment, execution_id))
}

fn read(tx: &[u8], moment: Moment, wanted: &Hash32) -> Option<Certificate> {
    let tx = Tx::from_bytes(tx).ok()?;
    let messages = tx.body.messages.iter().filter_map(|any| MsgExecuteContract::from_any(any).ok());
    messages.into_iter().find_map(|message| match (serde_json::from_slice(&message.msg).ok()?, moment) {
        (ExecuteMsg::Commit { execution_id, certificate, .. }, Moment::Committed) if execution_id == *wanted => {
            Some(certificate)
        }
        (ExecuteMsg::Record { execution_id, certificate, .. }, Moment::Recorded) if execution_id == *wanted => {
            Some(certificate)
        }
        _ => None,
    })
}
