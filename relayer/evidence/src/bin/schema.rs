//! Writes the JSON Schema of the proof file and of the anchors file to `schema/`. Run it at the top of the repository;
//! the same source gives the same bytes, so CI can see drift.

use std::error::Error;
use std::fs;

use aes_evidence::file::{Anchors, ProofFile};
use cosmwasm_schema::schema_for;

fn main() -> Result<(), Box<dyn Error>> {
    for (file, schema) in [("proof", schema_for!(ProofFile)), ("anchors", schema_for!(Anchors))] {
        fs::write(format!("schema/{file}.json"), serde_json::to_string_pretty(&schema)? + "\n")?;
    }
    Ok(())
}
