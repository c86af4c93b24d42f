// SPDX-License-Identifier: MIT
// A leg as this chain knows it, and its hash as every chain knows it (protocol, sections 3 and 5).
pragma solidity 0.8.37;

/// @notice What a leg does. The numbers are the protocol's.
enum Function {
    Transfer,
    Lock,
    Unlock,
    Mint,
    Burn
}

/// @notice A leg on this chain and escrow. address(0) where the function has no such account.
struct Leg {
    uint8 index;
    Function fn_;
    address from;
    address to;
    uint128 amount;
}

library Legs {
    uint256 internal constant TRANSFER = uint256(Function.Transfer);
    uint256 internal constant LOCK = uint256(Function.Lock);
    uint256 internal constant UNLOCK = uint256(Function.Unlock);
    uint256 internal constant MINT = uint256(Function.Mint);
    uint256 internal constant BURN = uint256(Function.Burn);

    // A bit for each function that is so: one shift where comparisons would branch.
    uint256 internal constant ACCOUNT_SOURCED = 1 << TRANSFER | 1 << LOCK | 1 << BURN;
    uint256 private constant RESERVE_SOURCED = 1 << UNLOCK | 1 << MINT;
    uint256 internal constant RECIPIENT = 1 << TRANSFER | 1 << UNLOCK | 1 << MINT;

    bytes32 internal constant LEG_TYPEHASH = keccak256(
        "Leg(uint8 index,string chain,bytes escrow,uint8 function,bytes from,bytes to,uint128 amount)"
    );

    /// @dev The leg's EIP-712 struct hash. What all legs of one escrow share comes in hashed: `chainHash` of the CAIP-2
    /// name, `escrowHash` of the address. By hand because abi.encode moves the free pointer, so that a batch would pay for
    /// ever more memory, and takes 200 gas more a leg. Numbers are not masked here: they come with the bits they have.
    function hash(
        uint256 index,
        uint256 fn,
        address from,
        address to,
        uint256 amount,
        bytes32 chainHash,
        bytes32 escrowHash
    ) internal pure returns (bytes32 hashed) {
        bytes32 typeHash = LEG_TYPEHASH;
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, typeHash)
            mstore(add(words, 0x20), index)
            mstore(add(words, 0x40), chainHash)
            mstore(add(words, 0x60), escrowHash)
            mstore(add(words, 0x80), fn)
            // An account's 20 bytes, or no bytes where there is none.
            from := shl(96, from)
            mstore(0, from)
            mstore(add(words, 0xa0), keccak256(0, mul(20, iszero(iszero(from)))))
            to := shl(96, to)
            mstore(0, to)
            mstore(add(words, 0xc0), keccak256(0, mul(20, iszero(iszero(to)))))
            mstore(add(words, 0xe0), amount)
            hashed := keccak256(words, 0x100)
        }
    }

    /// @notice transfer, lock and burn take from an account; unlock and mint from the reserve; others are none.
    function isAccountSourced(uint256 fn) internal pure returns (bool) {
        return ACCOUNT_SOURCED >> fn & 1 == 1;
    }

    function isReserveSourced(uint256 fn) internal pure returns (bool) {
        return RESERVE_SOURCED >> fn & 1 == 1;
    }

    /// @notice transfer, unlock and mint give to an account; lock and burn to none.
    function hasRecipient(uint256 fn) internal pure returns (bool) {
        return RECIPIENT >> fn & 1 == 1;
    }
}
