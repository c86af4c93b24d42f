// SPDX-License-Identifier: MIT
// The packed bytes that the escrow reads, written the plain way.
pragma solidity 0.8.37;

import {Leg} from "../src/Legs.sol";
import {Terms} from "../src/Terms.sol";

/// @dev `signatures` joined; `absent`: the members that did not sign, ascending.
struct Certificate {
    uint64 attestorSet;
    bytes signatures;
    address[] absent;
}

/// @dev The legs of one execution, with the path of its Decision leaf up to the certified root.
struct Settlement {
    bytes32 executionId;
    bytes32[] path;
    Leg[] legs;
}

library Packing {
    function terms(uint64 deadline, Leg memory leg) internal pure returns (Terms) {
        return Terms.wrap(bytes26(abi.encodePacked(leg.index, leg.fn_, deadline, leg.amount)));
    }

    function pack(Certificate memory certificate) internal pure returns (bytes memory packed) {
        packed = abi.encodePacked(
            certificate.attestorSet,
            uint8(certificate.signatures.length / 65),
            uint8(certificate.absent.length),
            certificate.signatures
        );
        for (uint256 i; i < certificate.absent.length; ++i) {
            packed = abi.encodePacked(packed, certificate.absent[i]);
        }
    }

    function batch(Certificate memory certificate, Settlement[] memory settlements)
        internal
        pure
        returns (bytes memory packed)
    {
        packed = pack(certificate);
        for (uint256 i; i < settlements.length; ++i) {
            packed = bytes.concat(packed, pack(settlements[i]));
        }
    }

    function pack(Settlement memory settlement) internal pure returns (bytes memory packed) {
        packed = abi.encodePacked(
            settlement.executionId,
            uint8(settlement.path.length),
            uint8(settlement.legs.length),
            settlement.path
        );
        for (uint256 i; i < settlement.legs.length; ++i) {
            Leg memory leg = settlement.legs[i];
            packed = abi.encodePacked(packed, leg.index, leg.fn_, leg.amount, leg.from, leg.to);
        }
    }
}
