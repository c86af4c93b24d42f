//! Merkle trees as OpenZeppelin's `StandardMerkleTree` lays them out (leaves hashed twice and sorted, pairs sorted),
//! so that `MerkleProof.sol` verifies our paths. A leaf given here is a `hashStruct`, hashed once already.

use crate::bytes::Hash32;
use crate::eip712::keccak;

fn leaf_node(struct_hash: &Hash32) -> Hash32 {
    keccak(&struct_hash.0)
}

fn parent(a: &Hash32, b: &Hash32) -> Hash32 {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    let mut bytes = [0u8; 64];
    let (left, right) = bytes.split_at_mut(32);
    left.copy_from_slice(&low.0);
    right.copy_from_slice(&high.0);
    keccak(&bytes)
}

/// Whether `path` leads from the leaf to `root`.
pub fn verify_path(struct_hash: &Hash32, path: &[Hash32], root: &Hash32) -> bool {
    path_root(struct_hash, path) == *root
}

/// The root a path leads to.
pub(crate) fn path_root(struct_hash: &Hash32, path: &[Hash32]) -> Hash32 {
    path.iter().fold(leaf_node(struct_hash), |node, sibling| parent(&node, sibling))
}

/// A tree over at least one leaf.
#[derive(Debug, Clone)]
pub struct Tree {
    /// from the root on, a heap: children of `i` are `2i + 1` and `2i + 2`, leaves last and in reverse
    nodes: Vec<Hash32>,
}

impl Tree {
    /// `None` for no leaves: an empty tree has no root to sign.
    pub fn new(struct_hashes: &[Hash32]) -> Option<Self> {
        let mut leaves: Vec<Hash32> = struct_hashes.iter().map(leaf_node).collect();
        leaves.sort_unstable_by(|a, b| b.cmp(a));
        let inner = leaves.len().checked_sub(1)?;
        let mut nodes = vec![Hash32::default(); inner];
        nodes.append(&mut leaves);
        for i in (0..inner).rev() {
            let left = i.checked_mul(2)?.checked_add(1)?;
            let node = parent(nodes.get(left)?, nodes.get(left.checked_add(1)?)?);
            *nodes.get_mut(i)? = node;
        }
        Some(Self { nodes })
    }

    pub fn root(&self) -> Hash32 {
        self.nodes.first().copied().unwrap_or_default()
    }

    /// The siblings from the leaf up to the root; `None` when the leaf is not in the tree.
    pub fn path(&self, struct_hash: &Hash32) -> Option<Vec<Hash32>> {
        let node = leaf_node(struct_hash);
        let inner = self.nodes.len() / 2;
        let mut i = self.nodes.iter().skip(inner).position(|n| *n == node)?.checked_add(inner)?;
        let mut path = Vec::new();
        while i > 0 {
            let sibling = if i % 2 == 0 { i.checked_sub(1)? } else { i.checked_add(1)? };
            path.push(*self.nodes.get(sibling)?);
            i = i.checked_sub(1)? / 2;
        }
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_leaf_has_a_path_and_nothing_else_does(seeds in prop::collection::vec(any::<[u8; 32]>(), 1..40), stranger: [u8; 32]) {
            let leaves: Vec<Hash32> = seeds.into_iter().map(Hash32).collect();
            let tree = Tree::new(&leaves).unwrap();
            for leaf in &leaves {
                let path = tree.path(leaf).unwrap();
                prop_assert!(verify_path(leaf, &path, &tree.root()));
                prop_assert!(!verify_path(&Hash32(stranger), &path, &tree.root()) || leaves.contains(&Hash32(stranger)));
            }
            let mut reversed = leaves.clone();
            reversed.reverse();
            prop_assert_eq!(Tree::new(&reversed).unwrap().root(), tree.root());
        }
    }

    #[test]
    fn a_single_leaf_is_its_own_root_and_no_leaf_is_no_tree() {
        let leaf = keccak(b"leaf");
        let tree = Tree::new(&[leaf]).unwrap();
        assert_eq!(tree.root(), keccak(&leaf.0));
        assert_eq!(tree.path(&leaf), Some(vec![]));
        assert!(Tree::new(&[]).is_none());
    }
}
