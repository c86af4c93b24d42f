//! Writes the JSON Schema of every message and answer, which outsiders build on, to `schema/cosmwasm/escrow/`.
//! Run it at the top of the repository; the same source gives the same bytes, so CI can see drift.

use std::error::Error;
use std::fs;
use std::path::Path;

use aes_escrow::msg::{ExecuteMsg, InstantiateMsg, MigrateMsg, QueryMsg, ReceiveMsg};
use cosmwasm_schema::generate_api;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = Path::new("schema/cosmwasm/escrow");
    fs::create_dir_all(dir)?;
    let api = generate_api! {
        name: "aes-escrow",
        instantiate: InstantiateMsg,
        execute: ExecuteMsg,
        query: QueryMsg,
        migrate: MigrateMsg,
    };
    for (file, schema) in api.render().to_schema_files()? {
        fs::write(dir.join(file), schema + "\n")?;
    }
    // The message inside cw20's `send` is part of the interface and of no entry point.
    cosmwasm_schema::export_schema_with_title(&cosmwasm_schema::schema_for!(ReceiveMsg), dir, "receive");
    Ok(())
}
