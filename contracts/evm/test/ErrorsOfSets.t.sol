// SPDX-License-Identifier: MIT
// Each error of attestor sets, certificates, settings and rights, in a test of its own name: scripts/errors.mjs fails when
// one has none.
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {AesEscrow} from "../src/AesEscrow.sol";
import {AlzToken} from "../src/AlzToken.sol";
import {AttestorSet, Certificates} from "../src/Certificates.sol";
import {IAesEscrow, Settings} from "../src/IAesEscrow.sol";
import {Limits} from "../src/Reserve.sol";
import {Statements} from "../src/Statements.sol";
import {Base} from "./Base.sol";
import {Certificate, Packing} from "./Packing.sol";
import {vm} from "./Vm.sol";

contract ErrorsOfSetsTest is Base {
    bytes32 private hash;

    function setUp() public override {
        super.setUp();
        prepare(lockLeg(1));
        hash = Statements.decided(Statements.leaf(Statements.decision(id, COMMIT)), 1);
    }

    // ---- certificates

    function test_UnknownAttestorSet() public {
        Certificate memory certificate = decidedBy(2, id, COMMIT);
        refuse(certificate, abi.encodeWithSelector(Certificates.UnknownAttestorSet.selector, 2));
    }

    function test_AttestorSetExpired() public {
        rotate(setOf(2, 2, keys));
        uint256 expiresAt = block.timestamp + HORIZON + SET_GRACE;
        vm.warp(expiresAt + 1);
        Certificate memory certificate = decided(id, COMMIT);
        refuse(certificate, abi.encodeWithSelector(Certificates.AttestorSetExpired.selector, 1, expiresAt));
    }

    function test_WrongCertificateLength() public {
        AttestorSet memory next = setOf(2, 2, keys);
        bytes memory long = bytes.concat(rotation(next), hex"00");
        vm.expectRevert(abi.encodeWithSelector(Certificates.WrongCertificateLength.selector, 161, 160));
        escrow.rotate(next, long);
    }

    function test_WrongSignatureCount() public {
        Certificate memory certificate = Certificate(1, sign(keys[0], hash), addressesFrom(1));
        refuse(certificate, abi.encodeWithSelector(Certificates.WrongSignatureCount.selector, 1, 2));
    }

    function test_MalformedSignature() public {
        Certificate memory certificate = decided(id, COMMIT);
        certificate.signatures[129] = 0x1d;
        refuse(certificate, abi.encodeWithSelector(Certificates.MalformedSignature.selector, 1));
    }

    function test_SignersNotAscending() public {
        bytes memory swapped = bytes.concat(sign(keys[1], hash), sign(keys[0], hash));
        (address first, address second) = (vm.addr(keys[1]), vm.addr(keys[0]));
        refuse(
            Certificate(1, swapped, addressesFrom(2)),
            abi.encodeWithSelector(Certificates.SignersNotAscending.selector, first, second)
        );
    }

    function test_NotAnAttestor() public {
        uint256[] memory others = sortedKeys("stranger", 2);
        bytes memory strange = bytes.concat(sign(others[0], hash), sign(others[1], hash));
        refuse(
            Certificate(1, strange, addressesFrom(2)),
            abi.encodeWithSelector(Certificates.NotAnAttestor.selector, vm.addr(others[0]), 1)
        );
    }

    function test_WrongAbsentees() public {
        Certificate memory certificate = decided(id, COMMIT);
        certificate.absent = addressesFrom(1);
        refuse(certificate, abi.encodeWithSelector(Certificates.WrongAbsentees.selector, 1));
    }

    // ---- sets

    function test_WrongAttestorCount() public {
        refuseSet(
            setOf(2, 1, new uint256[](0)),
            abi.encodeWithSelector(Certificates.WrongAttestorCount.selector, 0, 32)
        );
        refuseSet(
            setOf(2, 1, sortedKeys("many", 33)),
            abi.encodeWithSelector(Certificates.WrongAttestorCount.selector, 33, 32)
        );
    }

    function test_WrongThreshold() public {
        refuseSet(setOf(2, 0, keys), abi.encodeWithSelector(Certificates.WrongThreshold.selector, 0, 3));
        refuseSet(setOf(2, 4, keys), abi.encodeWithSelector(Certificates.WrongThreshold.selector, 4, 3));
    }

    function test_AttestorsNotAscending() public {
        AttestorSet memory next = setOf(2, 2, keys);
        next.attestors[1] = next.attestors[0];
        address twice = next.attestors[0].signer;
        refuseSet(next, abi.encodeWithSelector(Certificates.AttestorsNotAscending.selector, twice, twice));
    }

    function test_NotTheNextSet() public {
        refuseSet(setOf(3, 2, keys), abi.encodeWithSelector(IAesEscrow.NotTheNextSet.selector, 1, 3));
    }

    function test_NotTheCurrentSet() public {
        rotate(setOf(2, 2, keys));
        refuseSet(setOf(3, 2, keys), abi.encodeWithSelector(IAesEscrow.NotTheCurrentSet.selector, 2, 1));
    }

    // ---- settings and rights

    function test_NoPendingLimits() public {
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.NoPendingLimits.selector));
        escrow.applyLimits();
    }

    function test_LimitsNotYet() public {
        vm.prank(admin);
        escrow.scheduleLimits(Limits(1, 1, 1));
        uint256 at_ = block.timestamp + LIMITS_DELAY;
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.LimitsNotYet.selector, block.timestamp, at_));
        escrow.applyLimits();
    }

    function test_WrongSetting() public {
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.WrongSetting.selector, "token"));
        new AesEscrow(settings(address(1)));
    }

    function test_OwnableInvalidOwner() public {
        bytes memory why = abi.encodeWithSelector(Ownable.OwnableInvalidOwner.selector, address(0));
        Settings memory s = settings(address(token));
        s.admin = address(0);
        vm.expectRevert(why);
        new AesEscrow(s);
        vm.expectRevert(why);
        new AlzToken(address(0), address(0), 0);
    }

    function test_OwnableUnauthorizedAccount() public {
        bytes memory why = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this));
        vm.expectRevert(why);
        escrow.pause();
        vm.expectRevert(why);
        token.setBridge(address(this));
    }

    function test_NotTheBridge() public {
        vm.expectRevert(
            abi.encodeWithSelector(AlzToken.NotTheBridge.selector, address(this), address(escrow))
        );
        token.crosschainMint(address(this), 1);
    }

    // ---- helpers

    function refuse(Certificate memory certificate, bytes memory why) private {
        vm.expectRevert(why);
        escrow.finalizeBatch(Packing.batch(certificate, one(lockLeg(1))));
    }

    function refuseSet(AttestorSet memory next, bytes memory why) private {
        bytes memory certificate = rotation(next);
        vm.expectRevert(why);
        escrow.rotate(next, certificate);
    }

    function rotate(AttestorSet memory next) private {
        escrow.rotate(next, rotation(next));
    }

    function rotation(AttestorSet memory next) private view returns (bytes memory) {
        return Packing.pack(certify(1, Statements.rotated(next.id, Statements.hashSet(next), 1)));
    }
}
