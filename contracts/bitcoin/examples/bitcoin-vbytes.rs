//! Prints the size of each Bitcoin transaction of AES, signed by 2-of-3, as `figure bitcoin.vbytes.NAME VALUE vB`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::cast_possible_truncation)]

#[allow(dead_code)] // the tests use the rest of it
#[path = "../tests/it/support.rs"]
mod support;

use std::process::ExitCode;

/// At most, for depositor and 2-of-3 by the script path, with its anchor.
const SETTLE: u64 = 210;

fn main() -> ExitCode {
    let mut settle = 0;
    for (name, signed) in support::templates(2, 3) {
        let vbytes = signed.tx.weight().to_vbytes_ceil();
        println!("figure bitcoin.vbytes.{name} {vbytes} vB");
        if name == "settle" {
            settle = vbytes;
        }
    }
    println!("note Boltz' Taproot claim takes 151 vB by its script path and 111 by its cooperative key path");
    println!("note join is 4 vault outputs to 1, split 1 to 4, each with one input and the change of who pays");
    if settle > SETTLE {
        eprintln!("missed: bitcoin.vbytes.settle is {settle} vB, at most {SETTLE} are allowed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
