// SPDX-License-Identifier: MIT
// What this escrow has: the vault, what it issued, and the ways ALZ goes to a destination or back to its source.
pragma solidity 0.8.37;

import {IERC7802} from "@openzeppelin/contracts/interfaces/draft-IERC7802.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IAesEscrow} from "./IAesEscrow.sol";
import {Legs} from "./Legs.sol";

abstract contract Books is IAesEscrow {
    /// @notice The gas a token call gets at settlement. Ours takes under 40,000; a token that wants more is refused,
    /// so that it cannot starve the rest of a batch.
    uint256 public constant TOKEN_CALL_GAS = 200_000;
    /// @dev Left before the call, this much surely gives it TOKEN_CALL_GAS (EIP-150 keeps 1/64 back).
    uint256 private constant GAS_FOR_TOKEN_CALL = TOKEN_CALL_GAS * 64 / 63 + 10_000;

    IERC20 internal immutable TOKEN;

    /// @inheritdoc IAesEscrow
    uint256 public vault;
    /// @inheritdoc IAesEscrow
    int256 public issued;

    constructor(address alz) {
        require(alz.code.length > 0, WrongSetting("token"));
        TOKEN = IERC20(alz);
    }

    /// @inheritdoc IAesEscrow
    function token() external view returns (address) {
        return address(TOKEN);
    }

    /// @inheritdoc IAesEscrow
    function held() external view returns (uint256) {
        return TOKEN.balanceOf(address(this)) - vault;
    }

    /// @dev Takes from an allowance, or reverts with the token's own reason. As SafeERC20.safeTransferFrom, which masks
    /// what has no bits to mask and asks whether the token is a contract: the constructor did.
    function pull(address from, uint256 amount) internal {
        (bytes4 selector, address target) = (IERC20.transferFrom.selector, address(TOKEN));
        bytes4 refused = TokenRefused.selector;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(0, selector)
            mstore(0x04, from)
            mstore(0x24, address())
            mstore(0x44, amount)
            let ok := call(gas(), target, 0, 0, 0x64, 0, 0x20)
            if iszero(and(ok, eq(mload(0), 1))) {
                if iszero(ok) {
                    returndatacopy(free, 0, returndatasize())
                    revert(free, returndatasize())
                }
                if returndatasize() {
                    mstore(free, refused)
                    mstore(add(free, 0x04), 0x20)
                    mstore(add(free, 0x24), returndatasize())
                    returndatacopy(add(free, 0x44), 0, returndatasize())
                    revert(free, add(0x44, returndatasize()))
                }
            }
            mstore(0x40, free)
            mstore(0x60, 0)
        }
    }

    function give(uint256 fn, address to, uint128 amount) internal returns (bool ok, bytes memory reason) {
        if (fn == Legs.LOCK) return addToVault(amount);
        if (fn == Legs.BURN) return burn(amount);
        return callToken(IERC20.transfer.selector, to, amount);
    }

    function giveBack(uint256 fn, address from, uint128 amount)
        internal
        returns (bool ok, bytes memory reason)
    {
        if (fn == Legs.UNLOCK) return addToVault(amount);
        if (fn == Legs.MINT) return burn(amount);
        return callToken(IERC20.transfer.selector, from, amount);
    }

    function addToVault(uint128 amount) private returns (bool, bytes memory reason) {
        vault += amount;
        return (true, reason);
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
            mstore(0, 0)
            ok := call(TOKEN_CALL_GAS, target, 0, data, 0x44, 0, 0x20)
            ok := and(ok, or(eq(mload(0), 1), iszero(returndatasize())))
        }
        if (ok) return (ok, reason);
        require(left >= GAS_FOR_TOKEN_CALL, TooLittleGas(left, GAS_FOR_TOKEN_CALL));
        assembly ("memory-safe") {
            reason := mload(0x40)
            mstore(reason, returndatasize())
            returndatacopy(add(reason, 0x20), 0, returndatasize())
            mstore(0x40, and(add(add(reason, 0x3f), returndatasize()), not(0x1f)))
        }
    }

    function signed(uint128 amount) internal pure returns (int256) {
        return int256(uint256(amount));
    }
}
