// SPDX-License-Identifier: MIT
// What the admin may do and nobody else, and the settings a deployment is refused for.
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {AesEscrow} from "../src/AesEscrow.sol";
import {IAesEscrow, Settings} from "../src/IAesEscrow.sol";
import {Leg} from "../src/Legs.sol";
import {Limits} from "../src/Reserve.sol";
import {Statements} from "../src/Statements.sol";
import {Base} from "./Base.sol";
import {vm} from "./Vm.sol";

contract ControlsTest is Base {
    function test_a_pause_stops_every_kind_of_prepare() public {
        fundVault(1 * ALZ);
        vm.prank(admin);
        escrow.pause();
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.EscrowPaused.selector));
        this.prepareLeg(lockLeg(1));
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.EscrowPaused.selector));
        this.prepareReserveLeg(unlockLeg(1));
        vm.prank(admin);
        escrow.unpause();
        prepare(lockLeg(1));
    }

    function test_only_the_admin_controls() public {
        bytes memory refusal =
            abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this));
        vm.expectRevert(refusal);
        escrow.pause();
        vm.expectRevert(refusal);
        escrow.unpause();
        vm.expectRevert(refusal);
        escrow.scheduleLimits(Limits(1, 1, 1));
    }

    function test_the_admin_hands_over_in_two_steps() public {
        vm.prank(admin);
        escrow.transferOwnership(recipient);
        vm.assertEq(escrow.owner(), admin, "not yet");
        vm.prank(recipient);
        escrow.acceptOwnership();
        vm.assertEq(escrow.owner(), recipient, "now");
    }

    function test_limits_change_after_their_delay() public {
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.NoPendingLimits.selector));
        escrow.applyLimits();

        uint64 applicableAt = uint64(block.timestamp) + LIMITS_DELAY;
        vm.prank(admin);
        escrow.scheduleLimits(Limits(7, 8, 9));
        (Limits memory pending, uint64 at_) = escrow.pendingLimits();
        vm.assertEq(uint256(pending.maxLeg) + at_, 7 + uint256(applicableAt), "pending");

        vm.warp(applicableAt - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IAesEscrow.LimitsNotYet.selector, applicableAt - 1, applicableAt)
        );
        escrow.applyLimits();

        vm.warp(applicableAt);
        escrow.applyLimits();
        Limits memory now_ = escrow.limits();
        vm.assertEq(keccak256(abi.encode(now_)), keccak256(abi.encode(Limits(7, 8, 9))), "limits");
        vm.assertEq(escrow.reserveAvailable(), 8, "the bucket is cut to its new size");
        (, at_) = escrow.pendingLimits();
        vm.assertEq(at_, 0, "nothing pending");
    }

    function test_a_raised_rate_does_not_refill_the_past() public {
        fundVault(1_000 * ALZ);
        prepareReserve(unlockLeg(500 * ALZ));
        vm.prank(admin);
        escrow.scheduleLimits(Limits(1_000 * ALZ, 5_000 * ALZ, 2_000 * ALZ));
        vm.warp(uint256(deadline) + 10);
        escrow.applyLimits();
        vm.assertEq(escrow.reserveAvailable(), 500 * ALZ, "what the old rate had filled");
    }

    function test_the_vault_takes_no_nothing() public {
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.ZeroAmount.selector));
        escrow.fundVault(0);
        vm.prank(depositor);
        vm.expectEmit(address(escrow));
        emit IAesEscrow.VaultFunded(depositor, 5);
        escrow.fundVault(5);
        assertBooks(5, 0, 0);
    }

    function test_says_what_it_is() public view {
        vm.assertEq(escrow.version(), "1", "version");
        vm.assertEq(escrow.homeChain(), HOME_CHAIN, "home chain");
        vm.assertEq(keccak256(escrow.coordinator()), keccak256(COORDINATOR), "coordinator");
        vm.assertEq(escrow.chain(), "eip155:31337", "chain");
        vm.assertEq(escrow.token(), address(token), "token");
        vm.assertEq(escrow.currentSet(), 1, "set");
        vm.assertEq(escrow.domainSalt(), Statements.domainSalt(HOME_CHAIN, COORDINATOR), "salt");
    }

    function test_refuses_wrong_settings() public {
        Settings memory s = settings(address(token));
        s.homeChain = "cosmos";
        refuse(s, "homeChain");
        s = settings(address(token));
        s.coordinator = "";
        refuse(s, "coordinator");
        refuse(settings(address(0xdead)), "token");
        s = settings(address(token));
        s.maxHorizon = 0;
        refuse(s, "maxHorizon");
        s.maxHorizon = type(uint64).max;
        refuse(s, "maxHorizon");
        s = settings(address(token));
        s.escapeDelay = 0;
        refuse(s, "escapeDelay");
        s = settings(address(token));
        s.limitsDelay = type(uint64).max;
        refuse(s, "limitsDelay");
        s = settings(address(token));
        s.setGrace = type(uint64).max;
        refuse(s, "setGrace");
    }

    function prepareLeg(Leg memory leg) external {
        prepare(leg);
    }

    function prepareReserveLeg(Leg memory leg) external {
        prepareReserve(leg);
    }

    function refuse(Settings memory s, string memory setting) private {
        vm.expectRevert(abi.encodeWithSelector(IAesEscrow.WrongSetting.selector, setting));
        new AesEscrow(s);
    }
}
