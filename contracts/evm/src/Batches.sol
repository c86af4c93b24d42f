// SPDX-License-Identifier: MIT
// Where things lie in a batch of settlements (IAesEscrow.finalize has the layout), by their place in calldata.
pragma solidity 0.8.37;

library Batches {
    uint256 internal constant LEG_BYTES = 58;
    uint256 private constant EXECUTION_BYTES = 34;

    function bounds(bytes calldata batch) internal pure returns (uint256 start, uint256 end) {
        assembly ("memory-safe") {
            start := batch.offset
            end := add(start, batch.length)
        }
    }

    function word(uint256 offset) internal pure returns (bytes32 read) {
        assembly ("memory-safe") {
            read := calldataload(offset)
        }
    }

    /// @dev Where the legs of the execution at `offset` begin, and where they end. What lies past the end of calldata reads as
    /// zeros: the caller compares `next` with the end of the batch.
    function execution(uint256 offset)
        internal
        pure
        returns (bytes32[] calldata path, uint256 legs, uint256 next)
    {
        assembly ("memory-safe") {
            let counts := calldataload(add(offset, 0x20))
            path.offset := add(offset, EXECUTION_BYTES)
            path.length := byte(0, counts)
            legs := add(path.offset, shl(5, path.length))
            next := add(legs, mul(byte(1, counts), LEG_BYTES))
        }
    }

    function leg(uint256 offset)
        internal
        pure
        returns (uint256 index, uint256 fn, address from, address to, uint128 amount)
    {
        assembly ("memory-safe") {
            let head := calldataload(offset)
            index := byte(0, head)
            fn := byte(1, head)
            amount := shr(128, shl(16, head))
            from := shr(96, calldataload(add(offset, 18)))
            to := shr(96, calldataload(add(offset, 38)))
        }
    }
}
