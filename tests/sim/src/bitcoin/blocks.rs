//! Blocks by regtest's rules, and what a transaction must have to be in one: scripts that Core's own code takes, and lock
//! times that are over (BIP-65, BIP-68, BIP-113).

use aes_protocol::Hash32;
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version as BlockVersion};
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash;
use bitcoin::relative;
use bitcoin::transaction::Version;
use bitcoin::{
    opcodes, script, Amount, Block, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Witness,
};
use bitcoinconsensus::{verify, Utxo};

/// The easiest there is: every second hash has it.
const BITS: u32 = 0x207f_ffff;
/// How a coinbase's output commits to the block's witnesses (BIP-141).
const COMMITMENT: [u8; 4] = [0xaa, 0x21, 0xa9, 0xed];
/// BIP-113: the median of this many blocks' times.
const MEDIAN_OF: usize = 11;

pub fn anybody() -> ScriptBuf {
    script::Builder::new().push_opcode(opcodes::OP_TRUE).into_script()
}

/// On `parent`, with work; `salt` makes it another one than its rivals.
pub fn block(parent: &Header, height: u64, time: u64, txs: Vec<Transaction>, fees: Amount, salt: u64) -> Block {
    let number = |number: u64| i64::try_from(number).expect("a small number");
    let coinbase = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: script::Builder::new().push_int(number(height)).push_int(number(salt)).into_script(),
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[[0u8; 32]]),
        }],
        output: vec![TxOut { value: fees, script_pubkey: anybody() }],
    };
    let header = Header {
        version: BlockVersion::from_consensus(0x2000_0000),
        prev_blockhash: parent.block_hash(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: u32::try_from(time).expect("a time before 2106"),
        bits: CompactTarget::from_consensus(BITS),
        nonce: 0,
    };
    let mut block = Block { header, txdata: [vec![coinbase], txs].concat() };
    let root = block.witness_root().expect("a coinbase");
    let commitment = Block::compute_witness_commitment(&root, &[0; 32]);
    let commitment = [&COMMITMENT[..], &commitment.to_byte_array()].concat();
    let commitment = script::PushBytesBuf::try_from(commitment).expect("36 bytes");
    block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new_op_return(commitment) });
    block.header.merkle_root = block.compute_merkle_root().expect("a coinbase");
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    block
}

/// Of the headers up to the one that is meant.
pub fn median_time(headers: &[Header]) -> u64 {
    let mut times: Vec<u32> = headers.iter().rev().take(MEDIAN_OF).map(|header| header.time).collect();
    times.sort_unstable();
    times[times.len() / 2].into()
}

/// Whether a block on top of `headers` may have it; `heights` are those of what it spends.
pub fn is_final(tx: &Transaction, heights: &[u64], headers: &[Header]) -> bool {
    let (height, now) = (headers.len() as u64, median_time(headers));
    let is_over = match tx.lock_time {
        LockTime::Blocks(until) => u64::from(until.to_consensus_u32()) < height,
        LockTime::Seconds(until) => u64::from(until.to_consensus_u32()) < now,
    };
    let has_waited = |(input, at): (&TxIn, &u64)| match input.sequence.to_relative_lock_time() {
        None => true,
        Some(relative::LockTime::Blocks(blocks)) => height >= at + u64::from(blocks.value()),
        Some(relative::LockTime::Time(time)) => {
            let before = (*at as usize).clamp(1, headers.len());
            now >= median_time(&headers[..before]) + u64::from(time.value()) * 512
        }
    };
    is_over && tx.input.iter().zip(heights).all(has_waited)
}

/// The last byte first, as hashes are written.
pub fn reversed(mut bytes: [u8; 32]) -> Hash32 {
    bytes.reverse();
    Hash32(bytes)
}

/// Bitcoin Core's word on every input.
pub fn check_scripts(tx: &Transaction, prevouts: &[TxOut]) -> Result<(), String> {
    let bytes = serialize(tx);
    let sats = |output: &TxOut| i64::try_from(output.value.to_sat()).expect("less than there is");
    let utxo = |output: &TxOut| Utxo {
        script_pubkey: output.script_pubkey.as_bytes().as_ptr(),
        script_pubkey_len: u32::try_from(output.script_pubkey.len()).expect("a short script"),
        value: sats(output),
    };
    let utxos: Vec<Utxo> = prevouts.iter().map(utxo).collect();
    for (input, spent) in prevouts.iter().enumerate() {
        verify(spent.script_pubkey.as_bytes(), spent.value.to_sat(), &bytes, Some(&utxos), input)
            .map_err(|error| format!("mandatory-script-verify-flag-failed (input {input}: {error})"))?;
    }
    Ok(())
}
