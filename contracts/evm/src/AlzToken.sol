// SPDX-License-Identifier: MIT
// ALZ on an EVM chain: a plain ERC-20 whose supply only the AES escrow can change.
pragma solidity 0.8.37;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Bridgeable} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC20Bridgeable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title ALZ, 18 decimals, with EIP-2612 permit and ERC-7802 mint and burn
contract AlzToken is ERC20Permit, ERC20Bridgeable, Ownable2Step {
    /// @notice The one account that may mint and burn: the AES escrow of this chain.
    address public bridge;

    event BridgeSet(address indexed previous, address indexed bridge);

    /// @param caller is not the bridge, so it can neither mint nor burn.
    error NotTheBridge(address caller, address bridge);

    /// @param admin may set the bridge, and hand that right on in two steps.
    /// @param holder receives `supply` at once: testnets need ALZ before the first mint. Zero elsewhere.
    constructor(address admin, address holder, uint256 supply)
        ERC20("Allianza", "ALZ")
        ERC20Permit("Allianza")
        Ownable(admin)
    {
        if (supply > 0) _mint(holder, supply);
    }

    function setBridge(address newBridge) external onlyOwner {
        emit BridgeSet(bridge, newBridge);
        bridge = newBridge;
    }

    function _checkTokenBridge(address caller) internal view override {
        require(caller == bridge, NotTheBridge(caller, bridge));
    }
}
