// SPDX-License-Identifier: MIT
// Where this escrow stands, hashed once, at deployment: what every leg hash of it has in common.
pragma solidity 0.8.37;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

import {IAesEscrow} from "./IAesEscrow.sol";
import {Leg, Legs} from "./Legs.sol";

abstract contract Place is IAesEscrow {
    uint256 private immutable CHAIN_ID = block.chainid;
    bytes32 internal immutable CHAIN_HASH = keccak256(bytes(chainName(block.chainid)));
    bytes32 internal immutable ESCROW_HASH = keccak256(abi.encodePacked(address(this)));

    /// @inheritdoc IAesEscrow
    function chain() external view returns (string memory) {
        return chainName(CHAIN_ID);
    }

    /// @inheritdoc IAesEscrow
    function legHash(Leg calldata leg) external view returns (bytes32) {
        return hashOf(leg);
    }

    function hashOf(Leg calldata leg) internal view returns (bytes32) {
        return hashOf(leg.index, uint256(leg.fn_), leg.from, leg.to, leg.amount);
    }

    function hashOf(uint256 index, uint256 fn, address from, address to, uint256 amount)
        internal
        view
        returns (bytes32)
    {
        return Legs.hash(index, fn, from, to, amount, CHAIN_HASH, ESCROW_HASH);
    }

    function chainName(uint256 id) private pure returns (string memory) {
        return string.concat("eip155:", Strings.toString(id));
    }
}
