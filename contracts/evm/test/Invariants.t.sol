// SPDX-License-Identifier: MIT
// P1, P5 and P8 under any order of messages: a model that follows the protocol page beside the escrow, compared
// after every step.
pragma solidity 0.8.37;

import {AesEscrow} from "../src/AesEscrow.sol";
import {Status} from "../src/Holds.sol";
import {Function, Leg} from "../src/Legs.sol";
import {Base} from "./Base.sol";
import {Packing} from "./Packing.sol";
import {vm} from "./Vm.sol";

/// @dev Sends any message in any order; honest attestors commit only what is held whole. Counts what the legs move.
contract Handler is Base {
    uint256 public constant EXECUTIONS = 4;
    uint256 public constant LEGS = 5;

    mapping(uint256 execution => mapping(uint256 leg => Status)) public statuses;
    mapping(uint256 execution => uint8) public decisions;
    mapping(uint256 execution => bool) public escaped;
    uint256 public vault;
    uint256 public held;
    int256 public issued;
    uint256 public donated;

    function setUp() public override {
        super.setUp();
        deadline = uint64(block.timestamp) + HORIZON;
        fundVault(1_000 * ALZ);
        vault = 1_000 * ALZ;
    }

    function parts() external view returns (AesEscrow, address, uint256) {
        return (escrow, address(token), token.totalSupply());
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + time % 3 hours);
    }

    function send(uint256 execution, uint256 which) public {
        Leg memory leg = pick(execution, which);
        execution %= EXECUTIONS;
        bool begins = statuses[execution][leg.index] == Status.None;
        if (leg.from == address(0)) {
            try this.prepareReserveLeg(leg) {}
            catch {
                return;
            }
        } else {
            vm.prank(depositor);
            try escrow.prepare(Packing.terms(deadline, leg), leg.to, id) {}
            catch {
                return;
            }
        }
        if (!begins) return;
        statuses[execution][leg.index] = Status.Held;
        held += leg.amount;
        if (leg.fn_ == Function.Unlock) vault -= leg.amount;
        if (leg.fn_ == Function.Mint) issued += int256(uint256(leg.amount));
    }

    function sendAll(uint256 execution) external {
        for (uint256 i; i < LEGS; ++i) {
            send(execution, i);
        }
    }

    /// The coordinator decides once: commit where every leg is held, else whatever `abort` says.
    function settle(uint256 execution, uint256 which, bool abort) public {
        Leg memory leg = pick(execution, which);
        execution %= EXECUTIONS;
        if (decisions[execution] == 0) {
            if (abort) decisions[execution] = ABORT;
            else if (wholeIsHeld(execution)) decisions[execution] = COMMIT;
            else return;
        }
        bool commit = decisions[execution] == COMMIT;
        Status before = statuses[execution][leg.index];
        if (commit && before == Status.Escaped) return;

        if (commit) finalize(leg);
        else release(leg);

        if (before == Status.None) statuses[execution][leg.index] = Status.Released;
        if (before != Status.Held) return;
        statuses[execution][leg.index] = commit ? Status.Finalized : Status.Released;
        held -= leg.amount;
        if (commit ? leg.fn_ == Function.Lock : leg.fn_ == Function.Unlock) vault += leg.amount;
        if (commit ? leg.fn_ == Function.Burn : leg.fn_ == Function.Mint) {
            issued -= int256(uint256(leg.amount));
        }
    }

    /// P5: whatever was sent, sent again.
    function settleTwice(uint256 execution, uint256 which, bool abort) external {
        settle(execution, which, abort);
        settle(execution, which, !abort);
    }

    /// ALZ sent to the escrow past its messages: nobody's, and no leg ever moves it.
    function donate(uint256 amount) external {
        amount %= 3 * ALZ;
        vm.prank(depositor);
        token.transfer(address(escrow), amount);
        donated += amount;
    }

    function escape(uint256 execution, uint256 which) external {
        Leg memory leg = pick(execution, which);
        execution %= EXECUTIONS;
        vm.prank(depositor);
        try escrow.escape(id, leg) {}
        catch {
            return;
        }
        if (statuses[execution][leg.index] != Status.Held) return;
        statuses[execution][leg.index] = Status.Escaped;
        held -= leg.amount;
    }

    function prepareReserveLeg(Leg memory leg) external {
        prepareReserve(leg);
    }

    /// Execution and leg by any two numbers; each execution has one leg of each function.
    function pick(uint256 execution, uint256 which) public returns (Leg memory leg) {
        execution %= EXECUTIONS;
        which %= LEGS;
        id = keccak256(abi.encode("execution", execution));
        uint128 amount = uint128(execution * LEGS + which + 1) * ALZ;
        if (which == 0) return transferLeg(amount);
        if (which == 1) return lockLeg(amount);
        if (which == 2) return unlockLeg(amount);
        if (which == 3) return mintLeg(amount);
        return burnLeg(amount);
    }

    function wholeIsHeld(uint256 execution) private view returns (bool) {
        for (uint256 i; i < LEGS; ++i) {
            if (statuses[execution][i] != Status.Held) return false;
        }
        return true;
    }

    function hashOf(uint256 execution, uint256 which)
        external
        returns (bytes32 executionId, bytes32 legHash)
    {
        Leg memory leg = pick(execution, which);
        return (id, escrow.legHash(leg));
    }
}

contract InvariantsTest {
    Handler private handler;
    uint256 private firstSupply;

    function setUp() public {
        handler = new Handler();
        handler.setUp();
        (,, firstSupply) = handler.parts();
    }

    function targetContracts() external view returns (address[] memory contracts) {
        contracts = new address[](1);
        contracts[0] = address(handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        targets[0].selectors = new bytes4[](7);
        targets[0].selectors[0] = Handler.wait.selector;
        targets[0].selectors[1] = Handler.send.selector;
        targets[0].selectors[2] = Handler.sendAll.selector;
        targets[0].selectors[3] = Handler.settle.selector;
        targets[0].selectors[4] = Handler.settleTwice.selector;
        targets[0].selectors[5] = Handler.escape.selector;
        targets[0].selectors[6] = Handler.donate.selector;
    }

    /// P1 on one chain: no execution has one leg finalized and another released.
    function invariant_P1_all_or_none() external {
        (AesEscrow escrow,,) = handler.parts();
        for (uint256 e; e < handler.EXECUTIONS(); ++e) {
            bool finalized;
            bool released;
            for (uint256 l; l < handler.LEGS(); ++l) {
                (bytes32 id, bytes32 legHash) = handler.hashOf(e, l);
                (Status status,,,) = escrow.holdOf(id, legHash);
                finalized = finalized || status == Status.Finalized;
                released = released || status == Status.Released;
            }
            vm.assertFalse(finalized && released, "one leg finalized, another released");
        }
    }

    /// P5: repeats, late and reordered messages leave every hold where the model has it.
    function invariant_P5_every_hold_is_where_the_model_has_it() external {
        (AesEscrow escrow,,) = handler.parts();
        for (uint256 e; e < handler.EXECUTIONS(); ++e) {
            for (uint256 l; l < handler.LEGS(); ++l) {
                (bytes32 id, bytes32 legHash) = handler.hashOf(e, l);
                (Status status,,,) = escrow.holdOf(id, legHash);
                vm.assertEq(uint256(status), uint256(handler.statuses(e, l)), "status");
            }
        }
    }

    /// P8: vault + held + issued changes only by what legs move; `held` shows donations, and they stay where they are.
    function invariant_P8_conservation() external view {
        (AesEscrow escrow,, uint256 supply) = handler.parts();
        vm.assertEq(escrow.vault(), handler.vault(), "vault");
        vm.assertEq(escrow.held(), handler.held() + handler.donated(), "held");
        vm.assertEq(escrow.issued(), handler.issued(), "issued");
        vm.assertEq(int256(supply), int256(firstSupply) + escrow.issued(), "supply");
    }
}
