//! Writes the JSON Schema of every message and answer, which outsiders build on, to `schema/cosmwasm/coordinator/`.
//! Run it at the top of the repository; the same source gives the same bytes, so CI can see drift.

use std::error::Error;
use std::fs;
use std::path::Path;

use aes_coordinator::msg::{ExecuteMsg, InstantiateMsg, MigrateMsg, QueryMsg};
use cosmwasm_schema::generate_api;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = Path::new("schema/cosmwasm/coordinator");
    fs::create_dir_all(dir)?;
    let api = generate_api! {
        name: "aes-coordinator",
        instantiate: InstantiateMsg,
        execute: ExecuteMsg,
        query: QueryMsg,
        migrate: MigrateMsg,
    };
    for (file, schema) in api.render().to_schema_files()? {
        fs::write(dir.join(file), schema + "\n")?;
    }
    Ok(())
}
