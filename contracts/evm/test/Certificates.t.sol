// SPDX-License-Identifier: MIT
// Certificates that must not pass, sets at their bounds, and a rotation while holds are pending.
pragma solidity 0.8.37;

import {AesEscrow} from "../src/AesEscrow.sol";
import {Attestor, AttestorSet, Certificates, StoredSet} from "../src/Certificates.sol";
import {Status} from "../src/Holds.sol";
import {IAesEscrow, Settings} from "../src/IAesEscrow.sol";
import {Leg} from "../src/Legs.sol";
import {Statements} from "../src/Statements.sol";
import {Base} from "./Base.sol";
import {Certificate, Packing} from "./Packing.sol";
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
        refuse("", 0, Certificates.WrongSignatureCount.selector);
        refuse(a, 1, Certificates.WrongSignatureCount.selector);
        refuse(
            bytes.concat(a, sign(keys[1], hash), sign(keys[2], hash)),
            3,
            Certificates.WrongSignatureCount.selector
        );
    }

    function test_refuses_a_wrong_order_and_one_twice() public {
        bytes32 hash = commitHash(1);
        bytes memory a = sign(keys[0], hash);
        refuse(bytes.concat(sign(keys[1], hash), a), 2, Certificates.SignersNotAscending.selector);
        refuse(bytes.concat(a, a), 2, Certificates.SignersNotAscending.selector);
    }

    function test_refuses_a_stranger() public {
        bytes32 hash = commitHash(1);
        uint256[] memory mixed = sortedKeys("stranger", 1);
        bytes memory strange = sign(mixed[0], hash);
        bytes memory known = sign(keys[0], hash);
        bool first = vm.addr(mixed[0]) < vm.addr(keys[0]);
        refuse(
            first ? bytes.concat(strange, known) : bytes.concat(known, strange),
            2,
            Certificates.NotAnAttestor.selector
        );
    }

    function test_refuses_a_malformed_signature() public {
        bytes memory good = sign(keys[0], commitHash(1));
        bytes32 r;
        bytes32 s;
        assembly ("memory-safe") {
            r := mload(add(good, 0x20))
            s := mload(add(good, 0x40))
        }
        uint8 v = uint8(good[64]);
        // The same signature over again, as anyone can compute it: n - s, and the other v.
        bytes32 high =
            bytes32(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141 - uint256(s));
        refuseFirst(abi.encodePacked(r, high, uint8(55 - v)));
        refuseFirst(abi.encodePacked(r, s, uint8(v - 27)));
        refuseFirst(abi.encodePacked(r, s, uint8(29)));
        refuseFirst(abi.encodePacked(bytes32(0), s, v));
        refuseFirst(abi.encodePacked(r, bytes32(0), v));
    }

    function test_refuses_wrong_absentees() public {
        Certificate memory certificate = decided(id, COMMIT);
        certificate.absent = new address[](0);
        refuseAbsentees(certificate);
        certificate.absent = new address[](1);
        refuseAbsentees(certificate);
        certificate.absent[0] = vm.addr(keys[1]);
        refuseAbsentees(certificate);
        certificate.absent = new address[](2);
        (certificate.absent[0], certificate.absent[1]) = (vm.addr(keys[2]), vm.addr(keys[2]));
        refuseAbsentees(certificate);
    }

    function test_refuses_a_certificate_of_another_length() public {
        AttestorSet memory set = setOf(2, 2, nextKeys);
        bytes memory certificate = Packing.pack(rotation(set, 1));
        refuseLength(set, bytes.concat(certificate, hex"00"), 160);
        refuseLength(set, new bytes(0), 10);
        assembly ("memory-safe") {
            mstore(certificate, 159)
        }
        refuseLength(set, certificate, 160);
    }

    /// Whatever bit of a batch is changed, nothing is paid.
    function testFuzz_one_changed_bit_is_refused(uint256 bit) public {
        bytes memory batch = Packing.batch(decided(id, COMMIT), one(transferLeg(100 * ALZ)));
        bit = bit % (batch.length * 8);
        batch[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        try escrow.finalizeBatch(batch) {
            vm.assertTrue(false, "a changed batch passed");
        } catch {}
        assertStatus(transferLeg(100 * ALZ), Status.Held, "held");
    }

    /// The fast verdict against the plain words: members ascending, each once, exactly the threshold of them, and
    /// exactly the others absent.
    function testFuzz_a_certificate_passes_as_the_page_says(
        uint256 size,
        uint256 threshold,
        uint256[] memory signers,
        uint256 absent
    ) public {
        size = 1 + size % 6;
        uint256[] memory members = sortedKeys("fuzz", size);
        StoredSet memory set = Certificates.store(setOf(1, uint8(1 + threshold % size), members));
        bytes32 digest = keccak256("statement");
        // Mostly as it should be, sometimes anything.
        uint256 count = signers.length % 3 == 0 ? signers.length % 8 : set.threshold;
        Certificate memory certificate = Certificate(1, "", new address[](0));
        bool good = count == set.threshold;
        uint256 signed;
        for (uint256 i; i < count; ++i) {
            uint256 which = i < signers.length && signers[i] % 4 == 0 ? signers[i] / 4 % size : i % size;
            good = good && signed < 1 << which;
            signed |= 1 << which;
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(members[which], digest);
            certificate.signatures = abi.encodePacked(certificate.signatures, r, s, v);
        }
        uint256 others = absent % 4 == 0 ? absent / 4 % (1 << size) : (1 << size) - 1 & ~signed;
        good = good && others == (1 << size) - 1 & ~signed;
        for (uint256 i; i < size; ++i) {
            if (others >> i & 1 == 1) certificate.absent = append(certificate.absent, vm.addr(members[i]));
        }
        vm.assertTrue(this.passes(set.seal, Packing.pack(certificate), digest) == good, "as the page says");
    }

    function passes(uint256 seal, bytes calldata certificate, bytes32 digest) external view returns (bool) {
        return Certificates.isValid(seal, Certificates.begin(certificate), digest);
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
            address[] memory absent = append(new address[](0), vm.addr(keys[left]));
            escrow.finalizeBatch(Packing.batch(Certificate(1, signatures, absent), one(transferLeg(1))));
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
        escrow.finalizeBatch(
            Packing.batch(Certificate(2, signatures, new address[](0)), one(transferLeg(100 * ALZ)))
        );
        assertStatus(transferLeg(100 * ALZ), Status.Finalized, "finalized");
    }

    function test_one_of_one() public {
        uint256[] memory alone = sortedKeys("alone", 1);
        rotate(setOf(2, 1, alone));
        escrow.finalizeBatch(
            Packing.batch(
                Certificate(2, sign(alone[0], commitHash(2)), new address[](0)), one(transferLeg(100 * ALZ))
            )
        );
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
        vm.assertEq(escrow.attestorSetHash(2), Statements.hashSet(set), "hash");
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
        escrow.finalizeBatch(Packing.batch(decidedBy(2, id, COMMIT), one(transferLeg(100 * ALZ))));
    }

    function test_a_rotation_again_changes_nothing_and_says_so() public {
        AttestorSet memory set = setOf(2, 2, nextKeys);
        rotate(set);
        (, uint64 before,) = escrow.attestorSet(1);
        vm.warp(block.timestamp + 10);
        vm.expectEmit(address(escrow));
        emit IAesEscrow.SetRotationRepeated(2, Statements.hashSet(set));
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
        escrow.finalizeBatch(Packing.batch(certificate, one(transferLeg(100 * ALZ))));
    }

    /// `present`: how many of `keys`, from the first, do not stand among the absent.
    function refuse(bytes memory signatures, uint256 present, bytes4 why) private {
        Certificate memory certificate = Certificate(1, signatures, addressesFrom(present));
        vm.expectPartialRevert(why);
        tryFinalize(certificate);
    }

    function refuseFirst(bytes memory signature) private {
        bytes memory second = sign(keys[1], commitHash(1));
        Certificate memory certificate = Certificate(1, bytes.concat(signature, second), addressesFrom(2));
        vm.expectRevert(abi.encodeWithSelector(Certificates.MalformedSignature.selector, 0));
        tryFinalize(certificate);
    }

    function refuseAbsentees(Certificate memory certificate) private {
        vm.expectRevert(abi.encodeWithSelector(Certificates.WrongAbsentees.selector, 1));
        tryFinalize(certificate);
    }

    function refuseLength(AttestorSet memory set, bytes memory certificate, uint256 needed) private {
        vm.expectRevert(
            abi.encodeWithSelector(Certificates.WrongCertificateLength.selector, certificate.length, needed)
        );
        escrow.rotate(set, certificate);
    }

    function append(address[] memory list, address last) private pure returns (address[] memory longer) {
        longer = new address[](list.length + 1);
        for (uint256 i; i < list.length; ++i) {
            longer[i] = list[i];
        }
        longer[list.length] = last;
    }

    function commitHash(uint64 set) private view returns (bytes32) {
        return Statements.decided(Statements.leaf(Statements.decision(id, COMMIT)), set);
    }

    function rotation(AttestorSet memory set, uint64 by) private view returns (Certificate memory) {
        return certify(by, Statements.rotated(set.id, Statements.hashSet(set), by));
    }

    function rotate(AttestorSet memory set) private {
        escrow.rotate(set, Packing.pack(rotation(set, 1)));
    }

    function refuseSet(AttestorSet memory set, bytes4 why) private {
        refuseRotation(set, 1, why);
    }

    function refuseRotation(AttestorSet memory set, uint64 by, bytes4 why) private {
        bytes memory certificate = Packing.pack(rotation(set, by));
        vm.expectPartialRevert(why);
        escrow.rotate(set, certificate);
    }
}
