// SPDX-License-Identifier: MIT
// Everything an outsider needs of the escrow: its types, messages, queries, events and errors.
pragma solidity 0.8.37;

import {AttestorSet, Attestor} from "./Certificates.sol";
import {Status} from "./Holds.sol";
import {Leg} from "./Legs.sol";
import {Limits} from "./Reserve.sol";
import {Terms} from "./Terms.sol";

/// @notice An EIP-2612 permit for the escrow. `deadline` 0 means there is none.
struct PermitData {
    uint256 value;
    uint256 deadline;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @notice What a deployment fixes for the life of this escrow, and the limits and set it starts with.
struct Settings {
    /// CAIP-2 name of the chain that decides.
    string homeChain;
    /// Canonical bytes of the coordinator's account there.
    bytes coordinator;
    /// ALZ on this chain. It must move exactly the amount it is asked to.
    address token;
    AttestorSet attestorSet;
    Limits limits;
    /// A prepare's deadline lies at most this many seconds ahead.
    uint64 maxHorizon;
    /// A depositor may escape this many seconds after the deadline.
    uint64 escapeDelay;
    /// New limits wait this many seconds in the open.
    uint64 limitsDelay;
    /// A rotated-out set stays valid for `maxHorizon + setGrace` seconds.
    uint64 setGrace;
    address admin;
}

/// @title The AES escrow of one EVM chain
/// @notice Holds the legs of executions until the home chain's decision, certified by the attestors, settles them.
interface IAesEscrow {
    /// @notice A leg is held. Its accounts are not here: the leg hash covers them, and the home chain has the leg whole.
    event Prepared(bytes32 indexed executionId, bytes32 indexed legHash, Terms terms);
    event Finalized(bytes32 indexed executionId, bytes32 indexed legHash);
    event Released(bytes32 indexed executionId, bytes32 indexed legHash, bool wasHeld);
    event Escaped(bytes32 indexed executionId, bytes32 indexed legHash);
    /// @notice The token refused; the hold stays Held and the same message may be sent again.
    event SettlementFailed(bytes32 indexed executionId, bytes32 indexed legHash, bytes reason);
    /// @notice The message had been obeyed before; nothing moved.
    event Repeated(bytes32 indexed executionId, bytes32 indexed legHash, Status status);
    /// @notice `set` is current from now on; the one before it expires at `previousExpiresAt`.
    event SetRotated(uint64 indexed id, bytes32 setHash, AttestorSet set, uint64 previousExpiresAt);
    /// @notice That rotation had been made before; nothing changed.
    event SetRotationRepeated(uint64 indexed id, bytes32 setHash);
    event LimitsScheduled(Limits limits, uint64 applicableAt);
    event LimitsApplied(Limits limits);
    event VaultFunded(address indexed from, uint128 amount);
    event Paused();
    event Unpaused();

    /// @notice New holds are stopped; settling and escaping go on.
    error EscrowPaused();
    error DeadlinePassed(uint64 deadline, uint256 nowSeconds);
    error DeadlineTooFar(uint64 deadline, uint256 latest);
    error ZeroAmount();
    error LegTooLarge(uint128 amount, uint128 maxLeg);
    /// @notice `from` and `to` do not fit the leg's function (protocol, section 3).
    error WrongAccounts(uint8 fn_, address from, address to);
    /// @notice ALZ given to the escrow or to the token would be lost. To fill the vault, use lock.
    error WrongRecipient(address to);
    /// @notice The leg takes from the reserve: use prepareReserve. Or it takes from an account: use prepare.
    error WrongSource(uint8 fn_);
    /// @notice Only the leg's `from` may do this.
    error NotTheDepositor(address caller, address depositor);
    /// @notice The depositor's signature over Deposit(executionId, legHash, deadline) does not verify.
    error WrongAuthorization(address depositor, bytes32 digest);
    /// @notice The leg is held already, with another deadline.
    error HoldHasOtherDeadline(bytes32 executionId, bytes32 legHash, uint64 held, uint64 asked);
    /// @notice The hold has ended, or may never begin: a tombstone stands there.
    error HoldSettled(bytes32 executionId, bytes32 legHash, Status status);
    /// @notice The hold ended the other way; no decision can change that.
    error HoldSettledOtherwise(bytes32 executionId, bytes32 legHash, Status status);
    /// @notice There is nothing to finalize or to escape with.
    error NothingHeld(bytes32 executionId, bytes32 legHash);
    error EscapeTooEarly(uint256 nowSeconds, uint256 opensAt);
    /// @notice The leg is no leaf under the manifest root.
    error LegNotInManifest(bytes32 legHash, bytes32 manifestRoot);
    /// @notice There is no execution in the batch, or no leg in an execution.
    error EmptyBatch();
    error BatchTooLarge(uint256 legs, uint256 bound);
    /// @notice The batch ends before what begins at byte `offset` of it does.
    error BatchCutShort(uint256 offset, uint256 length);
    /// @notice This settlement's path leads to another root than the first one's.
    error OtherDecisionsRoot(bytes32 executionId, bytes32 root, bytes32 expected);
    /// @notice A token call failed with less gas than it may need: send the transaction again with more.
    error TooLittleGas(uint256 left, uint256 needed);
    /// @notice The token would not give the depositor the money back.
    error TokenRefused(bytes reason);
    error NotTheNextSet(uint64 current, uint64 given);
    /// @notice Only the current set can name the next one.
    error NotTheCurrentSet(uint64 current, uint64 signedBy);
    error NoPendingLimits();
    error LimitsNotYet(uint256 nowSeconds, uint64 applicableAt);
    /// @notice A setting of the deployment is missing or out of range.
    error WrongSetting(string name);

    /// @notice The depositor, who is the sender, puts the leg's ALZ, from the allowance given to this escrow, into a hold.
    /// @param terms the rest of the leg, packed: index (1 byte), function (1), deadline (8), amount (16).
    /// @param to zero for lock and burn.
    function prepare(Terms terms, address to, bytes32 executionId) external;

    /// @notice The same, sent by anyone with the depositor's signature over Deposit(executionId, legHash, deadline).
    /// @dev A bare permit names no execution: whoever saw it could spend it under an execution and a `to` of
    /// their own. The signature ties the money to this one hold.
    function prepareFor(
        bytes32 executionId,
        uint64 deadline,
        Leg calldata leg,
        bytes calldata authorization,
        PermitData calldata permit
    ) external;

    /// @notice Anyone prepares an unlock or a mint that the attestors saw opened and covered.
    /// @param proof of the leg under `manifestRoot`.
    /// @param opened certificate on Opened(executionId, manifestRoot, deadline, attestorSet).
    function prepareReserve(
        bytes32 executionId,
        uint64 deadline,
        Leg calldata leg,
        bytes32 manifestRoot,
        bytes32[] calldata proof,
        bytes calldata opened
    ) external;

    /// @notice Gives each leg to its destination. At most MAX_BATCH legs.
    /// @param batch a certificate on Decided(decisionsRoot, attestorSet), and behind it, for each execution: its id (32 bytes),
    /// the length of its commit leaf's path (1), the number of its legs (1), the path (32 each), the legs (58 each: index 1,
    /// function 1, amount 16, from 20, to 20).
    function finalizeBatch(bytes calldata batch) external;

    /// @notice Gives each leg back to its source, or forbids it for ever where nothing is held. At most MAX_BATCH legs.
    /// @param batch as in finalizeBatch, with abort leaves.
    function releaseBatch(bytes calldata batch) external;

    /// @notice The depositor takes a hold back that no decision reached for `escapeDelay` after its deadline.
    function escape(bytes32 executionId, Leg calldata leg) external;

    /// @notice Adds the next attestor set, signed by the current one.
    /// @param rotated certificate on Rotated(newSet, newSetHash, attestorSet).
    function rotate(AttestorSet calldata next, bytes calldata rotated) external;

    /// @notice Adds to the vault from the sender's allowance.
    function fundVault(uint128 amount) external;

    function pause() external;
    function unpause() external;
    function scheduleLimits(Limits calldata limits) external;
    /// @notice Anyone, once the delay has passed.
    function applyLimits() external;

    function holdOf(bytes32 executionId, bytes32 legHash)
        external
        view
        returns (Status status, uint64 deadline, uint64 heldAt, uint64 settledAt);
    function legHash(Leg calldata leg) external view returns (bytes32);

    /// @notice The reserve that unlock legs draw on.
    function vault() external view returns (uint256);
    /// @notice The escrow's balance beyond the vault: what pending legs hold, and whatever was sent here by mistake.
    function held() external view returns (uint256);
    /// @notice What this escrow minted, less what it burned.
    function issued() external view returns (int256);
    function limits() external view returns (Limits memory);
    /// @notice Limits that wait; `applicableAt` 0 where none do.
    function pendingLimits() external view returns (Limits memory limits, uint64 applicableAt);
    /// @notice How much reserve could leave now under `reservePerHour`.
    function reserveAvailable() external view returns (uint128);
    function paused() external view returns (bool);

    /// @notice A set by id; threshold 0 where there is none, `expiresAt` 0 where it does not expire.
    function attestorSet(uint64 id)
        external
        view
        returns (uint8 threshold, uint64 expiresAt, Attestor[] memory attestors);
    function attestorSetHash(uint64 id) external view returns (bytes32);
    function currentSet() external view returns (uint64);

    /// @notice CAIP-2 name of this chain.
    function chain() external view returns (string memory);
    function homeChain() external view returns (string memory);
    function coordinator() external view returns (bytes memory);
    function token() external view returns (address);
    function domainSeparator() external view returns (bytes32);
    function domainSalt() external view returns (bytes32);
    function maxHorizon() external view returns (uint64);
    function escapeDelay() external view returns (uint64);
    function limitsDelay() external view returns (uint64);
    function setGrace() external view returns (uint64);
    function version() external view returns (string memory);
}
