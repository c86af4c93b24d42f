//! What a chain's endpoints show of it. None is believed: one that shows what no honest node would is named and not asked again
//! before the next start, and the rest go on.

use aes_bitcoin::HeaderError;
use bitcoin::block::Header;
use bitcoin::{Block, BlockHash};
use futures::future::join_all;
use futures::stream::{self, StreamExt};

use super::super::evidence::unwritten;
use super::super::headers::{Branch, Headers};
use super::super::node::{is_block, Node};
use super::super::rpc::NO_ONE_HONEST;
use super::{Followed, Follower, HEADERS};
use crate::error::ChainError;

/// Headers that are asked for before the blocks below them: more at once would only be kept waiting.
const PIECE: usize = 2_000;
/// Questions to one node at once, while its headers are read.
const AT_ONCE: usize = 16;

/// Why a node shows no headers.
enum Unseen {
    Silent(ChainError),
    /// what no honest node answers
    Lie(String),
}

impl From<ChainError> for Unseen {
    fn from(error: ChainError) -> Self {
        Self::Silent(error)
    }
}

impl Follower {
    /// From the file, or from the anchor alone.
    pub(super) async fn first_headers(&self) -> Result<Headers, ChainError> {
        let Followed { anchor, file, .. } = &self.followed;
        let hash = unwritten(&anchor.hash);
        let kept = std::fs::read(file.with_extension(HEADERS)).ok();
        let kept = kept.and_then(|bytes| Headers::read(&self.node.id, anchor.height, &bytes));
        if let Some(kept) = kept.filter(|kept| kept.hash_at(anchor.height) == Some(hash)) {
            return Ok(kept);
        }
        let mut silent = self.node.unreachable(NO_ONE_HONEST);
        for (_, node) in self.honest() {
            match node.header(hash).await {
                Ok(header) => {
                    let headers = Headers::new(&self.node.id, anchor.height, header);
                    return headers.map_err(|error| self.node.refused(error.to_string()));
                }
                Err(error) => silent = error,
            }
        }
        Err(silent)
    }

    /// What each endpoint has beyond the followed chain. True where one of them has still more than could be asked for at once.
    pub(super) async fn see_headers(&self) -> Result<bool, ChainError> {
        let nodes = self.honest();
        let (mut heard, mut more, mut silent) = (false, false, None);
        let branches = join_all(nodes.iter().map(|(_, node)| self.branch_of(node))).await;
        for ((name, node), branch) in nodes.into_iter().zip(branches) {
            match branch {
                Ok(branch) => {
                    heard = true;
                    if let Some(branch) = branch {
                        let whole_piece = branch.len() >= PIECE;
                        more |= self.follow(branch) && whole_piece;
                    }
                }
                Err(Unseen::Silent(error)) => silent = Some(error),
                Err(Unseen::Lie(lie)) => node.liars().caught(name, &lie),
            }
        }
        match silent {
            _ if heard => Ok(more),
            Some(error) => Err(error),
            None => Err(self.node.unreachable(NO_ONE_HONEST)),
        }
    }

    /// Those that were not caught; without those that have not answered lately, unless there are no others.
    fn honest(&self) -> Vec<&(String, Node)> {
        let honest = self.nodes.iter().filter(|(name, node)| !node.liars().contains(name));
        let (resting, awake): (Vec<_>, Vec<_>) = honest.partition(|(_, node)| node.rests());
        if awake.is_empty() {
            resting
        } else {
            awake
        }
    }

    async fn branch_of(&self, node: &Node) -> Result<Option<Branch>, Unseen> {
        let Some(tip) = self.headers(Headers::tip) else { return Ok(None) };
        if node.tip().await? == tip.hash {
            return Ok(None);
        }
        let (anchor, top) = (self.followed.anchor.height, node.height().await?);
        // Where it leaves the followed chain: below that block it has the same, from there on others.
        let (mut low, mut high) = (anchor, tip.height.min(top));
        let mut next = high;
        while low < high {
            if self.shares(node, next).await? {
                low = next;
            } else {
                high = next.saturating_sub(1);
            }
            next = low.midpoint(high.saturating_add(1));
        }
        if low == anchor {
            let (own, its) = (unwritten(&self.followed.anchor.hash), node.hash_at(anchor).await?);
            if let Some(other) = its.filter(|its| *its != own) {
                return Err(Unseen::Lie(format!("its block {anchor}, {other}, is not the manifest's anchor {own}")));
            }
        }
        let Some(mut branch) = self.headers(|headers| headers.branch(low)).flatten() else { return Ok(None) };
        // enough to outdo what is followed, and no more than that at once
        let last = top.min(tip.height.saturating_add(u64::try_from(PIECE).unwrap_or(u64::MAX)));
        let mut headers = stream::iter(low.saturating_add(1)..=last).map(|at| header_at(node, at)).buffered(AT_ONCE);
        while let Some(Some(header)) = headers.next().await.transpose()? {
            match branch.extend(header) {
                Ok(()) => {}
                // a reorg between two questions
                Err(HeaderError::Parent { .. }) => break,
                Err(lie) => return Err(Unseen::Lie(lie.to_string())),
            }
        }
        Ok(Some(branch))
    }

    async fn shares(&self, node: &Node, height: u64) -> Result<bool, ChainError> {
        Ok(node.hash_at(height).await? == self.headers(|headers| headers.hash_at(height)).flatten())
    }

    /// A block of the followed chain, from whichever endpoint has it.
    pub async fn block(&self, hash: BlockHash) -> Result<Block, ChainError> {
        let mut silent = None;
        for (name, node) in self.honest() {
            match node.block_as_told(hash).await {
                Ok(Some(block)) if is_block(&block, &hash) => return Ok(block),
                Ok(Some(_)) => node.liars().caught(name, &format!("a block {hash} that does not hash to its id")),
                Ok(None) => {}
                Err(error) => silent = Some(error),
            }
        }
        Err(silent.unwrap_or_else(|| self.node.unreachable(format!("none has block {hash}"))))
    }
}

/// `None` above the node's tip.
async fn header_at(node: &Node, height: u64) -> Result<Option<Header>, ChainError> {
    match node.hash_at(height).await? {
        Some(hash) => node.header(hash).await.map(Some),
        None => Ok(None),
    }
}
