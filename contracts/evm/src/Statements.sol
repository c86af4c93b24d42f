// SPDX-License-Identifier: MIT
// What attestors and depositors sign on an EVM chain, as EIP-712 hashes (protocol, sections 5 and 6).
pragma solidity 0.8.37;

import {Attestor, AttestorSet} from "./Certificates.sol";

library Statements {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,bytes32 salt)");
    bytes32 private constant ATTESTOR_TYPEHASH = keccak256("Attestor(address signer,bytes32 bitcoinKey)");
    bytes32 private constant SET_TYPEHASH = keccak256(
        "AttestorSet(uint64 id,uint8 threshold,Attestor[] attestors)Attestor(address signer,bytes32 bitcoinKey)"
    );
    bytes32 private constant OPENED_TYPEHASH =
        keccak256("Opened(bytes32 executionId,bytes32 manifestRoot,uint64 deadline,uint64 attestorSet)");
    bytes32 private constant DECIDED_TYPEHASH =
        keccak256("Decided(bytes32 decisionsRoot,uint64 attestorSet)");
    bytes32 private constant ROTATED_TYPEHASH =
        keccak256("Rotated(uint64 newSet,bytes32 newSetHash,uint64 attestorSet)");
    bytes32 private constant DECISION_TYPEHASH = keccak256("Decision(bytes32 executionId,uint8 decision)");
    bytes32 private constant DEPOSIT_TYPEHASH =
        keccak256("Deposit(bytes32 executionId,bytes32 legHash,uint64 deadline)");

    /// @notice Binds every signature to one deployment, the same on all its chains.
    function domainSalt(string memory homeChain, bytes memory coordinator) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(homeChain, bytes1(0), coordinator));
    }

    function domainSeparator(bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256("AES"), keccak256("1"), salt));
    }

    function opened(bytes32 executionId, bytes32 manifestRoot, uint64 deadline, uint64 set)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(OPENED_TYPEHASH, executionId, manifestRoot, deadline, set));
    }

    function decided(bytes32 decisionsRoot, uint64 set) internal pure returns (bytes32) {
        return hashWords(DECIDED_TYPEHASH, decisionsRoot, set);
    }

    function rotated(uint64 newSet, bytes32 newSetHash, uint64 set) internal pure returns (bytes32) {
        return keccak256(abi.encode(ROTATED_TYPEHASH, newSet, newSetHash, set));
    }

    function deposit(bytes32 executionId, bytes32 legHash, uint64 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(DEPOSIT_TYPEHASH, executionId, legHash, deadline));
    }

    function decision(bytes32 executionId, uint8 which) internal pure returns (bytes32) {
        return hashWords(DECISION_TYPEHASH, executionId, which);
    }

    /// @notice A tree's leaf: the struct hash hashed once more, so that no inner node can pass for a leaf.
    function leaf(bytes32 structHash) internal pure returns (bytes32 hashed) {
        assembly ("memory-safe") {
            mstore(0, structHash)
            hashed := keccak256(0, 0x20)
        }
    }

    function hashSet(AttestorSet memory set) internal pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](set.attestors.length);
        for (uint256 i; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(ATTESTOR_TYPEHASH, set.attestors[i]));
        }
        return keccak256(abi.encode(SET_TYPEHASH, set.id, set.threshold, keccak256(abi.encodePacked(hashes))));
    }

    /// @dev keccak256(abi.encode(a, b, c)) in free memory that is not kept: settlements hash two of these each.
    function hashWords(bytes32 a, bytes32 b, uint256 c) private pure returns (bytes32 hashed) {
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, a)
            mstore(add(words, 0x20), b)
            mstore(add(words, 0x40), c)
            hashed := keccak256(words, 0x60)
        }
    }
}
