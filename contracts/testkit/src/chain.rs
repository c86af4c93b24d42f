//! The chain of cw-multi-test, under the name that the contracts are told.

use aes_protocol::Bytes;
use cosmwasm_std::{Addr, Api, StdError};
use cw_multi_test::{App, AppResponse};

pub type Outcome = Result<AppResponse, String>;

/// `app` under the chain id that both contracts' tests name.
pub fn home_app(mut app: App) -> App {
    app.update_block(|block| block.chain_id = "allianza-1".into());
    app
}

/// What the chain would answer, without the backtrace.
pub fn text(error: StdError) -> String {
    let text = error.to_string();
    text.strip_prefix("kind: Other, error: ").map(String::from).unwrap_or(text)
}

pub fn canonical(app: &App, account: &Addr) -> Bytes {
    app.api().addr_canonicalize(account.as_str()).unwrap().as_slice().into()
}

/// One block later, so many seconds on.
pub fn advance(app: &mut App, seconds: u64) {
    app.update_block(|block| {
        block.time = block.time.plus_seconds(seconds);
        block.height += 1;
    });
}
