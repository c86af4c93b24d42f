// SPDX-License-Identifier: MIT
// Each error that a hold can meet, in a test of its own name: scripts/errors.mjs fails when one has none.
pragma solidity 0.8.37;

import {Status} from "../src/Holds.sol";
import {IAesEscrow, PermitData} from "../src/IAesEscrow.sol";
import {Function, Leg} from "../src/Legs.sol";
import {Reserve} from "../src/Reserve.sol";
import {Statements} from "../src/Statements.sol";
import {Base} from "./Base.sol";
import {Certificate, Packing, Settlement} from "./Packing.sol";
import {RefusingToken} from "./RefusingToken.sol";
import {AesEscrow} from "../src/AesEscrow.sol";
import {vm} from "./Vm.sol";

contract ErrorsOfHoldsTest is Base {
    function test_EscrowPaused() public {
        vm.prank(admin);
        escrow.pause();
        expect(abi.encodeWithSelector(IAesEscrow.EscrowPaused.selector));
        this.sendPrepare(lockLeg(1), deadline);
    }

    function test_DeadlinePassed() public {
        uint64 now_ = uint64(block.timestamp);
        expect(abi.encodeWithSelector(IAesEscrow.DeadlinePassed.selector, now_, now_));
        this.sendPrepare(lockLeg(1), now_);
    }

    function test_DeadlineTooFar() public {
        uint64 latest = uint64(block.timestamp) + HORIZON;
        expect(abi.encodeWithSelector(IAesEscrow.DeadlineTooFar.selector, latest + 1, latest));
        this.sendPrepare(lockLeg(1), latest + 1);
    }

    function test_ZeroAmount() public {
        expect(abi.encodeWithSelector(IAesEscrow.ZeroAmount.selector));
        this.sendPrepare(lockLeg(0), deadline);
    }

    function test_LegTooLarge() public {
        expect(abi.encodeWithSelector(IAesEscrow.LegTooLarge.selector, 1_001 * ALZ, 1_000 * ALZ));
        this.sendPrepare(lockLeg(1_001 * ALZ), deadline);
    }

    function test_WrongAccounts() public {
        Leg memory leg = burnLeg(1);
        leg.to = recipient;
        expect(abi.encodeWithSelector(IAesEscrow.WrongAccounts.selector, Function.Burn, depositor, recipient));
        this.sendPrepare(leg, deadline);
    }

    function test_WrongRecipient() public {
        Leg memory leg = transferLeg(1);
        leg.to = address(token);
        expect(abi.encodeWithSelector(IAesEscrow.WrongRecipient.selector, token));
        this.sendPrepare(leg, deadline);
    }

    function test_WrongSource() public {
        Leg memory leg = mintLeg(1);
        leg.from = depositor;
        expect(abi.encodeWithSelector(IAesEscrow.WrongSource.selector, Function.Mint));
        this.sendPrepare(leg, deadline);
    }

    function test_NotTheDepositor() public {
        expect(abi.encodeWithSelector(IAesEscrow.NotTheDepositor.selector, address(this), depositor));
        escrow.escape(id, lockLeg(1));
    }

    function test_WrongAuthorization() public {
        PermitData memory none;
        Leg memory leg = lockLeg(1);
        bytes32 digest = digestOf(Statements.deposit(id, escrow.legHash(leg), deadline));
        expect(abi.encodeWithSelector(IAesEscrow.WrongAuthorization.selector, depositor, digest));
        escrow.prepareFor(id, deadline, leg, hex"00", none);
    }

    function test_HoldHasOtherDeadline() public {
        Leg memory leg = lockLeg(1);
        prepare(leg);
        expect(
            abi.encodeWithSelector(
                IAesEscrow.HoldHasOtherDeadline.selector, id, escrow.legHash(leg), deadline, deadline - 1
            )
        );
        this.sendPrepare(leg, deadline - 1);
    }

    function test_HoldSettled() public {
        Leg memory leg = lockLeg(1);
        release(leg);
        expect(status(IAesEscrow.HoldSettled.selector, leg, Status.Released));
        this.sendPrepare(leg, deadline);
    }

    function test_HoldSettledOtherwise() public {
        Leg memory leg = lockLeg(1);
        prepare(leg);
        finalize(leg);
        expect(status(IAesEscrow.HoldSettledOtherwise.selector, leg, Status.Finalized));
        this.sendRelease(leg);
    }

    function test_NothingHeld() public {
        Leg memory leg = lockLeg(1);
        expect(abi.encodeWithSelector(IAesEscrow.NothingHeld.selector, id, escrow.legHash(leg)));
        this.sendFinalize(leg);
    }

    function test_EscapeTooEarly() public {
        Leg memory leg = lockLeg(1);
        prepare(leg);
        uint256 opensAt = uint256(deadline) + ESCAPE_DELAY;
        vm.prank(depositor);
        expect(abi.encodeWithSelector(IAesEscrow.EscapeTooEarly.selector, block.timestamp, opensAt));
        escrow.escape(id, leg);
    }

    function test_LegNotInManifest() public {
        Leg memory leg = mintLeg(1);
        bytes32 root = keccak256("another manifest");
        bytes memory certificate = Packing.pack(opened(id, root, deadline));
        expect(abi.encodeWithSelector(IAesEscrow.LegNotInManifest.selector, escrow.legHash(leg), root));
        escrow.prepareReserve(id, deadline, leg, root, new bytes32[](0), certificate);
    }

    function test_VaultTooSmall() public {
        fundVault(1);
        expect(abi.encodeWithSelector(Reserve.VaultTooSmall.selector, 2, 1));
        this.sendReserve(unlockLeg(2));
    }

    function test_ReserveRateExceeded() public {
        expect(abi.encodeWithSelector(Reserve.ReserveRateExceeded.selector, 501 * ALZ, 500 * ALZ));
        this.sendReserve(mintLeg(501 * ALZ));
    }

    function test_MintCapExceeded() public {
        for (uint256 i; i < 4; ++i) {
            id = keccak256(abi.encode(i));
            prepareReserve(mintLeg(500 * ALZ));
            vm.warp(deadline);
            deadline += 1 hours;
        }
        int256 issued = int256(uint256(2_000 * ALZ));
        expect(abi.encodeWithSelector(Reserve.MintCapExceeded.selector, 1, issued, 2_000 * ALZ));
        this.sendReserve(mintLeg(1));
    }

    // ---- batches

    function test_EmptyBatch() public {
        Certificate memory certificate = decided(id, ABORT);
        expect(abi.encodeWithSelector(IAesEscrow.EmptyBatch.selector));
        escrow.releaseBatch(Packing.pack(certificate));
        // An execution without legs, before one with.
        Settlement[] memory settlements = new Settlement[](2);
        settlements[0] = Settlement(id, new bytes32[](0), new Leg[](0));
        settlements[1] = one(lockLeg(1))[0];
        expect(abi.encodeWithSelector(IAesEscrow.EmptyBatch.selector));
        escrow.releaseBatch(Packing.batch(certificate, settlements));
    }

    function test_BatchTooLarge() public {
        Settlement[] memory settlements = new Settlement[](2);
        settlements[0] = many(new Leg[](64))[0];
        settlements[1] = many(new Leg[](1))[0];
        Certificate memory certificate = decided(id, ABORT);
        expect(abi.encodeWithSelector(IAesEscrow.BatchTooLarge.selector, 65, 64));
        escrow.releaseBatch(Packing.batch(certificate, settlements));
    }

    function test_BatchCutShort() public {
        bytes memory whole = Packing.batch(decided(id, ABORT), one(lockLeg(1)));
        // Inside the certificate, inside the execution's head, inside its leg; and one byte too many.
        uint256[5] memory lengths = [uint256(0), 159, 161, whole.length - 1, whole.length + 1];
        uint256[5] memory begins = [uint256(0), 0, 160, 160, whole.length];
        for (uint256 i; i < 5; ++i) {
            bytes memory cut = new bytes(lengths[i]);
            for (uint256 j; j < cut.length && j < whole.length; ++j) {
                cut[j] = whole[j];
            }
            expect(abi.encodeWithSelector(IAesEscrow.BatchCutShort.selector, begins[i], lengths[i]));
            escrow.releaseBatch(cut);
        }
        escrow.releaseBatch(whole);
    }

    function test_OtherDecisionsRoot() public {
        Settlement[] memory settlements = new Settlement[](2);
        settlements[0] = one(lockLeg(1))[0];
        settlements[1] = one(lockLeg(1))[0];
        settlements[1].executionId = keccak256("another");
        bytes32 root = Statements.leaf(Statements.decision(id, ABORT));
        bytes32 other = Statements.leaf(Statements.decision(settlements[1].executionId, ABORT));
        Certificate memory certificate = decided(id, ABORT);
        expect(
            abi.encodeWithSelector(
                IAesEscrow.OtherDecisionsRoot.selector, settlements[1].executionId, other, root
            )
        );
        escrow.releaseBatch(Packing.batch(certificate, settlements));
    }

    function test_TooLittleGas() public {
        RefusingToken refusing = useRefusingToken();
        Leg memory leg = transferLeg(1);
        prepare(leg);
        refusing.refuse(recipient, RefusingToken.Way.Revert);
        bytes memory batch = Packing.batch(decided(id, COMMIT), one(leg));
        vm.expectPartialRevert(IAesEscrow.TooLittleGas.selector);
        escrow.finalizeBatch{gas: 150_000}(batch);
    }

    function test_TokenRefused() public {
        RefusingToken refusing = useRefusingToken();
        refusing.refuse(address(escrow), RefusingToken.Way.AnswerFalse);
        bytes memory why = abi.encodeWithSelector(IAesEscrow.TokenRefused.selector, abi.encode(false));
        expect(why);
        this.sendPrepare(lockLeg(1), deadline);

        refusing.refuse(address(0), RefusingToken.Way.AnswerFalse);
        prepare(lockLeg(1));
        refusing.refuse(depositor, RefusingToken.Way.AnswerFalse);
        vm.warp(uint256(deadline) + ESCAPE_DELAY);
        vm.prank(depositor);
        expect(why);
        escrow.escape(id, lockLeg(1));
    }

    // ---- helpers

    function sendPrepare(Leg memory leg, uint64 until) external {
        vm.prank(leg.from);
        escrow.prepare(Packing.terms(until, leg), leg.to, id);
    }

    function sendReserve(Leg memory leg) external {
        prepareReserve(leg);
    }

    function sendFinalize(Leg memory leg) external {
        finalize(leg);
    }

    function sendRelease(Leg memory leg) external {
        release(leg);
    }

    function expect(bytes memory why) private {
        vm.expectRevert(why);
    }

    function status(bytes4 selector, Leg memory leg, Status stands) private view returns (bytes memory) {
        return abi.encodeWithSelector(selector, id, escrow.legHash(leg), stands);
    }

    function useRefusingToken() private returns (RefusingToken refusing) {
        refusing = new RefusingToken(depositor, 10 * ALZ);
        escrow = new AesEscrow(settings(address(refusing)));
        vm.prank(depositor);
        refusing.approve(address(escrow), type(uint256).max);
    }
}
