// SPDX-License-Identifier: MIT
// The escrow itself: holds begin by a prepare (Preparing.sol) and end by finalize, release or escape (Settling.sol). Nothing
// else moves ALZ out of it.
pragma solidity 0.8.37;

import {AttestorSets} from "./AttestorSets.sol";
import {Books} from "./Books.sol";
import {Caip2} from "./Caip2.sol";
import {Controls} from "./Controls.sol";
import {IAesEscrow, Settings} from "./IAesEscrow.sol";
import {Preparing} from "./Preparing.sol";
import {Settling} from "./Settling.sol";
import {Statements} from "./Statements.sol";

contract AesEscrow is Preparing, Settling {
    /// @dev Ten years: longer settings are slips, and sums of them cannot overflow.
    uint64 private constant MAX_SECONDS = 3650 days;

    /// @inheritdoc IAesEscrow
    string public homeChain;
    /// @inheritdoc IAesEscrow
    bytes public coordinator;

    constructor(Settings memory s)
        Controls(s.admin, s.limits, s.limitsDelay)
        AttestorSets(
            Statements.domainSalt(s.homeChain, s.coordinator), s.attestorSet, s.maxHorizon, s.setGrace
        )
        Books(s.token)
        Preparing(s.limits.reservePerHour)
        Settling(s.escapeDelay)
    {
        require(Caip2.isValid(s.homeChain), WrongSetting("homeChain"));
        require(s.coordinator.length > 0, WrongSetting("coordinator"));
        require(s.maxHorizon > 0 && s.maxHorizon <= MAX_SECONDS, WrongSetting("maxHorizon"));
        require(s.escapeDelay > 0 && s.escapeDelay <= MAX_SECONDS, WrongSetting("escapeDelay"));
        require(s.limitsDelay <= MAX_SECONDS, WrongSetting("limitsDelay"));
        require(s.setGrace <= MAX_SECONDS, WrongSetting("setGrace"));
        homeChain = s.homeChain;
        coordinator = s.coordinator;
    }

    /// @inheritdoc IAesEscrow
    function fundVault(uint128 amount) external {
        require(amount > 0, ZeroAmount());
        vault += amount;
        emit VaultFunded(msg.sender, amount);
        pull(msg.sender, amount);
    }

    /// @inheritdoc IAesEscrow
    function version() external pure returns (string memory) {
        return "1";
    }
}
