//! A block's transactions or receipts as the trie whose root its header has, to cut one path out of it.

use aes_protocol::Bytes;
use alloy_primitives::B256;
use alloy_trie::proof::ProofRetainer;
use alloy_trie::root::adjust_index_for_rlp;
use alloy_trie::{HashBuilder, Nibbles};

/// The nodes from `root` down to item `index`; `None` when the items have another root.
pub(super) fn path(items: &[Vec<u8>], index: usize, root: B256) -> Option<Vec<Bytes>> {
    path_in_all(items, index, root).or_else(|| {
        // Polygon's nodes list a transaction of their own at the end of some blocks that is not in the trie.
        let (_, items) = items.split_last()?;
        path_in_all(items, index, root)
    })
}

fn path_in_all(items: &[Vec<u8>], index: usize, root: B256) -> Option<Vec<Bytes>> {
    let key = |index: usize| Nibbles::unpack(alloy_rlp::encode_fixed_size(&index));
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![key(index)]));
    for place in 0..items.len() {
        // the order of the keys' bytes, which is the order a trie is built in
        let index = adjust_index_for_rlp(place, items.len());
        builder.add_leaf(key(index), items.get(index)?);
    }
    if index >= items.len() || builder.root() != root {
        return None;
    }
    let nodes = builder.take_proof_nodes().into_nodes_sorted();
    Some(nodes.into_iter().map(|(_, node)| node.to_vec().into()).collect())
}
