// SPDX-License-Identifier: MIT
// Tokens that refuse: the rest of a batch goes through, and nobody can make a payable leg look unpayable.
pragma solidity 0.8.37;

import {Status} from "../src/Holds.sol";
import {IAesEscrow} from "../src/IAesEscrow.sol";
import {Leg} from "../src/Legs.sol";
import {Base} from "./Base.sol";
import {Packing} from "./Packing.sol";
import {RefusingToken} from "./RefusingToken.sol";
import {vm} from "./Vm.sol";

contract RefusalTest is Base {
    RefusingToken private refusing;

    function setUp() public override {
        super.setUp();
        refusing = new RefusingToken(depositor, 10_000 * ALZ);
        useToken(refusing);
    }

    function test_a_batch_goes_on_past_a_leg_that_cannot_be_paid() public {
        Leg[] memory legs = threeLegs();
        refusing.refuse(legs[1].to, RefusingToken.Way.Revert);
        vm.expectEmit(address(escrow));
        emit IAesEscrow.SettlementFailed(
            id, escrow.legHash(legs[1]), abi.encodeWithSelector(RefusingToken.Refused.selector, legs[1].to)
        );
        escrow.finalizeBatch(Packing.batch(decided(id, COMMIT), many(legs)));
        assertPaidAllBut(legs, 1);

        refusing.refuse(address(0), RefusingToken.Way.Revert);
        escrow.finalizeBatch(Packing.batch(decided(id, COMMIT), many(legs)));
        vm.assertEq(refusing.balanceOf(legs[1].to), 1 * ALZ, "paid on the second try");
        assertStatus(legs[1], Status.Finalized, "finalized");
    }

    function test_an_answer_of_false_is_a_refusal() public {
        Leg[] memory legs = threeLegs();
        refusing.refuse(legs[0].to, RefusingToken.Way.AnswerFalse);
        escrow.finalizeBatch(Packing.batch(decided(id, COMMIT), many(legs)));
        assertPaidAllBut(legs, 0);
    }

    function test_a_token_call_that_burns_its_gas_does_not_starve_the_rest() public {
        Leg[] memory legs = threeLegs();
        refusing.refuse(legs[0].to, RefusingToken.Way.BurnGas);
        escrow.finalizeBatch{gas: 800_000}(Packing.batch(decided(id, COMMIT), many(legs)));
        assertPaidAllBut(legs, 0);
    }

    /// Whatever gas a relayer sends, a payable leg is paid or the whole transaction reverts.
    function testFuzz_too_little_gas_records_no_refusal(uint256 gas) public {
        gas = 30_000 + gas % 270_000;
        Leg memory leg = transferLeg(1 * ALZ);
        prepare(leg);
        bytes memory batch = Packing.batch(decided(id, COMMIT), one(leg));
        try escrow.finalizeBatch{gas: gas}(batch) {
            assertStatus(leg, Status.Finalized, "it went through: paid");
        } catch {
            assertStatus(leg, Status.Held, "it reverted: as before");
        }
    }

    function test_an_escape_the_token_refuses_reverts() public {
        Leg memory leg = lockLeg(1 * ALZ);
        prepare(leg);
        vm.warp(uint256(deadline) + ESCAPE_DELAY);
        refusing.refuse(depositor, RefusingToken.Way.AnswerFalse);
        vm.prank(depositor);
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.TokenRefused.selector, abi.encode(false)));
        escrow.escape(id, leg);
        assertStatus(leg, Status.Held, "held");
    }

    // ---- helpers

    function threeLegs() private returns (Leg[] memory legs) {
        legs = new Leg[](3);
        for (uint256 i; i < 3; ++i) {
            legs[i] = transferLeg(1 * ALZ);
            legs[i].index = uint8(i);
            legs[i].to = address(uint160(0xB0B0 + i));
            prepare(legs[i]);
        }
    }

    function assertPaidAllBut(Leg[] memory legs, uint256 unpaid) private view {
        for (uint256 i; i < legs.length; ++i) {
            bool paid = i != unpaid;
            vm.assertEq(refusing.balanceOf(legs[i].to), paid ? 1 * ALZ : 0, "balance");
            assertStatus(legs[i], paid ? Status.Finalized : Status.Held, "status");
        }
    }
}
