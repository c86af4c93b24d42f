// SPDX-License-Identifier: MIT
// Attestor sets and the certificates they sign (protocol, section 6): hashing, storing, verifying.
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @notice `bitcoinKey` is an x-only key of its own, zero where the deployment has no Bitcoin.
struct Attestor {
    address signer;
    bytes32 bitcoinKey;
}

/// @notice 1 to 32 attestors, signers strictly ascending; `threshold` of them make a certificate.
struct AttestorSet {
    uint64 id;
    uint8 threshold;
    Attestor[] attestors;
}

/// @notice `threshold` signatures of 65 bytes, r, s, v (27 or 28), low s, signers strictly ascending.
struct Certificate {
    uint64 attestorSet;
    bytes signatures;
}

/// @dev A set never changes, so its members are stored as code: one cold read however many they are.
/// Layout: a STOP byte, each signer (20 bytes), each Bitcoin key (32 bytes).
struct StoredSet {
    uint8 threshold;
    uint8 count;
    uint64 expiresAt;
    address members;
}

/// @dev Leaves `members` behind as its code.
contract SetMembers {
    constructor(bytes memory members) {
        assembly ("memory-safe") {
            return(add(members, 0x20), mload(members))
        }
    }
}

library Certificates {
    error UnknownAttestorSet(uint64 id);
    error AttestorSetExpired(uint64 id, uint64 expiresAt);
    error WrongSignatureCount(uint256 bytesGiven, uint256 bytesNeeded);
    /// @notice Not a signature: high s, a wrong v, or no such point.
    error MalformedSignature(uint256 position);
    error SignersNotAscending(address previous, address next);
    error NotAnAttestor(address signer, uint64 attestorSet);
    error WrongAttestorCount(uint256 given, uint256 bound);
    error WrongThreshold(uint8 threshold, uint256 attestors);
    error AttestorsNotAscending(address previous, address next);

    uint256 internal constant MAX_ATTESTORS = 32;
    uint256 private constant SIGNATURE_BYTES = 65;
    uint256 private constant SIGNER_BYTES = 20;
    /// @dev Half of secp256k1's order: a higher s is the same signature over again.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,bytes32 salt)");
    bytes32 private constant ATTESTOR_TYPEHASH = keccak256("Attestor(address signer,bytes32 bitcoinKey)");
    bytes32 private constant SET_TYPEHASH = keccak256(
        "AttestorSet(uint64 id,uint8 threshold,Attestor[] attestors)Attestor(address signer,bytes32 bitcoinKey)"
    );
    bytes32 private constant OPENED_TYPEHASH =
        keccak256("Opened(bytes32 executionId,bytes32 manifestRoot,uint64 deadline,uint64 attestorSet)");
    bytes32 private constant DECIDED_TYPEHASH =
        keccak256("Decided(bytes32 decisionsRoot,uint64 attestorSet)");
    bytes32 private constant ROTATED_TYPEHASH =
        keccak256("Rotated(uint64 newSet,bytes32 newSetHash,uint64 attestorSet)");
    bytes32 private constant DECISION_TYPEHASH = keccak256("Decision(bytes32 executionId,uint8 decision)");
    bytes32 private constant DEPOSIT_TYPEHASH =
        keccak256("Deposit(bytes32 executionId,bytes32 legHash,uint64 deadline)");

    /// @notice Binds every signature to one deployment, the same on all its chains.
    function domainSalt(string memory homeChain, bytes memory coordinator) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(homeChain, bytes1(0), coordinator));
    }

    function domainSeparator(bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256("AES"), keccak256("1"), salt));
    }

    function opened(bytes32 executionId, bytes32 manifestRoot, uint64 deadline, uint64 set)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(OPENED_TYPEHASH, executionId, manifestRoot, deadline, set));
    }

    function decided(bytes32 decisionsRoot, uint64 set) internal pure returns (bytes32) {
        return keccak256(abi.encode(DECIDED_TYPEHASH, decisionsRoot, set));
    }

    function rotated(uint64 newSet, bytes32 newSetHash, uint64 set) internal pure returns (bytes32) {
        return keccak256(abi.encode(ROTATED_TYPEHASH, newSet, newSetHash, set));
    }

    function deposit(bytes32 executionId, bytes32 legHash, uint64 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(DEPOSIT_TYPEHASH, executionId, legHash, deadline));
    }

    function decision(bytes32 executionId, uint8 which) internal pure returns (bytes32) {
        return keccak256(abi.encode(DECISION_TYPEHASH, executionId, which));
    }

    /// @notice A tree's leaf: the struct hash hashed once more, so that no inner node can pass for a leaf.
    function leaf(bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(structHash));
    }

    function hashSet(AttestorSet memory set) internal pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](set.attestors.length);
        for (uint256 i; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(ATTESTOR_TYPEHASH, set.attestors[i]));
        }
        return keccak256(abi.encode(SET_TYPEHASH, set.id, set.threshold, keccak256(abi.encodePacked(hashes))));
    }

    /// @notice Checks a set's form and writes it down for good.
    function store(AttestorSet memory set) internal returns (StoredSet memory) {
        uint256 count = set.attestors.length;
        require(count > 0 && count <= MAX_ATTESTORS, WrongAttestorCount(count, MAX_ATTESTORS));
        require(set.threshold > 0 && set.threshold <= count, WrongThreshold(set.threshold, count));
        bytes memory signers;
        bytes memory keys;
        address previous;
        for (uint256 i; i < count; ++i) {
            Attestor memory attestor = set.attestors[i];
            require(attestor.signer > previous, AttestorsNotAscending(previous, attestor.signer));
            previous = attestor.signer;
            signers = abi.encodePacked(signers, attestor.signer);
            keys = abi.encodePacked(keys, attestor.bitcoinKey);
        }
        address members = address(new SetMembers(abi.encodePacked(bytes1(0), signers, keys)));
        // casting is safe: count is at most 32.
        // forge-lint: disable-next-line(unsafe-typecast)
        return StoredSet(set.threshold, uint8(count), 0, members);
    }

    /// @notice The members of a stored set.
    function load(StoredSet memory set) internal view returns (Attestor[] memory attestors) {
        bytes memory code = set.members.code;
        attestors = new Attestor[](set.count);
        uint256 keysAt = 1 + SIGNER_BYTES * set.count;
        for (uint256 i; i < attestors.length; ++i) {
            uint256 signerAt = 1 + SIGNER_BYTES * i;
            uint256 keyAt = keysAt + 32 * i;
            address signer;
            bytes32 key;
            assembly ("memory-safe") {
                signer := shr(96, mload(add(add(code, 0x20), signerAt)))
                key := mload(add(add(code, 0x20), keyAt))
            }
            attestors[i] = Attestor(signer, key);
        }
    }

    /// @notice Reverts unless `certificate` is exactly `threshold` good signatures of `set` on `structHash`.
    /// @dev Signers are recovered, and looked for among the members in one walk through both ascending lists.
    function verify(
        StoredSet memory set,
        Certificate calldata certificate,
        bytes32 domain,
        bytes32 structHash
    ) internal view {
        uint64 id = certificate.attestorSet;
        bytes calldata signatures = certificate.signatures;
        require(set.threshold != 0, UnknownAttestorSet(id));
        require(set.expiresAt == 0 || block.timestamp <= set.expiresAt, AttestorSetExpired(id, set.expiresAt));
        uint256 needed = SIGNATURE_BYTES * set.threshold;
        require(signatures.length == needed, WrongSignatureCount(signatures.length, needed));

        bytes32 digest = MessageHashUtils.toTypedDataHash(domain, structHash);
        uint256 next = signersOf(set);
        uint256 end = next + SIGNER_BYTES * set.count;
        address previous;
        for (uint256 i; i < set.threshold; ++i) {
            address signer = recover(digest, signatures, i);
            require(signer > previous, SignersNotAscending(previous, signer));
            previous = signer;
            address member;
            while (member < signer && next < end) {
                assembly ("memory-safe") {
                    member := shr(96, mload(next))
                    next := add(next, SIGNER_BYTES)
                }
            }
            require(member == signer, NotAnAttestor(signer, id));
        }
    }

    /// @dev Copies the signers, 20 bytes each, to free memory; answers where they begin.
    function signersOf(StoredSet memory set) private view returns (uint256 start) {
        address members = set.members;
        uint256 length = SIGNER_BYTES * set.count;
        assembly ("memory-safe") {
            start := mload(0x40)
            mstore(0x40, add(start, add(length, 0x20)))
            extcodecopy(members, start, 1, length)
        }
    }

    /// @dev The signer of the signature at `position`. As ECDSA.tryRecover, without copying what is calldata already.
    function recover(bytes32 digest, bytes calldata signatures, uint256 position)
        private
        view
        returns (address signer)
    {
        bool wellFormed;
        assembly ("memory-safe") {
            let signature := add(signatures.offset, mul(position, SIGNATURE_BYTES))
            let s := calldataload(add(signature, 0x20))
            let input := mload(0x40)
            mstore(input, digest)
            mstore(add(input, 0x20), byte(0, calldataload(add(signature, 0x40))))
            mstore(add(input, 0x40), calldataload(signature))
            mstore(add(input, 0x60), s)
            mstore(0, 0)
            // ecrecover answers nothing for a v that is not 27 or 28, and for what is no point.
            wellFormed := and(staticcall(gas(), 1, input, 0x80, 0, 0x20), iszero(gt(s, HALF_ORDER)))
            signer := mload(0)
        }
        require(wellFormed && signer != address(0), MalformedSignature(position));
    }
}
