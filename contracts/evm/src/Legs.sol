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

    /// @dev What all legs of one escrow share comes in hashed: `chainHash` of the CAIP-2 name, `escrowHash` of the address.
    function hash(Leg memory leg, bytes32 chainHash, bytes32 escrowHash) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                LEG_TYPEHASH,
                leg.index,
                chainHash,
                escrowHash,
                leg.fn_,
                accountHash(leg.from),
                accountHash(leg.to),
                leg.amount
            )
        );
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
