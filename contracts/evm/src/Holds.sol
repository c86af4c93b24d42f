// SPDX-License-Identifier: MIT
// A hold, one word: read once, written once. Packed by hand because the compiler reads and writes a struct's slot
// once a field.
pragma solidity 0.8.37;

/// @notice Where a hold stands. `Released` with `heldAt` 0 is a tombstone: released before it was ever held.
enum Status {
    None,
    Held,
    Finalized,
    Released,
    Escaped
}

/// @dev From the lowest bit: status (8 bits), deadline (64, Unix seconds), heldAt and settledAt (64 each, block numbers).
type Hold is uint256;

/// @dev Where a hold is kept.
struct HoldSlot {
    Hold hold;
}

using Holds for Hold global;
using Holds for HoldSlot global;

library Holds {
    /// @dev keccak(executionId, legHash), one hash where a mapping of mappings takes two. No other slot can be hit: a
    /// mapping's is keccak(key, a small number), and a leg hash, itself a hash, is no small number.
    function slotOf(bytes32 executionId, bytes32 legHash) internal pure returns (HoldSlot storage slot) {
        assembly ("memory-safe") {
            mstore(0, executionId)
            mstore(0x20, legHash)
            slot.slot := keccak256(0, 0x40)
        }
    }

    function isEmpty(HoldSlot storage slot) internal view returns (bool) {
        return Hold.unwrap(slot.hold) == 0;
    }

    function begin(uint64 until) internal view returns (Hold) {
        return Hold.wrap(uint256(Status.Held) | uint256(until) << 8 | uint256(uint64(block.number)) << 72);
    }

    /// @dev The hold with its end written into it; of no hold at all, a tombstone.
    function end(Hold hold, Status outcome) internal view returns (Hold) {
        uint256 begun = Hold.unwrap(hold) & ~uint256(0xff);
        return Hold.wrap(begun | uint256(outcome) | uint256(uint64(block.number)) << 136);
    }

    /// @dev What is stored was a Status; Solidity's cast would ask again, twice a leg.
    function status(Hold hold) internal pure returns (Status stands) {
        assembly ("memory-safe") {
            stands := and(hold, 0xff)
        }
    }

    function deadline(Hold hold) internal pure returns (uint64) {
        return uint64(Hold.unwrap(hold) >> 8);
    }

    function heldAt(Hold hold) internal pure returns (uint64) {
        return uint64(Hold.unwrap(hold) >> 72);
    }

    function settledAt(Hold hold) internal pure returns (uint64) {
        return uint64(Hold.unwrap(hold) >> 136);
    }
}
