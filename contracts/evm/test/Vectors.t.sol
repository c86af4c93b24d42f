// SPDX-License-Identifier: MIT
// The protocol's vectors (tests/vectors, written by the Rust crate): the same bytes here, and the same refusals.
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {Caip2} from "../src/Caip2.sol";
import {Attestor, AttestorSet, Certificates, StoredSet} from "../src/Certificates.sol";
import {Legs} from "../src/Legs.sol";
import {Statements} from "../src/Statements.sol";
import {VectorFile} from "./VectorFile.sol";
import {vm} from "./Vm.sol";

contract VectorsTest is VectorFile {
    bytes32 private domain;

    function setUp() public override {
        super.setUp();
        domain = vm.parseJsonBytes32(json, ".domain.separator");
    }

    function test_domain() public view {
        bytes32 salt = Statements.domainSalt(
            vm.parseJsonString(json, ".domain.domain.home_chain"),
            vm.parseJsonBytes(json, ".domain.domain.coordinator")
        );
        vm.assertEq(salt, vm.parseJsonBytes32(json, ".domain.salt"), "salt");
        vm.assertEq(Statements.domainSeparator(salt), domain, "separator");
    }

    function test_chain_names() public view {
        string[] memory accepted = vm.parseJsonStringArray(json, ".chains.accepted");
        for (uint256 i; i < accepted.length; ++i) {
            vm.assertTrue(Caip2.isValid(accepted[i]), accepted[i]);
        }
        string[] memory refused = vm.parseJsonStringArray(json, ".chains.refused");
        for (uint256 i; i < refused.length; ++i) {
            vm.assertFalse(Caip2.isValid(refused[i]), refused[i]);
        }
        vm.assertTrue(accepted.length > 0 && refused.length > 0, "there are some");
    }

    /// Every leg is a leaf of its manifest; those that an EVM chain can have hash here to the same.
    function test_legs_and_manifests() public view {
        uint256 evmLegs;
        for (uint256 e; has(item(".executions", e)); ++e) {
            string memory execution = item(".executions", e);
            string memory tree = string.concat(execution, ".manifest");
            checkTree(tree);
            bytes32[] memory leaves = vm.parseJsonBytes32Array(json, string.concat(tree, ".leaves"));
            for (uint256 i; i < leaves.length; ++i) {
                string memory key = item(string.concat(execution, ".legs"), i);
                (bool ours, bytes32 hash) = this.hashLeg(key);
                if (!ours) continue;
                vm.assertEq(hash, leaves[i], key);
                ++evmLegs;
            }
        }
        vm.assertTrue(evmLegs >= 16, "sixteen of them at least");
    }

    function test_decisions() public view {
        uint256 e;
        for (; has(item(".decisions", e)); ++e) {
            string memory tree = string.concat(item(".decisions", e), ".tree");
            checkTree(tree);
            bytes32[] memory leaves = vm.parseJsonBytes32Array(json, string.concat(tree, ".leaves"));
            for (uint256 i; i < leaves.length; ++i) {
                string memory key = item(string.concat(item(".decisions", e), ".decisions"), i);
                bytes32 executionId = vm.parseJsonBytes32(json, string.concat(key, ".execution_id"));
                vm.assertEq(Statements.decision(executionId, decisionOf(key, ".decision")), leaves[i], key);
            }
        }
        vm.assertTrue(e > 0, "there are some");
    }

    function test_sets() public view {
        uint256 i;
        for (; has(item(".sets", i)); ++i) {
            AttestorSet memory set = setAt(string.concat(item(".sets", i), ".set"));
            vm.assertEq(
                Statements.hashSet(set),
                vm.parseJsonBytes32(json, string.concat(item(".sets", i), ".hash")),
                "set"
            );
        }
        vm.assertTrue(i > 0, "there are some");
    }

    function test_certificates() public {
        uint256 refused;
        uint256 i;
        for (; has(item(".certificates", i)); ++i) {
            string memory key = item(".certificates", i);
            bytes32 hash = vm.parseJsonBytes32(json, string.concat(key, ".hash"));
            uint64 set = uint64(vm.parseJsonUint(json, string.concat(key, ".certificate.attestor_set")));
            checkStatement(string.concat(key, ".statement"), set, hash);
            vm.assertEq(
                MessageHashUtils.toTypedDataHash(domain, hash),
                vm.parseJsonBytes32(json, string.concat(key, ".digest")),
                "digest"
            );

            AttestorSet memory members = setAt(string.concat(key, ".set"));
            StoredSet memory stored = Certificates.store(members);
            bytes[] memory signatures =
                vm.parseJsonBytesArray(json, string.concat(key, ".certificate.signatures"));
            bytes memory certificate =
                pack(set, signatures, members, MessageHashUtils.toTypedDataHash(domain, hash));
            bool valid;
            try this.verify(stored, certificate, hash) {
                valid = true;
            } catch {
                ++refused;
            }
            vm.assertTrue(
                valid == vm.parseJsonBool(json, string.concat(key, ".valid")),
                vm.parseJsonString(json, string.concat(key, ".name"))
            );
        }
        vm.assertTrue(refused > 0 && refused < i, "some pass and some do not");
    }

    function verify(StoredSet memory stored, bytes calldata certificate, bytes32 structHash) external view {
        uint256 offset = Certificates.begin(certificate);
        bytes32 digest = MessageHashUtils.toTypedDataHash(domain, structHash);
        if (!Certificates.isValid(stored.seal, offset, digest)) Certificates.refuse(stored, offset, digest);
    }

    /// As a relayer packs it: behind the signatures, whichever members they do not recover to.
    function pack(uint64 set, bytes[] memory signatures, AttestorSet memory members, bytes32 digest)
        private
        pure
        returns (bytes memory packed)
    {
        bytes memory absent;
        for (uint256 i; i < members.attestors.length; ++i) {
            address member = members.attestors[i].signer;
            bool signed;
            for (uint256 j; j < signatures.length; ++j) {
                signed = signed || signerOf(digest, signatures[j]) == member;
            }
            if (!signed) absent = abi.encodePacked(absent, member);
        }
        packed = abi.encodePacked(set, uint8(signatures.length), uint8(absent.length / 20));
        for (uint256 j; j < signatures.length; ++j) {
            packed = bytes.concat(packed, signatures[j]);
        }
        packed = bytes.concat(packed, absent);
    }

    function signerOf(bytes32 digest, bytes memory signature) private pure returns (address) {
        if (signature.length != 65) return address(0);
        bytes32 r;
        bytes32 s;
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
        }
        return ecrecover(digest, uint8(signature[64]), r, s);
    }

    /// The statements an escrow reads; VectorsOfHome.t.sol has the coordinator's own two.
    function checkStatement(string memory key, uint64 set, bytes32 hash) private view {
        if (has(string.concat(key, ".opened"))) {
            bytes32 executionId = vm.parseJsonBytes32(json, string.concat(key, ".opened.execution_id"));
            bytes32 root = vm.parseJsonBytes32(json, string.concat(key, ".opened.manifest_root"));
            uint64 deadline = uint64(vm.parseJsonUint(json, string.concat(key, ".opened.deadline")));
            vm.assertEq(Statements.opened(executionId, root, deadline, set), hash, "opened");
        } else if (has(string.concat(key, ".decided"))) {
            bytes32 root = vm.parseJsonBytes32(json, string.concat(key, ".decided.decisions_root"));
            vm.assertEq(Statements.decided(root, set), hash, "decided");
        } else if (has(string.concat(key, ".rotated"))) {
            uint64 next = uint64(vm.parseJsonUint(json, string.concat(key, ".rotated.new_set")));
            bytes32 nextHash = vm.parseJsonBytes32(json, string.concat(key, ".rotated.new_set_hash"));
            vm.assertEq(Statements.rotated(next, nextHash, set), hash, "rotated");
        }
    }

    function checkTree(string memory key) private view {
        bytes32 root = vm.parseJsonBytes32(json, string.concat(key, ".root"));
        bytes32[] memory leaves = vm.parseJsonBytes32Array(json, string.concat(key, ".leaves"));
        for (uint256 i; i < leaves.length; ++i) {
            bytes32[] memory path = vm.parseJsonBytes32Array(json, item(string.concat(key, ".paths"), i));
            vm.assertTrue(MerkleProof.verify(path, root, Statements.leaf(leaves[i])), key);
        }
        vm.assertTrue(leaves.length > 0, "there are some");
    }

    function hashLeg(string calldata key) external view returns (bool ours, bytes32 hash) {
        bytes memory escrow = account(key, ".escrow");
        (bytes memory from, bytes memory to) = (account(key, ".from"), account(key, ".to"));
        ours = escrow.length == 20 && (from.length == 0 || from.length == 20)
            && (to.length == 0 || to.length == 20);
        if (!ours) return (false, 0);
        hash = Legs.hash(
            number(key, ".index"),
            functionOf(key, ".function"),
            address(bytes20(from)),
            address(bytes20(to)),
            number(key, ".amount"),
            keccak256(bytes(text(key, ".chain"))),
            keccak256(escrow)
        );
    }

    function setAt(string memory key) private view returns (AttestorSet memory set) {
        set.id = uint64(vm.parseJsonUint(json, string.concat(key, ".id")));
        set.threshold = uint8(vm.parseJsonUint(json, string.concat(key, ".threshold")));
        string memory list = string.concat(key, ".attestors");
        uint256 count;
        while (has(item(list, count))) ++count;
        set.attestors = new Attestor[](count);
        for (uint256 i; i < count; ++i) {
            set.attestors[i] = Attestor(
                vm.parseJsonAddress(json, string.concat(item(list, i), ".signer")),
                vm.parseJsonBytes32(json, string.concat(item(list, i), ".bitcoin_key"))
            );
        }
    }
}
