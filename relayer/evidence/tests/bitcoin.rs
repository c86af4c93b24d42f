//! Bitcoin proofs: a block of mainnet's own, blocks mined here under regtest's rules, and the old traps.

mod support;

use aes_evidence::bitcoin::{BitcoinAnchors, BitcoinProof, BitcoinShown, Checkpoint, Included, Row, TrustedCheckpoint};
use aes_evidence::file::{Anchors, NativeProof, ProofFile, Shown};
use aes_evidence::{ProofError, Subject};
use aes_protocol::{AttestorSet, Bytes, ChainKind, Domain, Evidence, Function, Hash32, Leg, LegStatus};
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::merkle_tree::{calculate_root, PartialMerkleTree};
use bitcoin::{
    transaction, Amount, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Target, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, Witness,
};
use serde::{Deserialize, Serialize};

const MAINNET: &str = "bip122:000000000019d6689c085ae165831e93";
const SIGNET: &str = "bip122:00000008819873e925422c1ff0f99f7c";
const TESTNET: &str = "bip122:000000000933ea01ad0ee984209779ba";
const REGTEST: &str = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328";
const REGTEST_BITS: u32 = 0x207f_ffff;

fn leg(chain: &str) -> Leg {
    let account: Bytes = [&[0x51, 0x20][..], &[7; 32]].concat().into();
    Leg {
        index: 0,
        chain: chain.parse().unwrap(),
        escrow: account.clone(),
        function: Function::Unlock,
        from: Bytes::default(),
        to: account,
        amount: 5u128.into(),
    }
}

/// A transaction in a block, whatever it is to a leg.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inclusion {
    row: Row,
    included: Included,
}

fn verify(chain: &str, proof: &Inclusion, anchors: &BitcoinAnchors) -> Result<Evidence, ProofError> {
    let leg = leg(chain);
    let mined = proof.row.verify(&leg.chain, anchors)?;
    let transaction = proof.included.verify(&mined.header)?;
    Ok(Evidence {
        leg_hash: leg.hash(),
        status: LegStatus::Finalized,
        chain: leg.chain,
        height: mined.height,
        block_hash: written(mined.header.block_hash()),
        tx_id: written(transaction.compute_txid()),
        event_hash: Hash32::default(),
        time: mined.header.time.into(),
    })
}

fn cause(answer: Result<Evidence, ProofError>) -> String {
    match answer.unwrap_err() {
        ProofError::Mismatch { what, cause } | ProofError::Malformed { what, cause } => format!("{what}: {cause}"),
        ProofError::NotAnchored { what } => what,
    }
}

fn transaction(salt: u8, script_sig: Vec<u8>, script_pubkey: Vec<u8>) -> Transaction {
    let previous_output = OutPoint { txid: Txid::from_byte_array([salt; 32]), vout: 0 };
    let input = TxIn {
        previous_output,
        script_sig: ScriptBuf::from(script_sig),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = TxOut { value: Amount::from_sat(1000), script_pubkey: ScriptBuf::from(script_pubkey) };
    let version = transaction::Version::TWO;
    Transaction { version, lock_time: LockTime::ZERO, input: vec![input], output: vec![output] }
}

fn coinbase() -> Transaction {
    let mut coinbase = transaction(0, vec![1, 2, 3, 4], vec![0x51; 34]);
    coinbase.input[0].previous_output = OutPoint::null();
    coinbase
}

fn mine(previous: BlockHash, merkle_root: TxMerkleNode, time: u32, bits: u32) -> Header {
    let bits = CompactTarget::from_consensus(bits);
    let mut header = Header { version: Version::TWO, prev_blockhash: previous, merkle_root, time, bits, nonce: 0 };
    while !Target::from_compact(bits).is_met_by(header.block_hash()) {
        header.nonce += 1;
    }
    header
}

fn written(hash: impl Hash<Bytes = [u8; 32]>) -> Hash32 {
    let mut bytes = hash.to_byte_array();
    bytes.reverse();
    Hash32(bytes)
}

fn number(value: u64) -> Hash32 {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&value.to_be_bytes());
    Hash32(bytes)
}

fn trusted(checkpoint: Checkpoint, minimum_work: Hash32) -> BitcoinAnchors {
    BitcoinAnchors { checkpoints: vec![TrustedCheckpoint { checkpoint, minimum_work }] }
}

/// The proof and what is trusted, with another checkpoint in both.
fn upon(mined: &Mined, change: impl Fn(&mut Checkpoint)) -> Mined {
    let (mut proof, mut anchors) = (mined.proof.clone(), mined.anchors.clone());
    change(&mut proof.row.checkpoint);
    change(&mut anchors.checkpoints[0].checkpoint);
    Mined { proof, anchors }
}

struct Mined {
    proof: Inclusion,
    anchors: BitcoinAnchors,
}

/// `leading` blocks, then one with a coinbase and `transactions`, then `above` more. `shown` is proved.
fn mined(transactions: &[Transaction], shown: usize, leading: usize, above: usize) -> Mined {
    let all: Vec<Transaction> = std::iter::once(coinbase()).chain(transactions.iter().cloned()).collect();
    let txids: Vec<Txid> = all.iter().map(Transaction::compute_txid).collect();
    let root = calculate_root(txids.iter().map(|txid| txid.to_raw_hash())).unwrap();
    let matches: Vec<bool> = (0..txids.len()).map(|at| at == 0 || at == shown).collect();
    let merkle = serialize(&PartialMerkleTree::from_txids(&txids, &matches)).into();
    mined_with(all[0].clone(), all[shown].clone(), merkle, root.into(), leading, above)
}

fn mined_with(
    coinbase: Transaction,
    transaction: Transaction,
    merkle: Bytes,
    root: TxMerkleNode,
    leading: usize,
    above: usize,
) -> Mined {
    let checkpoint = BlockHash::from_byte_array([3; 32]);
    let (mut headers, mut tip) = (Vec::new(), checkpoint);
    for at in 0..=leading + above {
        let root = if at == leading { root } else { TxMerkleNode::from_byte_array([9; 32]) };
        let header = mine(tip, root, 1_700_000_000 + u32::try_from(at).unwrap(), REGTEST_BITS);
        tip = header.block_hash();
        headers.extend(serialize(&header));
    }
    let checkpoint = Checkpoint {
        height: 4000,
        hash: written(checkpoint),
        time: 1_690_000_000,
        bits: REGTEST_BITS,
        epoch_start: 1_690_000_000,
    };
    let row = Row { checkpoint: checkpoint.clone(), headers: headers.into(), block: u32::try_from(leading).unwrap() };
    let (coinbase, transaction) = (serialize(&coinbase).into(), serialize(&transaction).into());
    let proof = Inclusion { row, included: Included { merkle, coinbase, transaction } };
    // Two expected hashes a block under regtest's target.
    let minimum_work = number(2 * (u64::try_from(above).unwrap() + 1));
    Mined { proof, anchors: trusted(checkpoint, minimum_work) }
}

fn transactions(count: u8) -> Vec<Transaction> {
    (1..=count).map(|salt| transaction(salt, vec![], vec![0x51; 30])).collect()
}

#[derive(Deserialize)]
struct Recorded {
    height: u64,
    hash: Hash32,
    time: u32,
    txid: Hash32,
    proof: Inclusion,
}

fn recorded() -> (Recorded, BitcoinAnchors) {
    let recorded: Recorded = serde_json::from_str(include_str!("../testdata/bitcoin-mainnet.json")).unwrap();
    let anchors = trusted(recorded.proof.row.checkpoint.clone(), number(1 << 62));
    (recorded, anchors)
}

#[test]
fn a_block_of_mainnet_proves_its_transaction_and_no_mutation_proves_another() {
    let (recorded, anchors) = recorded();
    let leaf = verify(MAINNET, &recorded.proof, &anchors).unwrap();
    assert_eq!((leaf.height, leaf.block_hash, leaf.tx_id), (recorded.height, recorded.hash, recorded.txid));
    assert_eq!(leaf.time, u64::from(recorded.time));
    support::mutate::none_proves_another(
        "bitcoin",
        &recorded.proof,
        |proof: &Inclusion| verify(MAINNET, proof, &anchors),
        &leaf,
    );
    // Where targets are not known, and under a checkpoint of another chain.
    assert!(cause(verify(TESTNET, &recorded.proof, &anchors)).contains("no network whose targets are known"));
    let elsewhere = upon(&Mined { proof: recorded.proof.clone(), anchors: anchors.clone() }, |checkpoint| {
        checkpoint.hash = number(5)
    });
    assert!(cause(verify(MAINNET, &elsewhere.proof, &elsewhere.anchors)).contains("of the checkpoint's chain"));
    let stranger = BitcoinAnchors::default();
    assert!(matches!(verify(MAINNET, &recorded.proof, &stranger), Err(ProofError::NotAnchored { .. })));
    let heavier = trusted(recorded.proof.row.checkpoint.clone(), Hash32([0x7f; 32]));
    assert!(matches!(verify(MAINNET, &recorded.proof, &heavier), Err(ProofError::NotAnchored { .. })));
}

#[test]
fn work_counts_from_the_transactions_block_on() {
    let Mined { proof, mut anchors } = mined(&transactions(9), 4, 3, 6);
    let leaf = verify(REGTEST, &proof, &anchors).unwrap();
    assert_eq!((leaf.height, leaf.time), (4004, 1_700_000_003));
    let proofs = |proof: &Inclusion| verify(REGTEST, proof, &anchors);
    support::mutate::none_proves_another("bitcoin_chain", &proof, proofs, &leaf);
    anchors.checkpoints[0].minimum_work = number(2 * 7 + 1);
    assert!(matches!(verify(REGTEST, &proof, &anchors), Err(ProofError::NotAnchored { .. })));
}

#[test]
fn every_place_in_a_block_of_every_size_is_proved() {
    for count in 1..=17u8 {
        for shown in 1..=usize::from(count) {
            let Mined { proof, anchors } = mined(&transactions(count), shown, 0, 0);
            verify(REGTEST, &proof, &anchors).unwrap();
        }
    }
}

#[test]
fn a_target_that_the_header_claims_is_not_believed() {
    // Mined at no cost, and otherwise all in order.
    let harder = |checkpoint: &mut Checkpoint| checkpoint.bits = 0x1d00_ffff;
    let Mined { proof, anchors } = upon(&mined(&transactions(2), 1, 0, 3), harder);
    assert!(cause(verify(REGTEST, &proof, &anchors)).contains("its target is 207fffff, the rules say 1d00ffff"));

    // The right words without the work.
    let mut header: Header = deserialize(&proof.row.headers.as_slice()[..80]).unwrap();
    header.bits = CompactTarget::from_consensus(0x1d00_ffff);
    let lazy = Inclusion { row: Row { headers: serialize(&header).into(), ..proof.row }, ..proof };
    assert!(cause(verify(REGTEST, &lazy, &anchors)).contains("does not meet the target"));
}

#[test]
fn at_the_end_of_2016_blocks_the_rules_say_the_next_target() {
    // Signet's first retarget: what its block 2016 has.
    let block = mined(&transactions(2), 1, 0, 0);
    let at = |height| {
        let Mined { proof, anchors } = upon(&block, |checkpoint| {
            (checkpoint.height, checkpoint.bits) = (height, 0x1e03_77ae);
            (checkpoint.epoch_start, checkpoint.time) = (1_598_918_400, 1_599_332_177);
        });
        cause(verify(SIGNET, &proof, &anchors))
    };
    assert!(at(2015).contains("the rules say 1e012fa7"));
    assert!(at(2014).contains("the rules say 1e0377ae"));
}

#[test]
fn a_row_is_believed_from_the_trusted_checkpoint_that_it_goes_through() {
    let Mined { proof, .. } = mined(&transactions(9), 4, 5, 6);
    let mut tip = aes_bitcoin::HeaderTip::new(&leg(REGTEST).chain, &proof.row.checkpoint).unwrap();
    let mut believed = Vec::new();
    for bytes in proof.row.headers.as_slice().chunks(80) {
        let anchors = trusted(tip.checkpoint(), number(2));
        believed.push(verify(REGTEST, &proof, &anchors).is_ok());
        tip.extend(&deserialize(bytes).unwrap()).unwrap();
    }
    // any block below the one with the transaction, and none from it on
    assert_eq!(believed, [&[true; 6][..], &[false; 6]].concat());
    let mut other = proof.row.checkpoint.clone();
    other.epoch_start += 1;
    assert!(verify(REGTEST, &proof, &trusted(other, number(2))).is_err());
}

#[test]
fn a_transaction_of_64_bytes_is_refused_as_a_leaf() {
    let short = transaction(8, vec![0; 0], vec![0x51; 4]);
    assert_eq!(short.base_size(), 64);
    let Mined { proof, anchors } = mined(&[short], 1, 0, 0);
    assert!(cause(verify(REGTEST, &proof, &anchors)).contains("64 bytes"));
}

#[test]
fn a_transaction_of_64_bytes_does_not_pass_for_an_inner_node() {
    // A miner puts a "transaction" of two hashes into a block: its second half is the id of a transaction that is in no
    // block. Shown as an inner node, it would put that transaction one level below the real leaves.
    let forged = transaction(66, vec![], vec![0x51; 30]);
    let sibling = transaction(67, vec![], vec![0x51; 31]);
    let node = |left: [u8; 32], right: [u8; 32]| bitcoin::hashes::sha256d::Hash::hash(&[left, right].concat());
    let (coinbase, forged_id) = (coinbase(), forged.compute_txid());
    let sixty_four = node(sibling.compute_txid().to_byte_array(), forged_id.to_byte_array());
    let coinbase_id = coinbase.compute_txid();
    let root = node(coinbase_id.to_byte_array(), sixty_four.to_byte_array());
    let real: TxMerkleNode = TxMerkleNode::from_byte_array(root.to_byte_array());

    // The block has two leaves, the proof pretends four: the coinbase must then be two hashes, and is not.
    for ids in [
        [coinbase_id, coinbase_id, sibling.compute_txid(), forged_id],
        [coinbase_id, forged_id, sibling.compute_txid(), forged_id],
    ] {
        let tree = PartialMerkleTree::from_txids(&ids, &[true, false, false, true]);
        let merkle: Bytes = serialize(&tree).into();
        let Mined { proof, anchors } = mined_with(coinbase.clone(), forged.clone(), merkle, real, 0, 0);
        assert!(cause(verify(REGTEST, &proof, &anchors)).contains("merkle"));
    }
    // Pretending three leaves does not help either: the tree is as deep.
    let ids = [coinbase_id, sibling.compute_txid(), forged_id];
    let merkle: Bytes = serialize(&PartialMerkleTree::from_txids(&ids, &[true, false, true])).into();
    let Mined { proof, anchors } = mined_with(coinbase, forged, merkle, real, 0, 0);
    assert!(cause(verify(REGTEST, &proof, &anchors)).contains("merkle"));
}

#[test]
fn a_tree_with_its_last_hashes_doubled_is_refused() {
    // CVE-2012-2459: three leaves and the same three with the last one twice have one root.
    let all: Vec<Transaction> = std::iter::once(coinbase()).chain(transactions(2)).collect();
    let mut txids: Vec<Txid> = all.iter().map(Transaction::compute_txid).collect();
    let root: TxMerkleNode = calculate_root(txids.iter().map(|txid| txid.to_raw_hash())).unwrap().into();
    txids.push(txids[2]);
    assert_eq!(TxMerkleNode::from(calculate_root(txids.iter().map(|txid| txid.to_raw_hash())).unwrap()), root);
    for shown in [2, 3] {
        let matches: Vec<bool> = (0..4).map(|at| at == 0 || at == shown).collect();
        let merkle: Bytes = serialize(&PartialMerkleTree::from_txids(&txids, &matches)).into();
        let Mined { proof, anchors } = mined_with(all[0].clone(), all[2].clone(), merkle, root, 0, 0);
        assert!(cause(verify(REGTEST, &proof, &anchors)).contains("merkle"));
    }
}

#[test]
fn without_the_coinbase_nothing_is_proved() {
    let txs = transactions(3);
    let ids: Vec<Txid> =
        std::iter::once(coinbase()).chain(txs.iter().cloned()).map(|transaction| transaction.compute_txid()).collect();
    let root: TxMerkleNode = calculate_root(ids.iter().map(|txid| txid.to_raw_hash())).unwrap().into();
    let only: Bytes = serialize(&PartialMerkleTree::from_txids(&ids, &[false, false, true, false])).into();
    let Mined { proof, anchors } = mined_with(coinbase(), txs[1].clone(), only, root, 0, 0);
    assert!(cause(verify(REGTEST, &proof, &anchors)).contains("coinbase and then the transaction"));
    let both: Bytes = serialize(&PartialMerkleTree::from_txids(&ids, &[true, false, true, false])).into();
    let Mined { proof, anchors } = mined_with(txs[0].clone(), txs[1].clone(), both, root, 0, 0);
    assert!(cause(verify(REGTEST, &proof, &anchors)).contains("it spends outputs"));
}

/// The Bitcoin leg of the sample file, which real nodes made (docs/proofs.md).
#[test]
fn no_change_of_a_legs_proof_proves_another() {
    let file: ProofFile = serde_json::from_str(include_str!("../testdata/sample/proof.json")).unwrap();
    let anchors: Anchors = serde_json::from_str(include_str!("../testdata/sample/anchors.json")).unwrap();
    let proofs = file.legs.iter().find(|proofs| proofs.leg.chain.kind() == ChainKind::Bitcoin).unwrap();
    let (id, leg, deadline) = (file.execution.execution_id(), &proofs.leg, file.execution.deadline);
    let (subject, domain) = (Subject { execution_id: &id, leg, deadline }, anchors.deployment.clone().unwrap());
    let of = |shown: &Option<Shown>| match &shown.as_ref().unwrap().proof {
        NativeProof::Bitcoin(proof) => (proof.clone(), shown.as_ref().unwrap().leaf.clone()),
        other => panic!("{other:?}"),
    };
    let verify =
        |proof: &BitcoinProof| proof.verify(&subject, &domain, &anchors.bitcoin[&leg.chain], &anchors.attestor_sets);
    let ((held, _), (ended, _)) = (of(&proofs.held), of(&proofs.settled));
    for (kind, shown) in [("bitcoin-held", &proofs.held), ("bitcoin-finalized", &proofs.settled)] {
        let (proof, leaf) = of(shown);
        support::mutate::none_proves_another(kind, &proof, verify, &leaf);
    }

    // The output that was spent is the one that the hold's own transaction made, under the escrow's own keys.
    let BitcoinShown::Ended { spent, made, hold } = ended.shown.clone() else { panic!("not ended") };
    let elsewhere = BitcoinShown::Ended { made: spent.transaction.clone(), spent: spent.clone(), hold: hold.clone() };
    assert!(verify(&BitcoinProof { shown: elsewhere, ..ended.clone() }).is_err());
    let mut stranger = hold.clone();
    stranger.sets[0].attestors[0].bitcoin_key = number(1);
    assert!(
        verify(&BitcoinProof { shown: BitcoinShown::Ended { spent, made, hold: stranger }, ..ended.clone() }).is_err()
    );
    // A row of enough work from another block is no row of this one; another deployment has other holds.
    assert!(verify(&BitcoinProof { row: held.row, shown: ended.shown.clone() }).is_err());
    let other = Domain { coordinator: vec![9; 32].into(), ..domain.clone() };
    assert!(ended.verify(&subject, &other, &anchors.bitcoin[&leg.chain], &anchors.attestor_sets).is_err());
    let unpinned = ended.verify(&subject, &domain, &anchors.bitcoin[&leg.chain], &[]);
    assert!(matches!(unpinned, Err(ProofError::NotAnchored { .. })), "{unpinned:?}");
    // It is under the first set, not under one of anybody's own.
    let mut under = hold;
    under.sets.push(AttestorSet { id: under.sets[0].id + 1, ..under.sets[0].clone() });
    let BitcoinShown::Ended { spent, made, .. } = ended.shown.clone() else { panic!("not ended") };
    assert!(verify(&BitcoinProof { shown: BitcoinShown::Ended { spent, made, hold: under }, ..ended }).is_err());
}

#[test]
fn absence_is_shown_by_the_first_block_whose_median_time_past_is_at_the_deadline() {
    let Mined { proof, anchors } = mined(&transactions(1), 1, 12, 2);
    let leg = leg(REGTEST);
    let at = |row: &Row, deadline: u64| {
        let proof = BitcoinProof { row: row.clone(), shown: BitcoinShown::Absence {} };
        let domain = Domain { home_chain: "cosmos:home-1".parse().unwrap(), coordinator: Bytes::default() };
        let none = Hash32::default();
        proof.verify(&Subject { execution_id: &none, leg: &leg, deadline }, &domain, &anchors, &[])
    };
    // Header 12 has time 1,700,000,012; the median of the eleven up to it is that of header 7.
    let leaf = at(&proof.row, 1_700_000_007).unwrap();
    assert_eq!((leaf.status, leaf.height, leaf.time), (LegStatus::Absent, 4013, 1_700_000_012));
    for deadline in [1_700_000_006, 1_700_000_008, 1_700_000_012] {
        assert!(cause(at(&proof.row, deadline)).contains("median time past"), "{deadline}");
    }
    let short = Row { block: 8, ..proof.row };
    assert!(cause(at(&short, 1_700_000_003)).contains("less than 11 blocks"));
}
