// SPDX-License-Identifier: MIT
// What a prepare says of its leg beside the accounts, in one word: the way to say it in calldata and in the event that
// costs least.
pragma solidity 0.8.37;

import {Leg} from "./Legs.sol";

/// @dev Packed as abi.encodePacked does: index (1 byte), function (1), deadline (8, Unix seconds), amount (16).
type Terms is bytes26;

using TermsOf for Terms global;

library TermsOf {
    function from(Leg calldata leg, uint64 until) internal pure returns (Terms) {
        return Terms.wrap(bytes26(abi.encodePacked(leg.index, leg.fn_, until, leg.amount)));
    }

    function index(Terms terms) internal pure returns (uint8) {
        return uint8(Terms.unwrap(terms)[0]);
    }

    function fn(Terms terms) internal pure returns (uint8) {
        return uint8(Terms.unwrap(terms)[1]);
    }

    function deadline(Terms terms) internal pure returns (uint64 read) {
        assembly ("memory-safe") {
            read := shr(192, shl(16, terms))
        }
    }

    function amount(Terms terms) internal pure returns (uint128 read) {
        assembly ("memory-safe") {
            read := shr(128, shl(80, terms))
        }
    }
}
