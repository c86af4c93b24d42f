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
    bytes32 private constant LEG_TYPEHASH = keccak256(
        "Leg(uint8 index,string chain,bytes escrow,uint8 function,bytes from,bytes to,uint128 amount)"
    );

    /// @dev What all legs of one escrow share comes in hashed: `chainHash` of the CAIP-2 name, `escrowHash` of the
    /// address. The words lie in free memory that the next leg of a batch uses again.
    function hash(Leg memory leg, bytes32 chainHash, bytes32 escrowHash)
        internal
        pure
        returns (bytes32 hashed)
    {
        bytes32 typeHash = LEG_TYPEHASH;
        bytes32 from = accountHash(leg.from);
        bytes32 to = accountHash(leg.to);
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, typeHash)
            mstore(add(words, 0x20), mload(leg)) // index
            mstore(add(words, 0x40), chainHash)
            mstore(add(words, 0x60), escrowHash)
            mstore(add(words, 0x80), mload(add(leg, 0x20))) // fn_
            mstore(add(words, 0xa0), from)
            mstore(add(words, 0xc0), to)
            mstore(add(words, 0xe0), mload(add(leg, 0x80))) // amount
            hashed := keccak256(words, 0x100)
        }
    }

    /// @dev The hash of the account's 20 bytes, or of no bytes where there is no account.
    function accountHash(address account) internal pure returns (bytes32 hashed) {
        if (account == address(0)) return keccak256("");
        assembly ("memory-safe") {
            mstore(0, shl(96, account))
            hashed := keccak256(0, 20)
        }
    }

    /// @notice transfer, lock and burn take from an account; unlock and mint from the reserve.
    function isAccountSourced(Function fn_) internal pure returns (bool) {
        return fn_ < Function.Unlock || fn_ == Function.Burn;
    }

    /// @notice transfer, unlock and mint give to an account; lock and burn to none.
    function hasRecipient(Function fn_) internal pure returns (bool) {
        return fn_ != Function.Lock && fn_ != Function.Burn;
    }

    /// @notice Whether `from` and `to` are there exactly where the function has them.
    function hasRightAccounts(Leg memory leg) internal pure returns (bool) {
        return (leg.from != address(0)) == isAccountSourced(leg.fn_)
            && (leg.to != address(0)) == hasRecipient(leg.fn_);
    }
}
