// SPDX-License-Identifier: MIT
// The vectors of what the home chain and attestors hash and no escrow does: all three languages read the whole file.
pragma solidity 0.8.37;

import {Statements} from "../src/Statements.sol";
import {AnyLeg, Evidence, Execution, Home} from "./Home.sol";
import {VectorFile} from "./VectorFile.sol";
import {vm} from "./Vm.sol";

contract VectorsOfHomeTest is VectorFile {
    /// Every leg, of any chain, and the execution's own id.
    function test_executions() public view {
        uint256 e;
        for (; has(item(".executions", e)); ++e) {
            string memory key = item(".executions", e);
            bytes32[] memory leaves = words(key, ".manifest.leaves");
            for (uint256 i; i < leaves.length; ++i) {
                string memory leg = item(string.concat(key, ".legs"), i);
                vm.assertEq(Home.hash(legAt(leg)), leaves[i], leg);
            }
            Execution memory execution = executionAt(string.concat(key, ".execution"));
            vm.assertEq(execution.manifestRoot, word(key, ".manifest.root"), "manifest root");
            vm.assertEq(Home.hash(execution), word(key, ".execution_id"), key);
        }
        vm.assertTrue(e > 0, "there are some");
    }

    function test_evidence() public view {
        bytes32[] memory hashes = words(".evidence", ".hashes");
        bytes32[] memory leaves = new bytes32[](hashes.length);
        for (uint256 i; i < hashes.length; ++i) {
            vm.assertEq(Home.hash(evidenceAt(item(".evidence.leaves", i))), hashes[i], "evidence");
            leaves[i] = Statements.leaf(hashes[i]);
        }
        vm.assertFalse(has(item(".evidence.leaves", hashes.length)), "a hash for each");
        vm.assertEq(rootOf(leaves), word(".evidence", ".root"), "root");
    }

    function test_prepared_and_settled() public view {
        uint256 found;
        for (uint256 i; has(item(".certificates", i)); ++i) {
            string memory key = item(".certificates", i);
            uint64 set = uint64(number(key, ".certificate.attestor_set"));
            if (has(string.concat(key, ".statement.prepared"))) {
                string memory s = string.concat(key, ".statement.prepared");
                bytes32 hash = Home.prepared(word(s, ".execution_id"), word(s, ".evidence_root"), set);
                vm.assertEq(hash, word(key, ".hash"), s);
                ++found;
            } else if (has(string.concat(key, ".statement.settled"))) {
                string memory s = string.concat(key, ".statement.settled");
                uint8 decision = decisionOf(s, ".decision");
                bytes32 hash =
                    Home.settled(word(s, ".execution_id"), decision, word(s, ".evidence_root"), set);
                vm.assertEq(hash, word(key, ".hash"), s);
                ++found;
            }
        }
        vm.assertTrue(found >= 4, "two of each at least");
    }

    function legAt(string memory key) private view returns (AnyLeg memory leg) {
        leg.index = uint8(number(key, ".index"));
        leg.chain = text(key, ".chain");
        leg.escrow = account(key, ".escrow");
        leg.fn_ = functionOf(key, ".function");
        leg.from = account(key, ".from");
        leg.to = account(key, ".to");
        leg.amount = uint128(number(key, ".amount"));
    }

    function executionAt(string memory key) private view returns (Execution memory execution) {
        execution.homeChain = text(key, ".home_chain");
        execution.coordinator = account(key, ".coordinator");
        execution.opener = account(key, ".opener");
        execution.salt = word(key, ".salt");
        execution.manifestRoot = word(key, ".manifest_root");
        execution.deadline = uint64(number(key, ".deadline"));
        execution.relayer = account(key, ".relayer");
    }

    function evidenceAt(string memory key) private view returns (Evidence memory evidence) {
        string[6] memory statuses = ["", "held", "finalized", "released", "absent", "escaped"];
        string memory status = text(key, ".status");
        while (!same(statuses[evidence.status], status)) ++evidence.status;
        evidence.legHash = word(key, ".leg_hash");
        evidence.chain = text(key, ".chain");
        evidence.height = uint64(number(key, ".height"));
        evidence.blockHash = word(key, ".block_hash");
        evidence.txId = word(key, ".tx_id");
        evidence.eventHash = word(key, ".event_hash");
        evidence.time = uint64(number(key, ".time"));
    }

    /// OpenZeppelin's tree the plain way: sorted leaves fill an array from its end, each parent hashes its two children.
    function rootOf(bytes32[] memory leaves) private pure returns (bytes32) {
        uint256 n = leaves.length;
        for (uint256 i = 1; i < n; ++i) {
            for (uint256 j = i; j > 0 && leaves[j - 1] > leaves[j]; --j) {
                (leaves[j - 1], leaves[j]) = (leaves[j], leaves[j - 1]);
            }
        }
        bytes32[] memory nodes = new bytes32[](2 * n - 1);
        for (uint256 i; i < n; ++i) {
            nodes[2 * n - 2 - i] = leaves[i];
        }
        for (uint256 i = n - 1; i > 0; --i) {
            (bytes32 a, bytes32 b) = (nodes[2 * i - 1], nodes[2 * i]);
            nodes[i - 1] = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
        }
        return nodes[0];
    }
}
