// SPDX-License-Identifier: MIT
// A token that misbehaves at settlement, in each way one can.
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @dev Refuses one recipient: by a revert, by answering false, or by burning all its gas.
contract RefusingToken is ERC20("Refusing", "NO") {
    enum Way {
        Revert,
        AnswerFalse,
        BurnGas
    }

    error Refused(address to);

    Way public way;
    address public refused;

    constructor(address holder, uint256 supply) {
        _mint(holder, supply);
    }

    function refuse(address to, Way how) external {
        (refused, way) = (to, how);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return to == refused ? refuseTo(to) : super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return to == refused ? refuseTo(to) : super.transferFrom(from, to, amount);
    }

    function refuseTo(address to) private view returns (bool) {
        if (way == Way.Revert) revert Refused(to);
        while (way == Way.BurnGas) {}
        return false;
    }
}
