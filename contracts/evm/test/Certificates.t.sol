// SPDX-License-Identifier: MIT
// Certificates that must not pass, sets at their bounds, and a rotation while holds are pending.
pragma solidity 0.8.37;

import {AesEscrow} from "../src/AesEscrow.sol";
import {Attestor, AttestorSet, Certificate, Certificates} from "../src/Certificates.sol";
import {Status} from "../src/Holds.sol";
import {IAesEscrow, Settings} from "../src/IAesEscrow.sol";
import {Leg} from "../src/Legs.sol";
import {Base} from "./Base.sol";
import {vm} from "./Vm.sol";

contract CertificatesTest is Base {
    uint256[] private nextKeys;

    function setUp() public override {
        super.setUp();
        nextKeys = sortedKeys("next", 3);
        prepare(transferLeg(100 * ALZ));
    }

    // ---- what must not pass

    function test_refuses_a_set_it_does_not_know() public {
        Certificate memory certificate = decidedBy(9, id, COMMIT);
        vm.expectRevert(abi.encodeWithSelector(Certificates.UnknownAttestorSet.selector, 9));
        tryFinalize(certificate);
    }

    function test_refuses_signatures_under_another_sets_id() public {
        Certificate memory certificate = decidedBy(9, id, COMMIT);
        certificate.attestorSet = 1;
        vm.expectPartialRevert(Certificates.NotAnAttestor.selector);
        tryFinalize(certificate);
    }

    function test_refuses_another_deployment() public {
        Settings memory other = settings(address(token));
        other.homeChain = "cosmos:elsewhere-1";
        AesEscrow ours = escrow;
        escrow = new AesEscrow(other);
        Certificate memory theirs = decided(id, COMMIT);
        escrow = ours;
        vm.expectPartialRevert(Certificates.NotAnAttestor.selector);
        tryFinalize(theirs);
    }

    function test_a_leg_of_another_chain_is_another_leg() public {
        bytes32 here = escrow.legHash(transferLeg(1));
        vm.chainId(80002);
        AesEscrow there = new AesEscrow(settings(address(token)));
        vm.assertEq(there.chain(), "eip155:80002", "name");
        vm.assertTrue(there.legHash(transferLeg(1)) != here, "leg hash");
        vm.assertEq(there.domainSeparator(), escrow.domainSeparator(), "one domain for all chains");
    }

    function test_refuses_the_other_decision() public {
        Certificate memory certificate = decided(id, ABORT);
        vm.expectPartialRevert(Certificates.NotAnAttestor.selector);
        tryFinalize(certificate);
    }

    function test_refuses_too_few_and_too_many() public {
        bytes32 hash = commitHash(1);
        bytes memory a = sign(keys[0], hash);
        refuse("", Certificates.WrongSignatureCount.selector);
        refuse(a, Certificates.WrongSignatureCount.selector);
        refuse(
            bytes.concat(a, sign(keys[1], hash), sign(keys[2], hash)),
            Certificates.WrongSignatureCount.selector
        );
    }

    function test_refuses_a_wrong_order_and_one_twice() public {
        bytes32 hash = commitHash(1);
        bytes memory a = sign(keys[0], hash);
        refuse(bytes.concat(sign(keys[1], hash), a), Certificates.SignersNotAscending.selector);
        refuse(bytes.concat(a, a), Certificates.SignersNotAscending.selector);
    }

    function test_refuses_a_stranger() public {
        bytes32 hash = commitHash(1);
        uint256[] memory mixed = sortedKeys("stranger", 1);
        bytes memory strange = sign(mixed[0], hash);
        bytes memory known = sign(keys[0], hash);
        bool first = vm.addr(mixed[0]) < vm.addr(keys[0]);
        refuse(
            first ? bytes.concat(strange, known) : bytes.concat(known, strange),
            Certificates.NotAnAttestor.selector
        );
    }

    function testFuzz_one_changed_bit_is_refused(uint256 bit) public {
        bit = bit % (130 * 8);
        bytes memory signatures = decided(id, COMMIT).signatures;
        signatures[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        try this.tryFinalizeWith(signatures) {
            vm.assertTrue(false, "a changed certificate passed");
        } catch {}
        assertStatus(transferLeg(100 * ALZ), Status.Held, "held");
    }

    function test_any_two_of_three_are_enough() public {
        for (uint256 left; left < 3; ++left) {
            id = keccak256(abi.encode(left));
            prepare(transferLeg(1));
            bytes32 hash = commitHash(1);
            bytes memory signatures;
            for (uint256 i; i < 3; ++i) {
                if (i != left) signatures = bytes.concat(signatures, sign(keys[i], hash));
            }
            escrow.finalize(Certificate(1, signatures), one(transferLeg(1)));
            assertStatus(transferLeg(1), Status.Finalized, "finalized");
        }
    }

    // ---- sets

    function test_thirty_two_of_thirty_two() public {
        uint256[] memory all = sortedKeys("many", 32);
        rotate(setOf(2, 32, all));
        bytes32 hash = commitHash(2);
        bytes memory signatures;
        for (uint256 i; i < 32; ++i) {
            signatures = bytes.concat(signatures, sign(all[i], hash));
        }
        escrow.finalize(Certificate(2, signatures), one(transferLeg(100 * ALZ)));
        assertStatus(transferLeg(100 * ALZ), Status.Finalized, "finalized");
    }

    function test_one_of_one() public {
        uint256[] memory alone = sortedKeys("alone", 1);
        rotate(setOf(2, 1, alone));
        escrow.finalize(Certificate(2, sign(alone[0], commitHash(2))), one(transferLeg(100 * ALZ)));
        assertStatus(transferLeg(100 * ALZ), Status.Finalized, "finalized");
    }

    function test_refuses_malformed_sets() public {
        refuseSet(setOf(2, 1, new uint256[](0)), Certificates.WrongAttestorCount.selector);
        refuseSet(setOf(2, 1, sortedKeys("many", 33)), Certificates.WrongAttestorCount.selector);
        refuseSet(setOf(2, 0, nextKeys), Certificates.WrongThreshold.selector);
        refuseSet(setOf(2, 4, nextKeys), Certificates.WrongThreshold.selector);
        AttestorSet memory set = setOf(2, 2, nextKeys);
        set.attestors[1] = set.attestors[0];
        refuseSet(set, Certificates.AttestorsNotAscending.selector);
        set.attestors[0].signer = address(0);
        refuseSet(set, Certificates.AttestorsNotAscending.selector);
    }

    function test_a_set_can_be_read_back() public {
        AttestorSet memory set = setOf(2, 2, nextKeys);
        rotate(set);
        (uint8 threshold, uint64 expiresAt, Attestor[] memory attestors) = escrow.attestorSet(2);
        vm.assertEq(threshold, 2, "threshold");
        vm.assertEq(expiresAt, 0, "does not expire");
        vm.assertEq(keccak256(abi.encode(attestors)), keccak256(abi.encode(set.attestors)), "attestors");
        vm.assertEq(escrow.attestorSetHash(2), Certificates.hashSet(set), "hash");
        (threshold,, attestors) = escrow.attestorSet(3);
        vm.assertEq(threshold + attestors.length, 0, "none");
    }

    // ---- rotation

    function test_both_sets_settle_until_the_old_one_expires() public {
        rotate(setOf(2, 2, nextKeys));
        uint256 expiresAt = block.timestamp + HORIZON + SET_GRACE;
        vm.warp(expiresAt);
        finalize(transferLeg(100 * ALZ));
        assertStatus(transferLeg(100 * ALZ), Status.Finalized, "by the old set");

        vm.warp(expiresAt + 1);
        Certificate memory old = decided(id, COMMIT);
        vm.expectRevert(abi.encodeWithSelector(Certificates.AttestorSetExpired.selector, 1, expiresAt));
        tryFinalize(old);

        keys = nextKeys;
        escrow.finalize(decidedBy(2, id, COMMIT), one(transferLeg(100 * ALZ)));
    }

    function test_a_rotation_again_changes_nothing_and_says_so() public {
        AttestorSet memory set = setOf(2, 2, nextKeys);
        rotate(set);
        (, uint64 before,) = escrow.attestorSet(1);
        vm.warp(block.timestamp + 10);
        vm.expectEmit(address(escrow));
        emit IAesEscrow.SetRotationRepeated(2, Certificates.hashSet(set));
        rotate(set);
        (, uint64 after_,) = escrow.attestorSet(1);
        vm.assertEq(before, after_, "expiry");
    }

    function test_refuses_a_rotation_that_skips_or_replaces() public {
        refuseRotation(setOf(3, 2, nextKeys), 1, IAesEscrow.NotTheNextSet.selector);
        refuseRotation(setOf(1, 2, nextKeys), 1, IAesEscrow.NotTheNextSet.selector);
        rotate(setOf(2, 2, nextKeys));
        refuseRotation(setOf(2, 1, nextKeys), 1, IAesEscrow.NotTheNextSet.selector);
    }

    function test_only_the_current_set_rotates() public {
        rotate(setOf(2, 2, nextKeys));
        refuseRotation(setOf(3, 2, keys), 1, IAesEscrow.NotTheCurrentSet.selector);
        refuseRotation(setOf(3, 2, keys), 2, Certificates.NotAnAttestor.selector);
    }

    // ---- helpers

    function tryFinalize(Certificate memory certificate) private {
        escrow.finalize(certificate, one(transferLeg(100 * ALZ)));
    }

    function tryFinalizeWith(bytes memory signatures) external {
        tryFinalize(Certificate(1, signatures));
    }

    function refuse(bytes memory signatures, bytes4 why) private {
        vm.expectPartialRevert(why);
        tryFinalize(Certificate(1, signatures));
    }

    function commitHash(uint64 set) private view returns (bytes32) {
        return Certificates.decided(Certificates.leaf(Certificates.decision(id, COMMIT)), set);
    }

    function rotation(AttestorSet memory set, uint64 by) private view returns (Certificate memory) {
        return certify(by, Certificates.rotated(set.id, Certificates.hashSet(set), by));
    }

    function rotate(AttestorSet memory set) private {
        escrow.rotate(set, rotation(set, 1));
    }

    function refuseSet(AttestorSet memory set, bytes4 why) private {
        refuseRotation(set, 1, why);
    }

    function refuseRotation(AttestorSet memory set, uint64 by, bytes4 why) private {
        Certificate memory certificate = rotation(set, by);
        vm.expectPartialRevert(why);
        escrow.rotate(set, certificate);
    }
}
