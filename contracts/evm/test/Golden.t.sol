// SPDX-License-Identifier: MIT
// Golden bytes: every message, event and query of the escrow and the token, as a wallet or an indexer sees them.
// `UPDATE_GOLDEN=1 npm test` writes test/golden.txt anew; tests/ts/golden.test.mjs reads it by the ABI in schema/evm.
pragma solidity 0.8.37;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {IERC7802} from "@openzeppelin/contracts/interfaces/draft-IERC7802.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {AlzToken} from "../src/AlzToken.sol";
import {AttestorSet} from "../src/Certificates.sol";
import {IAesEscrow, PermitData} from "../src/IAesEscrow.sol";
import {Leg} from "../src/Legs.sol";
import {Limits} from "../src/Reserve.sol";
import {Statements} from "../src/Statements.sol";
import {Base} from "./Base.sol";
import {Packing} from "./Packing.sol";
import {RefusingToken} from "./RefusingToken.sol";
import {Vm, vm} from "./Vm.sol";

contract GoldenTest is Base {
    string private constant FILE = "test/golden.txt";
    string private found;
    address private target;

    function setUp() public override {
        vm.recordLogs();
        super.setUp();
    }

    function test_golden() public {
        target = address(escrow);
        events();
        messages();
        if (vm.envOr("UPDATE_GOLDEN", false)) vm.writeFile(FILE, found);
        vm.assertEq(vm.readFile(FILE), found, "other bytes; where they are meant, UPDATE_GOLDEN=1 npm test");
    }

    function messages() private {
        fromTheVault();
        toItsDepositor();
        administration();
        ofTheToken();
        refused();
    }

    function fromTheVault() private {
        send(depositor, abi.encodeCall(IAesEscrow.fundVault, (900 * ALZ)));
        Leg memory leg = lockLeg(7 * ALZ);
        bytes memory prepared = abi.encodeCall(IAesEscrow.prepare, (Packing.terms(deadline, leg), leg.to, id));
        send(depositor, prepared);
        send(depositor, prepared);
        send(recipient, abi.encodeCall(IAesEscrow.finalizeBatch, (batchOf(COMMIT, leg))));

        id = keccak256("from the reserve");
        leg = mintLeg(3 * ALZ);
        bytes32 root = Statements.leaf(escrow.legHash(leg));
        bytes memory certificate = Packing.pack(opened(id, root, deadline));
        bytes32[] memory none = new bytes32[](0);
        send(
            recipient, abi.encodeCall(IAesEscrow.prepareReserve, (id, deadline, leg, root, none, certificate))
        );
        send(recipient, abi.encodeCall(IAesEscrow.releaseBatch, (batchOf(ABORT, leg))));
        // never held: a tombstone
        send(recipient, abi.encodeCall(IAesEscrow.releaseBatch, (batchOf(ABORT, transferLeg(1)))));
    }

    function toItsDepositor() private {
        id = keccak256("escaped with");
        Leg memory leg = transferLeg(5 * ALZ);
        PermitData memory permit_ = permit(address(escrow), 5 * ALZ);
        send(
            recipient, abi.encodeCall(IAesEscrow.prepareFor, (id, deadline, leg, authorization(leg), permit_))
        );
        vm.warp(uint256(deadline) + ESCAPE_DELAY);
        send(depositor, abi.encodeCall(IAesEscrow.escape, (id, leg)));
        query(abi.encodeCall(IAesEscrow.holdOf, (id, escrow.legHash(leg))));
        query(abi.encodeCall(IAesEscrow.legHash, (leg)));
    }

    function administration() private {
        AttestorSet memory next = setOf(2, 2, sortedKeys("next", 3));
        bytes memory rotated = Packing.pack(certify(1, Statements.rotated(2, Statements.hashSet(next), 1)));
        send(recipient, abi.encodeCall(IAesEscrow.rotate, (next, rotated)));
        send(recipient, abi.encodeCall(IAesEscrow.rotate, (next, rotated)));
        send(admin, abi.encodeCall(IAesEscrow.pause, ()));
        send(admin, abi.encodeCall(IAesEscrow.unpause, ()));
        send(admin, abi.encodeCall(IAesEscrow.scheduleLimits, (Limits(7, 8, 9))));
        query(abi.encodeCall(IAesEscrow.pendingLimits, ()));
        vm.warp(block.timestamp + LIMITS_DELAY);
        send(recipient, abi.encodeCall(IAesEscrow.applyLimits, ()));
        query(abi.encodeCall(IAesEscrow.attestorSet, (1)));
        query(abi.encodeCall(IAesEscrow.attestorSetHash, (2)));
        ownership();
        bytes4[20] memory plain = [
            IAesEscrow.vault.selector,
            IAesEscrow.held.selector,
            IAesEscrow.issued.selector,
            IAesEscrow.limits.selector,
            IAesEscrow.reserveAvailable.selector,
            IAesEscrow.paused.selector,
            IAesEscrow.currentSet.selector,
            IAesEscrow.chain.selector,
            IAesEscrow.homeChain.selector,
            IAesEscrow.coordinator.selector,
            IAesEscrow.token.selector,
            IAesEscrow.domainSeparator.selector,
            IAesEscrow.domainSalt.selector,
            IAesEscrow.maxHorizon.selector,
            IAesEscrow.escapeDelay.selector,
            IAesEscrow.limitsDelay.selector,
            IAesEscrow.setGrace.selector,
            IAesEscrow.version.selector,
            escrow.MAX_BATCH.selector,
            escrow.TOKEN_CALL_GAS.selector
        ];
        for (uint256 i; i < plain.length; ++i) {
            query(abi.encodePacked(plain[i]));
        }
    }

    function ofTheToken() private {
        target = address(token);
        send(depositor, abi.encodeCall(IERC20.transfer, (recipient, 2)));
        send(recipient, abi.encodeCall(IERC20.approve, (admin, 2)));
        send(admin, abi.encodeCall(IERC20.transferFrom, (recipient, depositor, 1)));
        PermitData memory p = permit(recipient, 4);
        p.deadline = deadline;
        vm.warp(deadline);
        send(
            recipient,
            abi.encodeCall(IERC20Permit.permit, (depositor, recipient, 4, p.deadline, p.v, p.r, p.s))
        );
        send(admin, abi.encodeCall(AlzToken.setBridge, (admin)));
        send(admin, abi.encodeCall(IERC7802.crosschainMint, (admin, 6)));
        send(admin, abi.encodeCall(IERC7802.crosschainBurn, (admin, 6)));
        query(abi.encodeCall(IERC20.allowance, (depositor, recipient)));
        query(abi.encodeCall(IERC20.balanceOf, (recipient)));
        query(abi.encodeCall(IERC20Permit.nonces, (depositor)));
        query(abi.encodeCall(IERC165.supportsInterface, (type(IERC7802).interfaceId)));
        ownership();
        bytes4[7] memory plain = [
            IERC20.totalSupply.selector,
            IERC20Metadata.name.selector,
            IERC20Metadata.symbol.selector,
            IERC20Metadata.decimals.selector,
            IERC20Permit.DOMAIN_SEPARATOR.selector,
            IERC5267.eip712Domain.selector,
            token.bridge.selector
        ];
        for (uint256 i; i < plain.length; ++i) {
            query(abi.encodePacked(plain[i]));
        }
    }

    /// Handed over and given up, which both contracts do alike.
    function ownership() private {
        send(admin, abi.encodeCall(Ownable2Step.transferOwnership, (recipient)));
        query(abi.encodeCall(Ownable2Step.pendingOwner, ()));
        send(recipient, abi.encodeCall(Ownable2Step.acceptOwnership, ()));
        query(abi.encodeCall(Ownable.owner, ()));
        send(recipient, abi.encodeCall(Ownable.renounceOwnership, ()));
    }

    /// A settlement that the token refuses.
    function refused() private {
        RefusingToken refusing = new RefusingToken(depositor, 10 * ALZ);
        useToken(refusing);
        target = address(escrow);
        id = keccak256("refused");
        deadline = uint64(block.timestamp) + 1 hours;
        Leg memory leg = transferLeg(1 * ALZ);
        send(depositor, abi.encodeCall(IAesEscrow.prepare, (Packing.terms(deadline, leg), leg.to, id)));
        refusing.refuse(recipient, RefusingToken.Way.Revert);
        send(recipient, abi.encodeCall(IAesEscrow.finalizeBatch, (batchOf(COMMIT, leg))));
    }

    function batchOf(uint8 decision, Leg memory leg) private view returns (bytes memory) {
        return Packing.batch(decided(id, decision), one(leg));
    }

    // ---- lines

    function send(address sender, bytes memory data) private {
        line("message", vm.toString(data));
        vm.prank(sender);
        (bool ok, bytes memory answer) = target.call(data);
        vm.assertTrue(ok, string.concat(vm.toString(data), " failed: ", vm.toString(answer)));
        events();
    }

    function query(bytes memory data) private {
        (bool ok, bytes memory answer) = target.staticcall(data);
        vm.assertTrue(ok, vm.toString(data));
        line("query", string.concat(vm.toString(data), " ", vm.toString(answer)));
    }

    function events() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            string memory topics = vm.toString(logs[i].topics[0]);
            for (uint256 t = 1; t < logs[i].topics.length; ++t) {
                topics = string.concat(topics, ",", vm.toString(logs[i].topics[t]));
            }
            found = string.concat(found, "event ", vm.toString(logs[i].emitter), " ");
            found = string.concat(found, topics, " ", vm.toString(logs[i].data), "\n");
        }
    }

    function line(string memory what, string memory rest) private {
        found = string.concat(found, what, " ", vm.toString(target), " ", rest, "\n");
    }
}
