// SPDX-License-Identifier: MIT
// The token: who may change its supply, and its interfaces.
pragma solidity 0.8.37;

import {IERC7802} from "@openzeppelin/contracts/interfaces/draft-IERC7802.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {AlzToken} from "../src/AlzToken.sol";
import {Base} from "./Base.sol";
import {vm} from "./Vm.sol";

contract AlzTokenTest is Base {
    function test_is_ALZ_with_18_decimals() public view {
        vm.assertEq(token.symbol(), "ALZ", "symbol");
        vm.assertEq(token.decimals(), 18, "decimals");
        vm.assertEq(token.totalSupply(), 10_000 * ALZ, "supply");
        vm.assertTrue(token.supportsInterface(type(IERC7802).interfaceId), "ERC-7802");
        vm.assertTrue(token.supportsInterface(type(IERC165).interfaceId), "ERC-165");
    }

    function test_starts_empty_without_a_supply() public {
        vm.assertEq(new AlzToken(admin, address(0), 0).totalSupply(), 0, "supply");
    }

    function test_only_the_bridge_mints_and_burns() public {
        bytes memory refusal = abi.encodeWithSelector(AlzToken.NotTheBridge.selector, admin, address(escrow));
        vm.startPrank(admin);
        vm.expectRevert(refusal);
        token.crosschainMint(admin, 1);
        vm.expectRevert(refusal);
        token.crosschainBurn(depositor, 1);
        vm.stopPrank();

        vm.startPrank(address(escrow));
        token.crosschainMint(recipient, 5);
        token.crosschainBurn(recipient, 2);
        vm.stopPrank();
        vm.assertEq(token.balanceOf(recipient), 3, "balance");
    }

    function test_only_the_admin_sets_the_bridge() public {
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        token.setBridge(address(this));
    }

    function test_the_admin_hands_over_in_two_steps() public {
        vm.prank(admin);
        token.transferOwnership(recipient);
        vm.assertEq(token.owner(), admin, "not yet");
        vm.prank(recipient);
        token.acceptOwnership();
        vm.assertEq(token.owner(), recipient, "now");
    }
}
