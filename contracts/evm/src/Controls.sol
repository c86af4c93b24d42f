// SPDX-License-Identifier: MIT
// What the admin may do, all of it: stop new holds, and change the limits after a delay in the open.
// Nothing here can touch a hold, the vault, an attestor set or the way to settle.
pragma solidity 0.8.37;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {IAesEscrow} from "./IAesEscrow.sol";
import {Limits} from "./Reserve.sol";

abstract contract Controls is IAesEscrow, Ownable2Step {
    // The largest leg that may be prepared now: `_maxLeg`, or 0 under a pause. Every prepare reads this one slot, makes
    // one comparison with it, and asks the next two only for what to say.
    uint256 internal _gate;
    uint128 internal _maxLeg;
    bool internal _paused;

    // A prepare from the reserve reads these two as well.
    uint128 internal _reservePerHour;
    uint128 internal _mintCap;

    Limits private _pending;
    uint64 private _applicableAt;

    /// @inheritdoc IAesEscrow
    uint64 public immutable limitsDelay;

    constructor(address admin, Limits memory first, uint64 delay) Ownable(admin) {
        limitsDelay = delay;
        setLimits(first);
    }

    /// @inheritdoc IAesEscrow
    function pause() external onlyOwner {
        _paused = true;
        _gate = 0;
        emit Paused();
    }

    /// @inheritdoc IAesEscrow
    function unpause() external onlyOwner {
        _paused = false;
        _gate = _maxLeg;
        emit Unpaused();
    }

    /// @inheritdoc IAesEscrow
    function scheduleLimits(Limits calldata next) external onlyOwner {
        _pending = next;
        _applicableAt = uint64(block.timestamp) + limitsDelay;
        emit LimitsScheduled(next, _applicableAt);
    }

    /// @inheritdoc IAesEscrow
    function applyLimits() external {
        uint64 applicableAt = _applicableAt;
        require(applicableAt != 0, NoPendingLimits());
        require(block.timestamp >= applicableAt, LimitsNotYet(block.timestamp, applicableAt));
        _beforeNewLimits();
        setLimits(_pending);
        delete _pending;
        delete _applicableAt;
    }

    /// @inheritdoc IAesEscrow
    function limits() external view returns (Limits memory) {
        return Limits(_maxLeg, _reservePerHour, _mintCap);
    }

    /// @inheritdoc IAesEscrow
    function pendingLimits() external view returns (Limits memory, uint64) {
        return (_pending, _applicableAt);
    }

    /// @inheritdoc IAesEscrow
    function paused() external view returns (bool) {
        return _paused;
    }

    /// @dev Whatever ran under the old limits is settled under them first.
    function _beforeNewLimits() internal virtual;

    function setLimits(Limits memory next) private {
        _maxLeg = next.maxLeg;
        _reservePerHour = next.reservePerHour;
        _mintCap = next.mintCap;
        if (!_paused) _gate = next.maxLeg;
        emit LimitsApplied(next);
    }
}
