// SPDX-License-Identifier: MIT
// How holds begin, and every reason for which one does not.
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {Certificates} from "../src/Certificates.sol";
import {Status} from "../src/Holds.sol";
import {IAesEscrow, PermitData} from "../src/IAesEscrow.sol";
import {Function, Leg} from "../src/Legs.sol";
import {Reserve} from "../src/Reserve.sol";
import {Statements} from "../src/Statements.sol";
import {Base} from "./Base.sol";
import {Packing} from "./Packing.sol";
import {Wallet} from "./Wallet.sol";
import {vm} from "./Vm.sol";

contract PrepareTest is Base {
    function test_a_depositor_prepares() public {
        Leg memory leg = transferLeg(100 * ALZ);
        vm.expectEmit(address(escrow));
        emit IAesEscrow.Prepared(id, escrow.legHash(leg), Packing.terms(deadline, leg));
        prepare(leg);

        (Status status, uint64 until, uint64 heldAt, uint64 settledAt) =
            escrow.holdOf(id, escrow.legHash(leg));
        vm.assertEq(uint256(status), uint256(Status.Held), "status");
        vm.assertEq(until, deadline, "deadline");
        vm.assertEq(heldAt, block.number, "heldAt");
        vm.assertEq(settledAt, 0, "settledAt");
        assertBooks(0, 100 * ALZ, 0);
    }

    function test_the_same_prepare_again_moves_nothing_and_says_so() public {
        Leg memory leg = lockLeg(100 * ALZ);
        prepare(leg);
        vm.warp(deadline + 1);
        vm.expectEmit(address(escrow));
        emit IAesEscrow.Repeated(id, escrow.legHash(leg), Status.Held);
        prepare(leg);
        assertBooks(0, 100 * ALZ, 0);
    }

    function test_refuses_another_deadline_for_what_is_held() public {
        Leg memory leg = lockLeg(100 * ALZ);
        prepare(leg);
        refuse(
            leg,
            deadline + 1,
            abi.encodeWithSelector(
                IAesEscrow.HoldHasOtherDeadline.selector, id, escrow.legHash(leg), deadline, deadline + 1
            )
        );
    }

    function test_whoever_sends_a_prepare_pays_for_it() public {
        vm.prank(depositor);
        token.transfer(recipient, 5 * ALZ);
        vm.startPrank(recipient);
        token.approve(address(escrow), 5 * ALZ);
        escrow.prepare(Packing.terms(deadline, lockLeg(5 * ALZ)), address(0), id);
        vm.stopPrank();
        assertStatus(lockLeg(5 * ALZ), Status.None, "the depositor's leg");
        Leg memory theirs = lockLeg(5 * ALZ);
        theirs.from = recipient;
        assertStatus(theirs, Status.Held, "another leg, of the sender's own");
        vm.assertEq(token.balanceOf(recipient), 0, "paid by the sender");
    }

    function test_refuses_a_deadline_past_the_horizon() public {
        uint64 latest = uint64(block.timestamp) + HORIZON;
        refuse(
            lockLeg(1),
            latest + 1,
            abi.encodeWithSelector(IAesEscrow.DeadlineTooFar.selector, latest + 1, latest)
        );
        vm.prank(depositor);
        escrow.prepare(Packing.terms(latest, lockLeg(1)), address(0), id);
    }

    function test_refuses_nothing_and_too_much() public {
        refuse(lockLeg(0), deadline, abi.encodeWithSelector(IAesEscrow.ZeroAmount.selector));
        uint128 most = 1_000 * ALZ;
        refuse(
            lockLeg(most + 1),
            deadline,
            abi.encodeWithSelector(IAesEscrow.LegTooLarge.selector, most + 1, most)
        );
        prepare(lockLeg(most));
    }

    function test_refuses_accounts_that_do_not_fit_the_function() public {
        Leg memory leg = transferLeg(1);
        leg.to = address(0);
        refuse(leg, deadline, wrongAccounts(leg));
        leg = lockLeg(1);
        leg.to = recipient;
        refuse(leg, deadline, wrongAccounts(leg));
        leg = burnLeg(1);
        leg.to = recipient;
        refuse(leg, deadline, wrongAccounts(leg));

        leg = unlockLeg(1);
        leg.from = depositor;
        vm.expectRevert(wrongAccounts(leg));
        this.reserve(leg);
        leg = mintLeg(1);
        leg.to = address(0);
        vm.expectRevert(wrongAccounts(leg));
        this.reserve(leg);
    }

    function test_refuses_to_give_to_the_escrow_or_to_the_token() public {
        fundVault(100 * ALZ);
        address[2] memory sinks = [address(escrow), address(token)];
        PermitData memory none;
        for (uint256 i; i < 2; ++i) {
            bytes memory why = abi.encodeWithSelector(IAesEscrow.WrongRecipient.selector, sinks[i]);
            Leg memory leg = transferLeg(1);
            leg.to = sinks[i];
            refuse(leg, deadline, why);
            bytes memory signature = authorization(leg);
            vm.expectRevert(why);
            escrow.prepareFor(id, deadline, leg, signature, none);
            leg = unlockLeg(1);
            leg.to = sinks[i];
            vm.expectRevert(why);
            this.reserve(leg);
            leg = mintLeg(1);
            leg.to = sinks[i];
            vm.expectRevert(why);
            this.reserve(leg);
        }
    }

    function test_refuses_the_other_source() public {
        Leg memory leg = unlockLeg(1);
        leg.from = depositor;
        refuse(leg, deadline, abi.encodeWithSelector(IAesEscrow.WrongSource.selector, Function.Unlock));
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.WrongSource.selector, Function.Lock));
        this.reserve(lockLeg(1));
    }

    function test_refuses_a_tombstone_and_whatever_has_ended() public {
        Leg memory tomb = lockLeg(1);
        release(tomb);
        refuse(tomb, deadline, settled(tomb, Status.Released));

        Leg memory done = transferLeg(1);
        prepare(done);
        finalize(done);
        refuse(done, deadline, settled(done, Status.Finalized));
    }

    function test_refuses_without_allowance_and_leaves_nothing_behind() public {
        vm.prank(depositor);
        token.approve(address(escrow), 0);
        vm.prank(depositor);
        vm.expectPartialRevert(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        escrow.prepare(Packing.terms(deadline, lockLeg(1)), address(0), id);
        assertStatus(lockLeg(1), Status.None, "no hold");
    }

    function test_a_bogus_hold_blocks_nobody() public {
        prepare(lockLeg(100 * ALZ));
        Leg memory real = transferLeg(100 * ALZ);
        prepare(real);
        assertStatus(real, Status.Held, "another leg hash is another hold");
    }

    // ---- by signature

    function test_anyone_prepares_with_the_depositors_signatures() public {
        vm.prank(depositor);
        token.approve(address(escrow), 0);
        Leg memory leg = transferLeg(100 * ALZ);
        escrow.prepareFor(id, deadline, leg, authorization(leg), permit(address(escrow), 100 * ALZ));
        assertStatus(leg, Status.Held, "held");
        assertBooks(0, 100 * ALZ, 0);
    }

    function test_a_permit_used_by_another_does_no_harm() public {
        vm.prank(depositor);
        token.approve(address(escrow), 0);
        Leg memory leg = transferLeg(100 * ALZ);
        PermitData memory p = permit(address(escrow), 100 * ALZ);
        token.permit(depositor, address(escrow), p.value, p.deadline, p.v, p.r, p.s);
        escrow.prepareFor(id, deadline, leg, authorization(leg), p);
        assertStatus(leg, Status.Held, "held");
    }

    function test_no_permit_is_needed_where_the_allowance_is_there() public {
        PermitData memory none;
        Leg memory leg = lockLeg(100 * ALZ);
        bytes memory signature = authorization(leg);
        escrow.prepareFor(id, deadline, leg, signature, none);
        escrow.prepareFor(id, deadline, leg, signature, none);
        assertBooks(0, 100 * ALZ, 0);
    }

    function test_a_permit_alone_moves_nothing() public {
        Leg memory leg = transferLeg(100 * ALZ);
        Leg memory stolen = transferLeg(100 * ALZ);
        stolen.to = address(this);
        PermitData memory p = permit(address(escrow), 100 * ALZ);
        bytes memory signature = authorization(leg);
        refuseFor(id, deadline, stolen, signature, p);
        refuseFor(keccak256("another execution"), deadline, leg, signature, p);
        refuseFor(id, deadline + 1, leg, signature, p);
        refuseFor(id, deadline, leg, "", p);
    }

    function test_a_reserve_leg_needs_no_depositor() public {
        PermitData memory none;
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.WrongSource.selector, Function.Mint));
        escrow.prepareFor(id, deadline, mintLeg(1), "", none);
    }

    function test_a_contract_authorizes_by_erc1271() public {
        Leg memory leg = lockLeg(50 * ALZ);
        leg.from = address(new Wallet(depositor));
        vm.prank(depositor);
        token.transfer(leg.from, 50 * ALZ);
        Wallet(leg.from).approve(address(token), address(escrow));
        PermitData memory none;
        escrow.prepareFor(id, deadline, leg, authorization(leg), none);
        assertStatus(leg, Status.Held, "held");
    }

    // ---- from the reserve

    function test_an_unlock_takes_from_the_vault() public {
        fundVault(300 * ALZ);
        prepareReserve(unlockLeg(100 * ALZ));
        assertBooks(200 * ALZ, 100 * ALZ, 0);
        prepareReserve(unlockLeg(100 * ALZ));
        assertBooks(200 * ALZ, 100 * ALZ, 0);
    }

    function test_a_mint_issues_into_the_hold() public {
        prepareReserve(mintLeg(100 * ALZ));
        assertBooks(0, 100 * ALZ, int256(uint256(100 * ALZ)));
    }

    function test_refuses_more_than_the_vault() public {
        fundVault(50 * ALZ);
        vm.expectRevert(abi.encodeWithSelector(Reserve.VaultTooSmall.selector, 51 * ALZ, 50 * ALZ));
        this.reserve(unlockLeg(51 * ALZ));
    }

    function test_refuses_more_than_the_rate_and_refills() public {
        fundVault(1_000 * ALZ);
        prepareReserve(unlockLeg(500 * ALZ));
        vm.expectRevert(abi.encodeWithSelector(Reserve.ReserveRateExceeded.selector, 1 * ALZ, 0));
        this.reserve(mintLeg(1 * ALZ));
        vm.warp(block.timestamp + 12 minutes);
        vm.assertEq(escrow.reserveAvailable(), 100 * ALZ, "a fifth of an hour, a fifth of the rate");
        prepareReserve(mintLeg(100 * ALZ));
    }

    function test_refuses_more_than_the_mint_cap() public {
        for (uint256 i; i < 4; ++i) {
            id = keccak256(abi.encode(i));
            prepareReserve(mintLeg(500 * ALZ));
            vm.warp(deadline);
            deadline += 1 hours;
        }
        vm.expectRevert(
            abi.encodeWithSelector(
                Reserve.MintCapExceeded.selector, 1, int256(uint256(2_000 * ALZ)), 2_000 * ALZ
            )
        );
        this.reserve(mintLeg(1));
    }

    function test_refuses_a_leg_outside_the_manifest() public {
        bytes32 root = Statements.leaf(escrow.legHash(mintLeg(1)));
        bytes memory certificate = Packing.pack(opened(id, root, deadline));
        Leg memory other = mintLeg(2);
        vm.expectRevert(
            abi.encodeWithSelector(IAesEscrow.LegNotInManifest.selector, escrow.legHash(other), root)
        );
        escrow.prepareReserve(id, deadline, other, root, new bytes32[](0), certificate);
    }

    function test_refuses_a_certificate_for_another_deadline() public {
        Leg memory leg = mintLeg(1);
        bytes32 root = Statements.leaf(escrow.legHash(leg));
        bytes memory certificate = Packing.pack(opened(id, root, deadline));
        vm.expectPartialRevert(Certificates.NotAnAttestor.selector);
        escrow.prepareReserve(id, deadline + 1, leg, root, new bytes32[](0), certificate);
    }

    function testFuzz_a_leg_of_any_amount_is_held_or_refused(uint128 amount) public {
        Leg memory leg = lockLeg(amount);
        vm.prank(depositor);
        try escrow.prepare(Packing.terms(deadline, leg), leg.to, id) {
            vm.assertTrue(amount > 0 && amount <= 1_000 * ALZ, "within the limits");
            assertBooks(0, amount, 0);
        } catch {
            vm.assertTrue(amount == 0 || amount > 1_000 * ALZ, "outside the limits");
            assertBooks(0, 0, 0);
        }
    }

    // ---- helpers

    function reserve(Leg memory leg) external {
        prepareReserve(leg);
    }

    function refuse(Leg memory leg, uint64 until, bytes memory why) private {
        vm.prank(leg.from);
        vm.expectRevert(why);
        escrow.prepare(Packing.terms(until, leg), leg.to, id);
    }

    function refuseFor(
        bytes32 executionId,
        uint64 until,
        Leg memory leg,
        bytes memory signature,
        PermitData memory p
    ) private {
        vm.expectPartialRevert(IAesEscrow.WrongAuthorization.selector);
        escrow.prepareFor(executionId, until, leg, signature, p);
    }

    function wrongAccounts(Leg memory leg) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAesEscrow.WrongAccounts.selector, leg.fn_, leg.from, leg.to);
    }

    function settled(Leg memory leg, Status status) private view returns (bytes memory) {
        return abi.encodeWithSelector(IAesEscrow.HoldSettled.selector, id, escrow.legHash(leg), status);
    }
}
