// SPDX-License-Identifier: MIT
// The escrow itself: holds begin by prepare and end by finalize, release or escape. Nothing else moves ALZ.
pragma solidity 0.8.37;

import {IERC7802} from "@openzeppelin/contracts/interfaces/draft-IERC7802.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {AttestorSets} from "./AttestorSets.sol";
import {Caip2} from "./Caip2.sol";
import {Certificate, Certificates} from "./Certificates.sol";
import {Controls} from "./Controls.sol";
import {Hold, Holds, Status} from "./Holds.sol";
import {IAesEscrow, PermitData, Settings, Settlement} from "./IAesEscrow.sol";
import {Function, Leg, Legs} from "./Legs.sol";
import {Bucket, Reserve} from "./Reserve.sol";

contract AesEscrow is IAesEscrow, Controls, AttestorSets {
    using Legs for Leg;
    using Legs for Function;
    using Reserve for Bucket;
    using SafeERC20 for IERC20;

    /// @notice The most legs one finalize or release takes.
    uint256 public constant MAX_BATCH = 64;
    /// @notice The gas a token call gets at settlement. Ours takes under 40,000; a token that wants more is refused,
    /// so that it cannot starve the rest of a batch.
    uint256 public constant TOKEN_CALL_GAS = 200_000;
    /// @dev Left before the call, this much surely gives it TOKEN_CALL_GAS (EIP-150 keeps 1/64 back).
    uint256 private constant GAS_FOR_TOKEN_CALL = TOKEN_CALL_GAS * 64 / 63 + 10_000;
    /// @dev Ten years: longer settings are slips, and sums of them cannot overflow.
    uint64 private constant MAX_SECONDS = 3650 days;

    uint8 private constant COMMIT = 1;
    uint8 private constant ABORT = 2;

    IERC20 private immutable TOKEN;
    uint256 private immutable CHAIN_ID;
    bytes32 private immutable CHAIN_HASH;
    bytes32 private immutable ESCROW_HASH;
    /// @inheritdoc IAesEscrow
    uint64 public immutable escapeDelay;

    mapping(bytes32 executionId => mapping(bytes32 legHash => Hold)) private _holds;
    Bucket private _bucket;

    /// @inheritdoc IAesEscrow
    uint256 public vault;
    /// @inheritdoc IAesEscrow
    int256 public issued;
    /// @inheritdoc IAesEscrow
    string public homeChain;
    /// @inheritdoc IAesEscrow
    bytes public coordinator;

    constructor(Settings memory s)
        Controls(s.admin, s.limits, s.limitsDelay)
        AttestorSets(
            Certificates.domainSalt(s.homeChain, s.coordinator), s.attestorSet, s.maxHorizon, s.setGrace
        )
    {
        require(Caip2.isValid(s.homeChain), WrongSetting("homeChain"));
        require(s.coordinator.length > 0, WrongSetting("coordinator"));
        require(s.token.code.length > 0, WrongSetting("token"));
        require(s.maxHorizon > 0 && s.maxHorizon <= MAX_SECONDS, WrongSetting("maxHorizon"));
        require(s.escapeDelay > 0 && s.escapeDelay <= MAX_SECONDS, WrongSetting("escapeDelay"));
        require(s.limitsDelay <= MAX_SECONDS, WrongSetting("limitsDelay"));
        require(s.setGrace <= MAX_SECONDS, WrongSetting("setGrace"));

        TOKEN = IERC20(s.token);
        CHAIN_ID = block.chainid;
        CHAIN_HASH = keccak256(bytes(chainName(block.chainid)));
        ESCROW_HASH = Legs.accountHash(address(this));
        escapeDelay = s.escapeDelay;
        homeChain = s.homeChain;
        coordinator = s.coordinator;
        _bucket = Bucket(s.limits.reservePerHour, uint64(block.timestamp));
    }

    // ---- holds begin

    /// @inheritdoc IAesEscrow
    function prepare(bytes32 executionId, uint64 deadline, Leg memory leg) external {
        require(msg.sender == leg.from, NotTheDepositor(msg.sender, leg.from));
        require(leg.fn_.isAccountSourced(), WrongSource(leg.fn_));
        if (open(executionId, deadline, leg, hashOf(leg))) {
            TOKEN.safeTransferFrom(leg.from, address(this), leg.amount);
        }
    }

    /// @inheritdoc IAesEscrow
    function prepareFor(
        bytes32 executionId,
        uint64 deadline,
        Leg calldata leg,
        bytes calldata authorization,
        PermitData calldata permit
    ) external {
        require(leg.fn_.isAccountSourced(), WrongSource(leg.fn_));
        bytes32 hash = hashOf(leg);
        if (!open(executionId, deadline, leg, hash)) return;

        bytes32 digest = MessageHashUtils.toTypedDataHash(
            domainSeparator, Certificates.deposit(executionId, hash, deadline)
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
        TOKEN.safeTransferFrom(leg.from, address(this), leg.amount);
    }

    /// @inheritdoc IAesEscrow
    function prepareReserve(
        bytes32 executionId,
        uint64 deadline,
        Leg calldata leg,
        bytes32 manifestRoot,
        bytes32[] calldata proof,
        Certificate calldata opened
    ) external {
        require(!leg.fn_.isAccountSourced(), WrongSource(leg.fn_));
        bytes32 hash = hashOf(leg);
        if (!open(executionId, deadline, leg, hash)) return;

        verify(opened, Certificates.opened(executionId, manifestRoot, deadline, opened.attestorSet));
        require(
            MerkleProof.verifyCalldata(proof, manifestRoot, Certificates.leaf(hash)),
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

    // ---- holds end

    /// @inheritdoc IAesEscrow
    function finalize(Certificate calldata decided, Settlement[] calldata settlements) external {
        settleAll(decided, settlements, COMMIT, Status.Finalized);
    }

    /// @inheritdoc IAesEscrow
    function release(Certificate calldata decided, Settlement[] calldata settlements) external {
        settleAll(decided, settlements, ABORT, Status.Released);
    }

    /// @inheritdoc IAesEscrow
    function escape(bytes32 executionId, Leg calldata leg) external {
        require(msg.sender == leg.from, NotTheDepositor(msg.sender, leg.from));
        require(leg.fn_.isAccountSourced(), WrongSource(leg.fn_));
        bytes32 hash = hashOf(leg);
        Hold hold = _holds[executionId][hash];
        Status status = hold.status();
        if (status == Status.Escaped) {
            emit Repeated(executionId, hash, status);
            return;
        }
        require(status != Status.None, NothingHeld(executionId, hash));
        require(status == Status.Held, HoldSettledOtherwise(executionId, hash, status));
        uint256 opensAt = uint256(hold.deadline()) + escapeDelay;
        require(block.timestamp >= opensAt, EscapeTooEarly(block.timestamp, opensAt));

        _holds[executionId][hash] = hold.end(Status.Escaped);
        emit Escaped(executionId, hash);
        (bool ok, bytes memory reason) = giveBack(leg);
        require(ok, TokenRefused(reason));
    }

    /// @inheritdoc IAesEscrow
    function fundVault(uint128 amount) external {
        require(amount > 0, ZeroAmount());
        vault += amount;
        emit VaultFunded(msg.sender, amount);
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
    }

    // ---- queries

    /// @inheritdoc IAesEscrow
    function holdOf(bytes32 executionId, bytes32 hash)
        external
        view
        returns (Status, uint64, uint64, uint64)
    {
        Hold hold = _holds[executionId][hash];
        return (hold.status(), hold.deadline(), hold.heldAt(), hold.settledAt());
    }

    /// @inheritdoc IAesEscrow
    function legHash(Leg calldata leg) external view returns (bytes32) {
        return hashOf(leg);
    }

    /// @inheritdoc IAesEscrow
    function held() external view returns (uint256) {
        return TOKEN.balanceOf(address(this)) - vault;
    }

    /// @inheritdoc IAesEscrow
    function reserveAvailable() external view returns (uint128) {
        return _bucket.available(_reservePerHour);
    }

    /// @inheritdoc IAesEscrow
    function chain() external view returns (string memory) {
        return chainName(CHAIN_ID);
    }

    /// @inheritdoc IAesEscrow
    function token() external view returns (address) {
        return address(TOKEN);
    }

    /// @inheritdoc IAesEscrow
    function version() external pure returns (string memory) {
        return "1";
    }

    // ---- inside

    /// @dev Writes the hold down, before anything moves. False where the very same hold is there already.
    function open(bytes32 executionId, uint64 deadline, Leg memory leg, bytes32 hash) private returns (bool) {
        mapping(bytes32 => Hold) storage holds = _holds[executionId];
        Hold hold = holds[hash];
        if (Hold.unwrap(hold) != 0) {
            Status status = hold.status();
            require(status == Status.Held, HoldSettled(executionId, hash, status));
            require(
                hold.deadline() == deadline,
                HoldHasOtherDeadline(executionId, hash, hold.deadline(), deadline)
            );
            emit Repeated(executionId, hash, status);
            return false;
        }
        uint128 amount = leg.amount;
        (uint128 maxLeg, bool isPaused) = (_maxLeg, _paused);
        require(!isPaused, EscrowPaused());
        require(deadline > block.timestamp, DeadlinePassed(deadline, block.timestamp));
        require(
            deadline <= block.timestamp + maxHorizon, DeadlineTooFar(deadline, block.timestamp + maxHorizon)
        );
        require(amount > 0, ZeroAmount());
        require(amount <= maxLeg, LegTooLarge(amount, maxLeg));
        require(leg.hasRightAccounts(), WrongAccounts(leg.fn_, leg.from, leg.to));

        holds[hash] = Holds.begin(deadline);
        emit Prepared(executionId, hash, leg, deadline);
        return true;
    }

    function settleAll(
        Certificate calldata decided,
        Settlement[] calldata settlements,
        uint8 decision,
        Status outcome
    ) private {
        require(settlements.length > 0, EmptyBatch());
        bytes32 root = rootOf(settlements[0], decision);
        verify(decided, Certificates.decided(root, decided.attestorSet));
        uint256 count;
        for (uint256 i; i < settlements.length; ++i) {
            Settlement calldata settlement = settlements[i];
            bytes32 executionId = settlement.executionId;
            if (i > 0) {
                bytes32 other = rootOf(settlement, decision);
                require(other == root, OtherDecisionsRoot(executionId, other, root));
            }
            Leg[] calldata legs = settlement.legs;
            count += legs.length;
            require(count <= MAX_BATCH, BatchTooLarge(count, MAX_BATCH));
            mapping(bytes32 => Hold) storage holds = _holds[executionId];
            for (uint256 j; j < legs.length; ++j) {
                settle(holds, executionId, legs[j], outcome);
            }
        }
    }

    function hashOf(Leg memory leg) private view returns (bytes32) {
        return leg.hash(CHAIN_HASH, ESCROW_HASH);
    }

    function rootOf(Settlement calldata settlement, uint8 decision) private pure returns (bytes32) {
        return MerkleProof.processProofCalldata(
            settlement.path, Certificates.leaf(Certificates.decision(settlement.executionId, decision))
        );
    }

    /// @dev One leg. What the token refuses stays Held and is told, so the rest of the batch goes through.
    function settle(
        mapping(bytes32 => Hold) storage holds,
        bytes32 executionId,
        Leg memory leg,
        Status outcome
    ) private {
        bytes32 hash = hashOf(leg);
        Hold hold = holds[hash];
        Status status = hold.status();
        if (status == Status.Held) {
            holds[hash] = hold.end(outcome);
            (bool ok, bytes memory reason) = outcome == Status.Finalized ? give(leg) : giveBack(leg);
            if (!ok) {
                holds[hash] = hold;
                emit SettlementFailed(executionId, hash, reason);
            } else if (outcome == Status.Finalized) {
                emit Finalized(executionId, hash);
            } else {
                emit Released(executionId, hash, true);
            }
        } else if (status == Status.None) {
            require(outcome == Status.Released, NothingHeld(executionId, hash));
            holds[hash] = hold.end(Status.Released);
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

    function give(Leg memory leg) private returns (bool ok, bytes memory reason) {
        if (leg.fn_ == Function.Lock) return addToVault(leg.amount);
        if (leg.fn_ == Function.Burn) return burn(leg.amount);
        return callToken(IERC20.transfer.selector, leg.to, leg.amount);
    }

    function giveBack(Leg memory leg) private returns (bool ok, bytes memory reason) {
        if (leg.fn_ == Function.Unlock) return addToVault(leg.amount);
        if (leg.fn_ == Function.Mint) return burn(leg.amount);
        return callToken(IERC20.transfer.selector, leg.from, leg.amount);
    }

    function addToVault(uint128 amount) private returns (bool, bytes memory) {
        vault += amount;
        return (true, "");
    }

    function burn(uint128 amount) private returns (bool ok, bytes memory reason) {
        (ok, reason) = callToken(IERC7802.crosschainBurn.selector, address(this), amount);
        if (ok) issued -= signed(amount);
    }

    /// @dev A token that answers `false` refuses just as one that reverts. A failure counts as the token's only when
    /// it had all the gas it may need; else a relayer that sends too little could make a payable leg look unpayable.
    function callToken(bytes4 selector, address account, uint128 amount)
        private
        returns (bool ok, bytes memory reason)
    {
        address target = address(TOKEN);
        uint256 left = gasleft();
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x04), account)
            mstore(add(data, 0x24), amount)
            ok := call(TOKEN_CALL_GAS, target, 0, data, 0x44, 0, 0x20)
            ok := and(ok, or(iszero(returndatasize()), and(gt(returndatasize(), 0x1f), eq(mload(0), 1))))
        }
        if (ok) return (true, "");
        require(left >= GAS_FOR_TOKEN_CALL, TooLittleGas(left, GAS_FOR_TOKEN_CALL));
        assembly ("memory-safe") {
            reason := mload(0x40)
            mstore(reason, returndatasize())
            returndatacopy(add(reason, 0x20), 0, returndatasize())
            mstore(0x40, and(add(add(reason, 0x3f), returndatasize()), not(0x1f)))
        }
    }

    /// @dev The bucket fills by the old rate until the moment the new one begins.
    function _beforeNewLimits() internal override {
        _bucket.take(0, _reservePerHour);
    }

    function signed(uint128 amount) private pure returns (int256) {
        return int256(uint256(amount));
    }

    function chainName(uint256 id) private pure returns (string memory) {
        return string.concat("eip155:", Strings.toString(id));
    }
}
