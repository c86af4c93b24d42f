// SPDX-License-Identifier: MIT
// The protocol's vectors (tests/vectors/protocol.json, written by the Rust crate), and how its parts are read.
pragma solidity 0.8.37;

import {vm} from "./Vm.sol";

abstract contract VectorFile {
    string internal json;

    function setUp() public virtual {
        json = vm.readFile("../../tests/vectors/protocol.json");
    }

    function has(string memory key) internal view returns (bool) {
        return vm.keyExistsJson(json, key);
    }

    function item(string memory key, uint256 i) internal pure returns (string memory) {
        return string.concat(key, "[", vm.toString(i), "]");
    }

    function word(string memory key, string memory name) internal view returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(key, name));
    }

    function words(string memory key, string memory name) internal view returns (bytes32[] memory) {
        return vm.parseJsonBytes32Array(json, string.concat(key, name));
    }

    function number(string memory key, string memory name) internal view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(key, name));
    }

    function text(string memory key, string memory name) internal view returns (string memory) {
        return vm.parseJsonString(json, string.concat(key, name));
    }

    /// An empty account reads as "0x", which the cheatcode takes for text.
    function account(string memory key, string memory name) internal view returns (bytes memory) {
        return same(text(key, name), "0x") ? bytes("") : vm.parseJsonBytes(json, string.concat(key, name));
    }

    function functionOf(string memory key, string memory name) internal view returns (uint8) {
        string[5] memory names = ["transfer", "lock", "unlock", "mint", "burn"];
        string memory given = text(key, name);
        for (uint8 i; i < 5; ++i) {
            if (same(given, names[i])) return i;
        }
        revert(string.concat("unknown function ", given));
    }

    function decisionOf(string memory key, string memory name) internal view returns (uint8) {
        return same(text(key, name), "commit") ? 1 : 2;
    }

    function same(string memory a, string memory b) internal pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }
}
