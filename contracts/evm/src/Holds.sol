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

using Holds for Hold global;

library Holds {
    function begin(uint64 until) internal view returns (Hold) {
        return Hold.wrap(uint256(Status.Held) | uint256(until) << 8 | uint256(uint64(block.number)) << 72);
    }

    /// @dev The hold with its end written into it; of no hold at all, a tombstone.
    function end(Hold hold, Status outcome) internal view returns (Hold) {
        uint256 begun = Hold.unwrap(hold) & ~uint256(0xff);
        return Hold.wrap(begun | uint256(outcome) | uint256(uint64(block.number)) << 136);
    }

    function status(Hold hold) internal pure returns (Status) {
        return Status(uint8(Hold.unwrap(hold)));
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
