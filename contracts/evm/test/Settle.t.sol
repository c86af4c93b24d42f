// SPDX-License-Identifier: MIT
// How holds end: by the decision, alone and in batches, again and otherwise; and by escape.
pragma solidity 0.8.37;

import {Status} from "../src/Holds.sol";
import {IAesEscrow} from "../src/IAesEscrow.sol";
import {Function, Leg} from "../src/Legs.sol";
import {Statements} from "../src/Statements.sol";
import {Base} from "./Base.sol";
import {Certificate, Packing, Settlement} from "./Packing.sol";
import {vm} from "./Vm.sol";

contract SettleTest is Base {
    int256 private constant MINTED = int256(uint256(100 * ALZ));

    function setUp() public override {
        super.setUp();
        fundVault(300 * ALZ);
    }

    // ---- each function, both ways

    function test_transfer_goes_to_the_recipient_or_back() public {
        Leg memory leg = transferLeg(100 * ALZ);
        both(leg, true);
        assertPaid(100 * ALZ, 9_600 * ALZ);
        assertBooks(300 * ALZ, 0, 0);
        anotherExecution();
        both(leg, false);
        assertPaid(100 * ALZ, 9_600 * ALZ);
    }

    function test_lock_goes_to_the_vault_or_back() public {
        Leg memory leg = lockLeg(100 * ALZ);
        both(leg, true);
        assertBooks(400 * ALZ, 0, 0);
        anotherExecution();
        both(leg, false);
        assertBooks(400 * ALZ, 0, 0);
        assertPaid(0, 9_600 * ALZ);
    }

    function test_unlock_goes_to_the_recipient_or_back_to_the_vault() public {
        Leg memory leg = unlockLeg(100 * ALZ);
        both(leg, true);
        assertBooks(200 * ALZ, 0, 0);
        assertPaid(100 * ALZ, 9_700 * ALZ);
        anotherExecution();
        both(leg, false);
        assertBooks(200 * ALZ, 0, 0);
    }

    function test_mint_goes_to_the_recipient_or_is_burned() public {
        Leg memory leg = mintLeg(100 * ALZ);
        both(leg, true);
        assertBooks(300 * ALZ, 0, MINTED);
        assertPaid(100 * ALZ, 9_700 * ALZ);
        anotherExecution();
        both(leg, false);
        assertBooks(300 * ALZ, 0, MINTED);
        vm.assertEq(token.totalSupply(), 10_100 * ALZ, "supply");
    }

    function test_burn_destroys_or_goes_back() public {
        Leg memory leg = burnLeg(100 * ALZ);
        both(leg, true);
        assertBooks(300 * ALZ, 0, -MINTED);
        vm.assertEq(token.totalSupply(), 9_900 * ALZ, "supply");
        anotherExecution();
        both(leg, false);
        assertBooks(300 * ALZ, 0, -MINTED);
    }

    // ---- again, and otherwise

    function test_the_opposite_decision_is_an_error() public {
        Leg memory leg = transferLeg(100 * ALZ);
        prepare(leg);
        finalize(leg);
        vm.expectRevert(otherwise(leg, Status.Finalized));
        this.releaseLeg(leg);

        anotherExecution();
        prepare(leg);
        release(leg);
        vm.expectRevert(otherwise(leg, Status.Released));
        this.finalizeLeg(leg);
    }

    function test_a_release_with_nothing_held_leaves_a_tombstone() public {
        Leg memory leg = mintLeg(100 * ALZ);
        vm.expectEmit(address(escrow));
        emit IAesEscrow.Released(id, escrow.legHash(leg), false);
        release(leg);
        (Status status, uint64 until, uint64 heldAt, uint64 settledAt) =
            escrow.holdOf(id, escrow.legHash(leg));
        vm.assertEq(uint256(status), uint256(Status.Released), "status");
        vm.assertEq(uint256(until) + heldAt, 0, "never held");
        vm.assertEq(settledAt, block.number, "settledAt");
        expectRepeated(leg, Status.Released);
        release(leg);
    }

    function test_a_finalize_with_nothing_held_is_an_error() public {
        Leg memory leg = transferLeg(1);
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.NothingHeld.selector, id, escrow.legHash(leg)));
        this.finalizeLeg(leg);
    }

    function test_settling_reads_no_clock() public {
        Leg memory late = transferLeg(100 * ALZ);
        prepare(late);
        vm.warp(deadline + 365 days);
        finalize(late);
        assertStatus(late, Status.Finalized, "long after the deadline");
    }

    function test_a_pause_stops_no_settlement() public {
        Leg memory leg = transferLeg(100 * ALZ);
        prepare(leg);
        vm.prank(admin);
        escrow.pause();
        finalize(leg);
        assertStatus(leg, Status.Finalized, "finalized");
    }

    function test_what_the_token_refuses_for_now_can_be_settled_later() public {
        Leg memory leg = burnLeg(100 * ALZ);
        prepare(leg);
        vm.prank(admin);
        token.setBridge(address(0));
        finalize(leg);
        assertStatus(leg, Status.Held, "the bridge role is gone");
        assertBooks(300 * ALZ, 100 * ALZ, 0);
        vm.prank(admin);
        token.setBridge(address(escrow));
        finalize(leg);
        assertBooks(300 * ALZ, 0, -MINTED);
    }

    // ---- batches

    function test_sixteen_legs_in_one_batch() public {
        Leg[] memory legs = new Leg[](16);
        for (uint256 i; i < 16; ++i) {
            legs[i] = transferLeg(1 * ALZ);
            legs[i].index = uint8(i);
            prepare(legs[i]);
        }
        escrow.finalizeBatch(Packing.batch(decided(id, COMMIT), many(legs)));
        assertPaid(16 * ALZ, 9_684 * ALZ);
    }

    function test_one_certificate_settles_many_executions() public {
        (Settlement[] memory settlements, bytes32 root) = twoExecutions(COMMIT, COMMIT);
        escrow.finalizeBatch(Packing.batch(certify(1, Statements.decided(root, 1)), settlements));
        assertPaid(200 * ALZ, 9_500 * ALZ);
    }

    function test_every_settlement_must_lead_to_the_one_root() public {
        (Settlement[] memory settlements, bytes32 root) = twoExecutions(COMMIT, ABORT);
        Certificate memory certificate = certify(1, Statements.decided(root, 1));
        vm.expectPartialRevert(IAesEscrow.OtherDecisionsRoot.selector);
        escrow.finalizeBatch(Packing.batch(certificate, settlements));
    }

    function test_an_empty_batch_and_one_too_large_are_errors() public {
        Certificate memory certificate = decided(id, ABORT);
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.EmptyBatch.selector));
        escrow.releaseBatch(Packing.batch(certificate, new Settlement[](0)));

        uint256 bound = escrow.MAX_BATCH();
        Leg[] memory legs = new Leg[](bound + 1);
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.BatchTooLarge.selector, bound + 1, bound));
        escrow.releaseBatch(Packing.batch(certificate, many(legs)));
    }

    function test_a_leg_twice_in_a_batch_is_paid_once() public {
        Leg[] memory legs = new Leg[](2);
        legs[0] = transferLeg(100 * ALZ);
        legs[1] = legs[0];
        prepare(legs[0]);
        escrow.finalizeBatch(Packing.batch(decided(id, COMMIT), many(legs)));
        assertPaid(100 * ALZ, 9_600 * ALZ);
    }

    // ---- escape

    function test_the_depositor_escapes_after_the_delay_and_not_before() public {
        Leg memory leg = burnLeg(100 * ALZ);
        prepare(leg);
        uint256 opensAt = uint256(deadline) + ESCAPE_DELAY;
        vm.warp(opensAt - 1);
        vm.prank(depositor);
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.EscapeTooEarly.selector, opensAt - 1, opensAt));
        escrow.escape(id, leg);

        vm.warp(opensAt);
        vm.expectEmit(address(escrow));
        emit IAesEscrow.Escaped(id, escrow.legHash(leg));
        escape(leg);
        assertPaid(0, 9_700 * ALZ);

        expectRepeated(leg, Status.Escaped);
        escape(leg);
        expectRepeated(leg, Status.Escaped);
        release(leg);
        vm.expectRevert(otherwise(leg, Status.Escaped));
        this.finalizeLeg(leg);
        assertPaid(0, 9_700 * ALZ);
    }

    function test_only_the_depositor_escapes() public {
        Leg memory leg = lockLeg(100 * ALZ);
        prepare(leg);
        vm.warp(uint256(deadline) + ESCAPE_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.NotTheDepositor.selector, address(this), depositor));
        escrow.escape(id, leg);
    }

    function test_there_is_no_escape_from_nothing_nor_from_a_decision() public {
        Leg memory leg = transferLeg(100 * ALZ);
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.NothingHeld.selector, id, escrow.legHash(leg)));
        this.escapeLeg(leg);

        prepare(leg);
        finalize(leg);
        vm.warp(uint256(deadline) + ESCAPE_DELAY);
        vm.expectRevert(otherwise(leg, Status.Finalized));
        this.escapeLeg(leg);
    }

    function test_the_reserve_does_not_escape() public {
        Leg memory leg = unlockLeg(100 * ALZ);
        prepareReserve(leg);
        vm.warp(uint256(deadline) + ESCAPE_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.WrongSource.selector, Function.Unlock));
        this.escapeLeg(leg);
    }

    // ---- helpers

    /// Prepares, settles, and settles the same way again, which moves nothing and says so.
    function both(Leg memory leg, bool commit) private {
        if (leg.from == address(0)) prepareReserve(leg);
        else prepare(leg);
        vm.expectEmit(address(escrow));
        if (commit) emit IAesEscrow.Finalized(id, escrow.legHash(leg));
        else emit IAesEscrow.Released(id, escrow.legHash(leg), true);
        settle(leg, commit);
        assertStatus(leg, commit ? Status.Finalized : Status.Released, "settled");
        expectRepeated(leg, commit ? Status.Finalized : Status.Released);
        settle(leg, commit);
    }

    function settle(Leg memory leg, bool commit) private {
        if (commit) finalize(leg);
        else release(leg);
    }

    function finalizeLeg(Leg memory leg) external {
        finalize(leg);
    }

    function releaseLeg(Leg memory leg) external {
        release(leg);
    }

    function escapeLeg(Leg memory leg) external {
        escape(leg);
    }

    function escape(Leg memory leg) private {
        vm.prank(leg.from);
        escrow.escape(id, leg);
    }

    function anotherExecution() private {
        id = keccak256("another execution");
    }

    /// Two executions with one transfer each, and the root over their two decisions.
    function twoExecutions(uint8 first, uint8 second)
        private
        returns (Settlement[] memory settlements, bytes32 root)
    {
        bytes32 a = Statements.leaf(Statements.decision(id, first));
        settlements = new Settlement[](2);
        prepare(transferLeg(100 * ALZ));
        settlements[0] = one(transferLeg(100 * ALZ))[0];
        anotherExecution();
        bytes32 b = Statements.leaf(Statements.decision(id, second));
        prepare(transferLeg(100 * ALZ));
        settlements[1] = one(transferLeg(100 * ALZ))[0];
        settlements[0].path = new bytes32[](1);
        settlements[0].path[0] = b;
        settlements[1].path = new bytes32[](1);
        settlements[1].path[0] = a;
        root = a < b ? keccak256(abi.encodePacked(a, b)) : keccak256(abi.encodePacked(b, a));
    }

    function expectRepeated(Leg memory leg, Status status) private {
        vm.expectEmit(address(escrow));
        emit IAesEscrow.Repeated(id, escrow.legHash(leg), status);
    }

    function otherwise(Leg memory leg, Status status) private view returns (bytes memory) {
        return
            abi.encodeWithSelector(IAesEscrow.HoldSettledOtherwise.selector, id, escrow.legHash(leg), status);
    }

    function assertPaid(uint256 toRecipient, uint256 leftToDepositor) private view {
        vm.assertEq(token.balanceOf(recipient), toRecipient, "recipient");
        vm.assertEq(token.balanceOf(depositor), leftToDepositor, "depositor");
    }
}
