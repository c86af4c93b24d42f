// SPDX-License-Identifier: MIT
// What every test of the escrow starts from: a token, an escrow, three attestors (2 of 3), and words to speak to them.
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {AesEscrow} from "../src/AesEscrow.sol";
import {AlzToken} from "../src/AlzToken.sol";
import {Attestor, AttestorSet} from "../src/Certificates.sol";
import {Status} from "../src/Holds.sol";
import {PermitData, Settings} from "../src/IAesEscrow.sol";
import {Function, Leg} from "../src/Legs.sol";
import {Limits} from "../src/Reserve.sol";
import {Statements} from "../src/Statements.sol";
import {Certificate, Packing, Settlement} from "./Packing.sol";
import {vm} from "./Vm.sol";

abstract contract Base {
    uint128 internal constant ALZ = 1e18;
    uint64 internal constant HORIZON = 1 days;
    uint64 internal constant ESCAPE_DELAY = 2 days;
    uint64 internal constant LIMITS_DELAY = 1 hours;
    uint64 internal constant SET_GRACE = 3 days;
    uint8 internal constant COMMIT = 1;
    uint8 internal constant ABORT = 2;

    string internal constant HOME_CHAIN = "cosmos:allianza-1";
    bytes internal constant COORDINATOR =
        hex"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0";

    address internal admin = address(0xAD);
    uint256 internal depositorKey = 0xA11CE;
    address internal depositor = vm.addr(0xA11CE);
    address internal recipient = address(0xB0B);
    bytes32 internal id = keccak256("execution");

    AlzToken internal token;
    AesEscrow internal escrow;
    uint256[] internal keys;
    uint64 internal deadline;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        vm.roll(100);
        deadline = uint64(block.timestamp) + 1 hours;
        keys = sortedKeys("attestor", 3);
        token = new AlzToken(admin, depositor, 10_000 * ALZ);
        escrow = new AesEscrow(settings(address(token)));
        vm.prank(admin);
        token.setBridge(address(escrow));
        vm.prank(depositor);
        token.approve(address(escrow), type(uint256).max);
    }

    function settings(address of_) internal view returns (Settings memory) {
        return Settings({
            homeChain: HOME_CHAIN,
            coordinator: COORDINATOR,
            token: of_,
            attestorSet: setOf(1, 2, keys),
            limits: Limits({maxLeg: 1_000 * ALZ, reservePerHour: 500 * ALZ, mintCap: 2_000 * ALZ}),
            maxHorizon: HORIZON,
            escapeDelay: ESCAPE_DELAY,
            limitsDelay: LIMITS_DELAY,
            setGrace: SET_GRACE,
            admin: admin
        });
    }

    /// Another escrow, for another token.
    function useToken(IERC20 of_) internal {
        escrow = new AesEscrow(settings(address(of_)));
        vm.prank(depositor);
        of_.approve(address(escrow), type(uint256).max);
    }

    // ---- legs

    function transferLeg(uint128 amount) internal view returns (Leg memory) {
        return Leg(0, Function.Transfer, depositor, recipient, amount);
    }

    function lockLeg(uint128 amount) internal view returns (Leg memory) {
        return Leg(1, Function.Lock, depositor, address(0), amount);
    }

    function unlockLeg(uint128 amount) internal view returns (Leg memory) {
        return Leg(2, Function.Unlock, address(0), recipient, amount);
    }

    function mintLeg(uint128 amount) internal view returns (Leg memory) {
        return Leg(3, Function.Mint, address(0), recipient, amount);
    }

    function burnLeg(uint128 amount) internal view returns (Leg memory) {
        return Leg(4, Function.Burn, depositor, address(0), amount);
    }

    // ---- messages

    function prepare(Leg memory leg) internal {
        vm.prank(leg.from);
        escrow.prepare(Packing.terms(deadline, leg), leg.to, id);
    }

    /// The leg alone is the manifest: its leaf is the root, and the proof is empty.
    function prepareReserve(Leg memory leg) internal {
        bytes32 root = Statements.leaf(escrow.legHash(leg));
        escrow.prepareReserve(
            id, deadline, leg, root, new bytes32[](0), Packing.pack(opened(id, root, deadline))
        );
    }

    function finalize(Leg memory leg) internal {
        escrow.finalizeBatch(Packing.batch(decided(id, COMMIT), one(leg)));
    }

    function release(Leg memory leg) internal {
        escrow.releaseBatch(Packing.batch(decided(id, ABORT), one(leg)));
    }

    function fundVault(uint128 amount) internal {
        vm.prank(depositor);
        escrow.fundVault(amount);
    }

    function one(Leg memory leg) internal view returns (Settlement[] memory) {
        Leg[] memory legs = new Leg[](1);
        legs[0] = leg;
        return many(legs);
    }

    function many(Leg[] memory legs) internal view returns (Settlement[] memory settlements) {
        settlements = new Settlement[](1);
        settlements[0] = Settlement(id, new bytes32[](0), legs);
    }

    // ---- certificates

    function opened(bytes32 executionId, bytes32 root, uint64 until)
        internal
        view
        returns (Certificate memory)
    {
        return certify(1, Statements.opened(executionId, root, until, 1));
    }

    /// The decision alone is the tree.
    function decided(bytes32 executionId, uint8 decision) internal view returns (Certificate memory) {
        return decidedBy(1, executionId, decision);
    }

    function decidedBy(uint64 set, bytes32 executionId, uint8 decision)
        internal
        view
        returns (Certificate memory)
    {
        bytes32 root = Statements.leaf(Statements.decision(executionId, decision));
        return certify(set, Statements.decided(root, set));
    }

    /// Signed by the first two of `keys`; the others are absent.
    function certify(uint64 set, bytes32 structHash) internal view returns (Certificate memory) {
        bytes memory signatures = bytes.concat(sign(keys[0], structHash), sign(keys[1], structHash));
        return Certificate(set, signatures, addressesFrom(2));
    }

    /// Of `keys` from this place on.
    function addressesFrom(uint256 place) internal view returns (address[] memory addresses) {
        addresses = new address[](keys.length - place);
        for (uint256 i; i < addresses.length; ++i) {
            addresses[i] = vm.addr(keys[place + i]);
        }
    }

    function sign(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digestOf(structHash));
        return abi.encodePacked(r, s, v);
    }

    function digestOf(bytes32 structHash) internal view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(escrow.domainSeparator(), structHash);
    }

    function setOf(uint64 setId, uint8 threshold, uint256[] memory of_)
        internal
        pure
        returns (AttestorSet memory)
    {
        Attestor[] memory attestors = new Attestor[](of_.length);
        for (uint256 i; i < of_.length; ++i) {
            attestors[i] = Attestor(vm.addr(of_[i]), keccak256(abi.encode("bitcoin", of_[i])));
        }
        return AttestorSet(setId, threshold, attestors);
    }

    /// Keys in the order of their addresses.
    function sortedKeys(string memory seed, uint256 count) internal pure returns (uint256[] memory sorted) {
        sorted = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            uint256 key = uint256(keccak256(abi.encode(seed, i))) >> 8;
            uint256 place = i;
            for (; place > 0 && vm.addr(sorted[place - 1]) > vm.addr(key); --place) {
                sorted[place] = sorted[place - 1];
            }
            sorted[place] = key;
        }
    }

    // ---- a depositor's word

    function authorization(Leg memory leg) internal view returns (bytes memory) {
        return sign(depositorKey, Statements.deposit(id, escrow.legHash(leg), deadline));
    }

    function permit(address spender, uint256 value) internal view returns (PermitData memory) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                depositor,
                spender,
                value,
                token.nonces(depositor),
                deadline
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(depositorKey, MessageHashUtils.toTypedDataHash(token.DOMAIN_SEPARATOR(), structHash));
        return PermitData(value, deadline, v, r, s);
    }

    // ---- what is expected

    function assertStatus(Leg memory leg, Status expected, string memory why) internal view {
        (Status status,,,) = escrow.holdOf(id, escrow.legHash(leg));
        vm.assertEq(uint256(status), uint256(expected), why);
    }

    function assertBooks(uint256 vault, uint256 held, int256 issued) internal view {
        vm.assertEq(escrow.vault(), vault, "vault");
        vm.assertEq(escrow.held(), held, "held");
        vm.assertEq(escrow.issued(), issued, "issued");
    }
}
