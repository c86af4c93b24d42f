// SPDX-License-Identifier: MIT
// What bounds the reserve: the limits an operator sets, and the token bucket that lets it out slowly.
pragma solidity 0.8.37;

/// @notice The largest leg; how much reserve (unlock and mint together) may leave at once and per hour; the most
/// that may be issued.
struct Limits {
    uint128 maxLeg;
    uint128 reservePerHour;
    uint128 mintCap;
}

/// @dev What was left in the bucket at `updatedAt`.
struct Bucket {
    uint128 level;
    uint64 updatedAt;
}

library Reserve {
    error ReserveRateExceeded(uint128 amount, uint128 available);
    error VaultTooSmall(uint128 amount, uint256 vault);
    error MintCapExceeded(uint128 amount, int256 issued, uint128 mintCap);

    /// @notice The level now: refilled by `perHour` an hour, and never above it.
    function available(Bucket memory bucket, uint128 perHour) internal view returns (uint128) {
        uint256 elapsed = block.timestamp - bucket.updatedAt;
        uint256 level = bucket.level + (elapsed * perHour) / 1 hours;
        return level < perHour ? uint128(level) : perHour;
    }

    /// @notice Takes `amount` out, or reverts.
    function take(Bucket storage bucket, uint128 amount, uint128 perHour) internal {
        uint128 level = available(bucket, perHour);
        require(amount <= level, ReserveRateExceeded(amount, level));
        bucket.level = level - amount;
        bucket.updatedAt = uint64(block.timestamp);
    }
}
