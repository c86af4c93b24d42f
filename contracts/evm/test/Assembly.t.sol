// SPDX-License-Identifier: MIT
// What is written in assembly for its gas, held against the same in plain Solidity.
pragma solidity 0.8.37;

import {AesEscrow} from "../src/AesEscrow.sol";
import {Hold, Holds, Status} from "../src/Holds.sol";
import {Settings} from "../src/IAesEscrow.sol";
import {Function, Leg, Legs} from "../src/Legs.sol";
import {Statements} from "../src/Statements.sol";
import {Terms} from "../src/Terms.sol";
import {Base} from "./Base.sol";
import {Packing} from "./Packing.sol";
import {Vm, vm} from "./Vm.sol";

/// @dev An escrow whose prepare can be had without `look`.
contract PlainEscrow is AesEscrow {
    constructor(Settings memory s) AesEscrow(s) {}

    function preparePlainly(Terms terms, address to, bytes32 executionId) external {
        require(Legs.isAccountSourced(terms.fn()), WrongSource(terms.fn()));
        (, bool begun) = begin(terms, msg.sender, to, executionId);
        if (begun) pull(msg.sender, terms.amount());
    }
}

contract AssemblyTest is Base {
    PlainEscrow private plain;

    struct Outcome {
        bool ok;
        bytes answer;
        bytes32 logs;
        bytes32 hold;
        uint256 balance;
    }

    function setUp() public override {
        super.setUp();
        plain = new PlainEscrow(settings(address(token)));
        escrow = plain;
        vm.prank(depositor);
        token.approve(address(escrow), type(uint256).max);
    }

    /// Same answer, same logs, same hold, same balances: whatever is sent, and whatever is there already.
    function testFuzz_a_prepare_is_the_plain_one(
        uint256 fn,
        uint256 when,
        uint256 amount,
        uint256 to,
        uint256 index,
        uint256 before
    ) public {
        Leg memory leg = Leg({
            index: uint8(index),
            fn_: Function(fn % 5),
            from: depositor,
            to: [address(0), recipient, address(escrow), address(token), address(uint160(to))][to % 5],
            amount: uint128([0, 1, 1_000 * ALZ, 1_000 * ALZ + 1, amount, amount % (1_000 * ALZ)][amount % 6])
        });
        uint64 now_ = uint64(block.timestamp);
        uint64 until =
            [0, now_, now_ + 1, now_ + HORIZON, now_ + HORIZON + 1, deadline, uint64(when)][when % 7];
        arrange(leg, before);
        Terms terms = Packing.terms(until, leg);
        // A function that is none of the five, too.
        if (fn % 16 == 15) terms = Terms.wrap(Terms.unwrap(terms) | bytes26(uint208(fn % 256) << 192));

        uint256 snapshot = vm.snapshotState();
        Outcome memory fast = outcome(abi.encodeCall(escrow.prepare, (terms, leg.to, id)), leg);
        vm.revertToState(snapshot);
        Outcome memory slow = outcome(abi.encodeCall(plain.preparePlainly, (terms, leg.to, id)), leg);
        vm.assertEq(keccak256(abi.encode(fast)), keccak256(abi.encode(slow)), "the same");
    }

    function testFuzz_a_leg_hash_is_the_plain_one(
        uint8 index,
        uint256 fn,
        address from,
        address to,
        uint128 amount
    ) public view {
        // Half of them without the one account or the other.
        Leg memory leg = Leg({
            index: index,
            fn_: Function(fn % 5),
            from: fn & 32 == 0 ? from : address(0),
            to: fn & 64 == 0 ? to : address(0),
            amount: amount
        });
        bytes32 typeHash = keccak256(
            "Leg(uint8 index,string chain,bytes escrow,uint8 function,bytes from,bytes to,uint128 amount)"
        );
        bytes32 hash = keccak256(
            abi.encode(
                typeHash,
                leg.index,
                keccak256("eip155:31337"),
                keccak256(abi.encodePacked(address(escrow))),
                leg.fn_,
                leg.from == address(0) ? keccak256("") : keccak256(abi.encodePacked(leg.from)),
                leg.to == address(0) ? keccak256("") : keccak256(abi.encodePacked(leg.to)),
                leg.amount
            )
        );
        vm.assertEq(escrow.legHash(leg), hash, "leg hash");
    }

    function testFuzz_a_statement_is_the_plain_one(bytes32 word, uint64 set, uint8 which) public pure {
        bytes32 decided = keccak256("Decided(bytes32 decisionsRoot,uint64 attestorSet)");
        vm.assertEq(Statements.decided(word, set), keccak256(abi.encode(decided, word, set)), "decided");
        bytes32 decision = keccak256("Decision(bytes32 executionId,uint8 decision)");
        vm.assertEq(
            Statements.decision(word, which), keccak256(abi.encode(decision, word, which)), "decision"
        );
        vm.assertEq(Statements.leaf(word), keccak256(abi.encodePacked(word)), "leaf");
    }

    function testFuzz_terms_are_read_as_packed(uint8 index, uint8 fn, uint64 until, uint128 amount)
        public
        pure
    {
        Terms terms = Terms.wrap(bytes26(abi.encodePacked(index, fn, until, amount)));
        vm.assertEq(uint256(terms.index()), index, "index");
        vm.assertEq(uint256(terms.fn()), fn, "function");
        vm.assertEq(uint256(terms.deadline()), until, "deadline");
        vm.assertEq(uint256(terms.amount()), amount, "amount");
    }

    function testFuzz_a_hold_lies_where_its_two_hashes_say(bytes32 executionId, bytes32 legHash) public {
        vm.warp(5);
        bytes32 slot = keccak256(abi.encode(executionId, legHash));
        bytes32 found;
        Hold hold = Holds.begin(7);
        Holds.slotOf(executionId, legHash).hold = hold;
        assembly ("memory-safe") {
            found := sload(slot)
        }
        vm.assertEq(uint256(found), Hold.unwrap(hold), "the slot");
        vm.assertEq(uint256(hold.end(Status.Escaped).status()), uint256(Status.Escaped), "status");
    }

    // ---- helpers

    /// Nothing there; the leg held; a tombstone; a pause; no allowance.
    function arrange(Leg memory leg, uint256 before) private {
        before %= 8;
        if (before == 1) try this.prepareAs(leg) {} catch {}
        if (before == 2) release(leg);
        if (before == 3) {
            vm.prank(admin);
            escrow.pause();
        }
        if (before == 4) {
            vm.prank(depositor);
            token.approve(address(escrow), 0);
        }
    }

    function prepareAs(Leg memory leg) external {
        prepare(leg);
    }

    function outcome(bytes memory call, Leg memory leg) private returns (Outcome memory end) {
        vm.recordLogs();
        vm.prank(depositor);
        (end.ok, end.answer) = address(escrow).call(call);
        end.logs = keccak256(abi.encode(vm.getRecordedLogs()));
        end.hold = vm.load(address(escrow), keccak256(abi.encode(id, escrow.legHash(leg))));
        end.balance = token.balanceOf(depositor);
    }
}
