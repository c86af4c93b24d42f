// SPDX-License-Identifier: MIT
// How holds end: by the decision, alone and in batches; or by escape.
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {AttestorSets} from "./AttestorSets.sol";
import {Batches} from "./Batches.sol";
import {Books} from "./Books.sol";
import {Certificates} from "./Certificates.sol";
import {Hold, Holds, HoldSlot, Status} from "./Holds.sol";
import {IAesEscrow} from "./IAesEscrow.sol";
import {Leg, Legs} from "./Legs.sol";
import {Place} from "./Place.sol";
import {Statements} from "./Statements.sol";

abstract contract Settling is AttestorSets, Place, Books {
    /// @notice The most legs one finalize or release takes.
    uint256 public constant MAX_BATCH = 64;

    uint8 private constant COMMIT = 1;
    uint8 private constant ABORT = 2;

    /// @inheritdoc IAesEscrow
    uint64 public immutable escapeDelay;

    constructor(uint64 delay) {
        escapeDelay = delay;
    }

    /// @inheritdoc IAesEscrow
    function finalizeBatch(bytes calldata batch) external {
        settleAll(batch, COMMIT, Status.Finalized);
    }

    /// @inheritdoc IAesEscrow
    function releaseBatch(bytes calldata batch) external {
        settleAll(batch, ABORT, Status.Released);
    }

    /// @inheritdoc IAesEscrow
    function escape(bytes32 executionId, Leg calldata leg) external {
        require(msg.sender == leg.from, NotTheDepositor(msg.sender, leg.from));
        require(Legs.isAccountSourced(uint8(leg.fn_)), WrongSource(uint8(leg.fn_)));
        bytes32 hash = hashOf(leg);
        HoldSlot storage slot = Holds.slotOf(executionId, hash);
        Hold hold = slot.hold;
        Status status = hold.status();
        if (status == Status.Escaped) {
            emit Repeated(executionId, hash, status);
            return;
        }
        require(status != Status.None, NothingHeld(executionId, hash));
        require(status == Status.Held, HoldSettledOtherwise(executionId, hash, status));
        uint256 opensAt = uint256(hold.deadline()) + escapeDelay;
        require(block.timestamp >= opensAt, EscapeTooEarly(block.timestamp, opensAt));

        slot.hold = hold.end(Status.Escaped);
        emit Escaped(executionId, hash);
        (bool ok, bytes memory reason) = giveBack(uint8(leg.fn_), leg.from, leg.amount);
        require(ok, TokenRefused(reason));
    }

    /// @inheritdoc IAesEscrow
    function holdOf(bytes32 executionId, bytes32 hash)
        external
        view
        returns (Status, uint64, uint64, uint64)
    {
        Hold hold = Holds.slotOf(executionId, hash).hold;
        return (hold.status(), hold.deadline(), hold.heldAt(), hold.settledAt());
    }

    /// @dev One walk through the batch. The first execution's root is what the certificate must be on; all others' must be
    /// the same. Offsets into calldata, and counts of a byte each, are too small to overflow.
    function settleAll(bytes calldata batch, uint8 decision, Status outcome) private {
        unchecked {
            (uint256 certificate, uint256 end) = Batches.bounds(batch);
            uint256 offset = certificate + Certificates.sizeAt(certificate);
            require(offset <= end, BatchCutShort(0, batch.length));
            require(offset != end, EmptyBatch());
            bytes32 certified;
            uint256 count;
            do {
                bytes32 executionId = Batches.word(offset);
                (bytes32[] calldata path, uint256 legs, uint256 next) = Batches.execution(offset);
                require(next <= end, BatchCutShort(offset - certificate, batch.length));
                require(legs != next, EmptyBatch());
                count += (next - legs) / Batches.LEG_BYTES;
                require(count <= MAX_BATCH, BatchTooLarge(count, MAX_BATCH));

                bytes32 leaf = Statements.leaf(Statements.decision(executionId, decision));
                bytes32 root = path.length == 0 ? leaf : MerkleProof.processProofCalldata(path, leaf);
                if (certified == 0) {
                    verify(certificate, Statements.decided(root, Certificates.setAt(certificate)));
                    certified = root;
                }
                require(root == certified, OtherDecisionsRoot(executionId, root, certified));
                for (offset = legs; offset != next; offset += Batches.LEG_BYTES) {
                    settle(executionId, offset, outcome);
                }
            } while (offset != end);
        }
    }

    /// @dev One leg. What the token refuses stays Held and is told, so the rest of the batch goes through.
    function settle(bytes32 executionId, uint256 offset, Status outcome) private {
        (uint256 index, uint256 fn, address from, address to, uint128 amount) = Batches.leg(offset);
        bytes32 hash = hashOf(index, fn, from, to, amount);
        HoldSlot storage slot = Holds.slotOf(executionId, hash);
        Hold hold = slot.hold;
        Status status = hold.status();
        if (status == Status.Held) {
            slot.hold = hold.end(outcome);
            (bool ok, bytes memory reason) =
                outcome == Status.Finalized ? give(fn, to, amount) : giveBack(fn, from, amount);
            if (!ok) {
                slot.hold = hold;
                emit SettlementFailed(executionId, hash, reason);
            } else if (outcome == Status.Finalized) {
                emit Finalized(executionId, hash);
            } else {
                emit Released(executionId, hash, true);
            }
        } else if (status == Status.None) {
            require(outcome == Status.Released, NothingHeld(executionId, hash));
            slot.hold = hold.end(Status.Released);
            emit Released(executionId, hash, false);
        } else {
            // What was escaped is back with its depositor, which is all an abort asks for.
            require(
                status == outcome || (status == Status.Escaped && outcome == Status.Released),
                HoldSettledOtherwise(executionId, hash, status)
            );
            emit Repeated(executionId, hash, status);
        }
    }
}
