// SPDX-License-Identifier: MIT
// How holds begin: from an account, by its owner or with its owner's signature; from the reserve, by a certificate.
pragma solidity 0.8.37;

import {IERC7802} from "@openzeppelin/contracts/interfaces/draft-IERC7802.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {AttestorSets} from "./AttestorSets.sol";
import {Books} from "./Books.sol";
import {Certificates} from "./Certificates.sol";
import {Controls} from "./Controls.sol";
import {Hold, Holds, HoldSlot, Status} from "./Holds.sol";
import {IAesEscrow, PermitData} from "./IAesEscrow.sol";
import {Function, Leg, Legs} from "./Legs.sol";
import {Place} from "./Place.sol";
import {Bucket, Reserve} from "./Reserve.sol";
import {Statements} from "./Statements.sol";
import {Terms, TermsOf} from "./Terms.sol";

abstract contract Preparing is Controls, AttestorSets, Place, Books {
    using Reserve for Bucket;

    Bucket private _bucket;

    constructor(uint128 reservePerHour) {
        _bucket = Bucket(reservePerHour, uint64(block.timestamp));
    }

    /// @inheritdoc IAesEscrow
    function prepare(Terms terms, address to, bytes32 executionId) external {
        (bool clear, bytes32 slot, bytes32 hash) = look(terms, to, executionId);
        if (clear) {
            uint256 hold = Hold.unwrap(Holds.begin(terms.deadline()));
            bytes32 prepared = Prepared.selector;
            assembly ("memory-safe") {
                sstore(slot, hold)
                mstore(0, terms)
                log3(0, 0x20, prepared, executionId, hash)
            }
        } else {
            require(Legs.isAccountSourced(terms.fn()), WrongSource(terms.fn()));
            (, bool begun) = begin(terms, msg.sender, to, executionId);
            if (!begun) return;
        }
        pull(msg.sender, terms.amount());
    }

    /// @inheritdoc IAesEscrow
    function prepareFor(
        bytes32 executionId,
        uint64 deadline,
        Leg calldata leg,
        bytes calldata authorization,
        PermitData calldata permit
    ) external {
        require(Legs.isAccountSourced(uint8(leg.fn_)), WrongSource(uint8(leg.fn_)));
        (bytes32 hash, bool begun) = begin(TermsOf.from(leg, deadline), leg.from, leg.to, executionId);
        if (!begun) return;

        bytes32 digest = MessageHashUtils.toTypedDataHash(
            domainSeparator, Statements.deposit(executionId, hash, deadline)
        );
        require(
            SignatureChecker.isValidSignatureNowCalldata(leg.from, digest, authorization),
            WrongAuthorization(leg.from, digest)
        );
        if (permit.deadline != 0) {
            // Anyone may have used the permit already; then the allowance is there and this may fail.
            try IERC20Permit(address(TOKEN))
                .permit(
                    leg.from, address(this), permit.value, permit.deadline, permit.v, permit.r, permit.s
                ) {}
                catch {}
        }
        pull(leg.from, leg.amount);
    }

    /// @inheritdoc IAesEscrow
    function prepareReserve(
        bytes32 executionId,
        uint64 deadline,
        Leg calldata leg,
        bytes32 manifestRoot,
        bytes32[] calldata proof,
        bytes calldata opened
    ) external {
        require(!Legs.isAccountSourced(uint8(leg.fn_)), WrongSource(uint8(leg.fn_)));
        (bytes32 hash, bool begun) = begin(TermsOf.from(leg, deadline), leg.from, leg.to, executionId);
        if (!begun) return;

        uint256 certificate = Certificates.begin(opened);
        verify(
            certificate,
            Statements.opened(executionId, manifestRoot, deadline, Certificates.setAt(certificate))
        );
        require(
            MerkleProof.verifyCalldata(proof, manifestRoot, Statements.leaf(hash)),
            LegNotInManifest(hash, manifestRoot)
        );
        _bucket.take(leg.amount, _reservePerHour);
        if (leg.fn_ == Function.Unlock) {
            require(leg.amount <= vault, Reserve.VaultTooSmall(leg.amount, vault));
            vault -= leg.amount;
        } else {
            int256 after_ = issued + signed(leg.amount);
            require(after_ <= signed(_mintCap), Reserve.MintCapExceeded(leg.amount, issued, _mintCap));
            issued = after_;
            IERC7802(address(TOKEN)).crosschainMint(address(this), leg.amount);
        }
    }

    /// @inheritdoc IAesEscrow
    function reserveAvailable() external view returns (uint128) {
        return _bucket.available(_reservePerHour);
    }

    /// @dev The bucket fills by the old rate until the moment the new one begins.
    function _beforeNewLimits() internal override {
        _bucket.take(0, _reservePerHour);
    }

    /// @dev Writes the hold down, before anything moves. False where the very same hold is there already.
    function begin(Terms terms, address from, address to, bytes32 executionId)
        internal
        returns (bytes32 hash, bool begun)
    {
        (uint8 fn, uint64 deadline, uint128 amount) = (terms.fn(), terms.deadline(), terms.amount());
        hash = hashOf(terms.index(), fn, from, to, amount);
        HoldSlot storage slot = Holds.slotOf(executionId, hash);
        Hold present = slot.hold;
        Status status = present.status();
        if (status != Status.None) {
            require(status == Status.Held, HoldSettled(executionId, hash, status));
            require(
                present.deadline() == deadline,
                HoldHasOtherDeadline(executionId, hash, present.deadline(), deadline)
            );
            emit Repeated(executionId, hash, status);
            return (hash, false);
        }
        require(!_paused, EscrowPaused());
        require(deadline > block.timestamp, DeadlinePassed(deadline, block.timestamp));
        require(
            deadline <= block.timestamp + maxHorizon, DeadlineTooFar(deadline, block.timestamp + maxHorizon)
        );
        require(amount > 0, ZeroAmount());
        require(amount <= _maxLeg, LegTooLarge(amount, _maxLeg));
        require(
            (from != address(0)) == Legs.isAccountSourced(fn) && (to != address(0)) == Legs.hasRecipient(fn),
            WrongAccounts(fn, from, to)
        );
        require(to != address(this) && to != address(TOKEN), WrongRecipient(to));

        slot.hold = Holds.begin(deadline);
        emit Prepared(executionId, hash, terms);
        return (hash, true);
    }

    /// @dev What `begin` looks at, for the sender, in one go: where the hold will be, the leg's hash, and whether it is clear
    /// that the hold is new and nothing is wrong. If not, `begin` finds out what is. Without a branch and in memory that is
    /// not kept: 600 gas less than the compiler makes of it, which brings a prepare below an HTLC's lock. The tests
    /// hold the two against each other.
    function look(Terms terms, address to, bytes32 executionId)
        private
        view
        returns (bool clear, bytes32 slot, bytes32 hash)
    {
        (bytes32 typeHash, bytes32 chainHash, bytes32 escrowHash) =
            (Legs.LEG_TYPEHASH, CHAIN_HASH, ESCROW_HASH);
        (uint256 horizon, address alz) = (maxHorizon, address(TOKEN));
        (uint256 accountSourced, uint256 recipient) = (Legs.ACCOUNT_SOURCED, Legs.RECIPIENT);
        assembly ("memory-safe") {
            let fn := byte(1, terms)
            let deadline := shr(192, shl(16, terms))
            let amount := shr(128, shl(80, terms))

            let words := mload(0x40)
            mstore(words, typeHash)
            mstore(add(words, 0x20), byte(0, terms))
            mstore(add(words, 0x40), chainHash)
            mstore(add(words, 0x60), escrowHash)
            mstore(add(words, 0x80), fn)
            mstore(0, shl(96, caller()))
            mstore(add(words, 0xa0), keccak256(0, 20))
            mstore(0, shl(96, to))
            mstore(add(words, 0xc0), keccak256(0, mul(20, iszero(iszero(to)))))
            mstore(add(words, 0xe0), amount)
            hash := keccak256(words, 0x100)
            mstore(0, executionId)
            mstore(0x20, hash)
            slot := keccak256(0, 0x40)

            clear := iszero(sload(slot))
            // 0 < amount <= gate, and now < deadline <= now + horizon: what is too small wraps round to too large.
            clear := and(clear, lt(sub(amount, 1), sload(_gate.slot)))
            clear := and(clear, lt(sub(sub(deadline, timestamp()), 1), horizon))
            clear := and(clear, shr(fn, accountSourced))
            clear := and(clear, eq(and(shr(fn, recipient), 1), iszero(iszero(to))))
            clear := and(clear, iszero(or(eq(to, address()), eq(to, alz))))
        }
    }
}
