// SPDX-License-Identifier: MIT
// Attestor sets and the certificates they sign (protocol, section 6): storing, verifying, and saying what is wrong.
pragma solidity 0.8.37;

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

/// @dev All that settling reads of a set is its seal, one slot: the upper 216 bits of keccak(threshold, signers), and in
/// the lowest 40 when it expires. The members themselves, for queries and for naming errors, are code.
struct StoredSet {
    uint256 seal;
    uint8 threshold;
    uint8 count;
    address members;
}

/// @dev Leaves `members` behind as its code: a STOP byte, each signer (20 bytes), each Bitcoin key (32 bytes).
contract SetMembers {
    constructor(bytes memory members) {
        assembly ("memory-safe") {
            return(add(members, 0x20), mload(members))
        }
    }
}

/// @notice A certificate is bytes: the set's id (8), how many signed (1), how many did not (1), the signatures (65 each:
/// r, s, v of 27 or 28, low s), and the addresses (20 each) of the set's members that did not sign; both lists ascending
/// by address. Signers recovered and members given must make up the set, which its seal proves: 320 gas a missing
/// member where reading the stored set took 2,600.
library Certificates {
    error UnknownAttestorSet(uint64 id);
    error AttestorSetExpired(uint64 id, uint64 expiresAt);
    error WrongCertificateLength(uint256 given, uint256 needed);
    error WrongSignatureCount(uint256 given, uint8 threshold);
    /// @notice Not a signature: high s, a wrong v, or no such point.
    error MalformedSignature(uint256 position);
    error SignersNotAscending(address previous, address next);
    error NotAnAttestor(address signer, uint64 attestorSet);
    /// @notice The addresses behind the signatures are not the set's members that did not sign, ascending.
    error WrongAbsentees(uint64 attestorSet);
    error WrongAttestorCount(uint256 given, uint256 bound);
    error WrongThreshold(uint8 threshold, uint256 attestors);
    error AttestorsNotAscending(address previous, address next);

    uint256 internal constant MAX_ATTESTORS = 32;
    uint40 internal constant NEVER = 0xffffffffff;

    uint256 private constant HEADER_BYTES = 10;
    uint256 private constant SIGNATURE_BYTES = 65;
    uint256 private constant SIGNER_BYTES = 20;
    uint256 private constant EXPIRY_BITS = 40;
    /// @dev Half of secp256k1's order: a higher s is the same signature over again.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    // ---- sets

    /// @notice Checks a set's form and writes it down for good.
    function store(AttestorSet memory set) internal returns (StoredSet memory) {
        uint256 count = set.attestors.length;
        require(count > 0 && count <= MAX_ATTESTORS, WrongAttestorCount(count, MAX_ATTESTORS));
        require(set.threshold > 0 && set.threshold <= count, WrongThreshold(set.threshold, count));
        bytes memory words = abi.encode(set.threshold);
        bytes memory signers;
        bytes memory keys;
        address previous;
        for (uint256 i; i < count; ++i) {
            Attestor memory attestor = set.attestors[i];
            require(attestor.signer > previous, AttestorsNotAscending(previous, attestor.signer));
            previous = attestor.signer;
            words = abi.encodePacked(words, abi.encode(attestor.signer));
            signers = abi.encodePacked(signers, attestor.signer);
            keys = abi.encodePacked(keys, attestor.bitcoinKey);
        }
        address members = address(new SetMembers(abi.encodePacked(bytes1(0), signers, keys)));
        return StoredSet(sealOf(keccak256(words), NEVER), set.threshold, uint8(count), members);
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

    /// @notice 0 where it does not expire.
    function expiryOf(uint256 seal) internal pure returns (uint64) {
        return uint40(seal) == NEVER ? 0 : uint40(seal);
    }

    /// @dev 40 bits of seconds last for 34,000 years.
    function expiring(uint256 seal, uint40 expiresAt) internal pure returns (uint256) {
        return sealOf(bytes32(seal), expiresAt);
    }

    function sealOf(bytes32 commitment, uint40 expiresAt) private pure returns (uint256) {
        return uint256(commitment) >> EXPIRY_BITS << EXPIRY_BITS | expiresAt;
    }

    // ---- certificates, by where they begin in calldata

    function begin(bytes calldata certificate) internal pure returns (uint256 offset) {
        assembly ("memory-safe") {
            offset := certificate.offset
        }
        uint256 needed = sizeAt(offset);
        require(certificate.length == needed, WrongCertificateLength(certificate.length, needed));
    }

    function sizeAt(uint256 offset) internal pure returns (uint256 size) {
        assembly ("memory-safe") {
            let header := calldataload(offset)
            size := add(
                HEADER_BYTES,
                add(mul(byte(8, header), SIGNATURE_BYTES), mul(byte(9, header), SIGNER_BYTES))
            )
        }
    }

    function setAt(uint256 offset) internal pure returns (uint64 set) {
        assembly ("memory-safe") {
            set := shr(192, calldataload(offset))
        }
    }

    /// @notice Whether it is good: exactly `threshold` low-s signatures on `digest` by members of the set, in order, and the
    /// set not expired.
    /// @dev What is compared with the seal is keccak of the number of signatures, and of all signers and absentees merged, a
    /// word each. A set's members ascend strictly, so only the right number of different members, in order, and exactly
    /// the others, can merge to what was sealed: nothing of that needs a check of its own. `refuse` has the plain words.
    function isValid(uint256 seal, uint256 offset, bytes32 digest) internal view returns (bool valid) {
        assembly ("memory-safe") {
            let input := mload(0x40) // digest, v, r, s: what ecrecover takes
            let words := add(input, 0x80)
            let next := add(words, 0x20)
            let signature := add(offset, HEADER_BYTES)
            let header := calldataload(offset)
            let signaturesEnd := add(signature, mul(byte(8, header), SIGNATURE_BYTES))
            let absentee := signaturesEnd
            let absenteesEnd := add(absentee, mul(byte(9, header), SIGNER_BYTES))
            mstore(input, digest)
            mstore(words, byte(8, header))
            valid := iszero(gt(timestamp(), and(seal, NEVER)))
            for {} lt(signature, signaturesEnd) { signature := add(signature, SIGNATURE_BYTES) } {
                mstore(add(input, 0x20), byte(0, calldataload(add(signature, 0x40))))
                calldatacopy(add(input, 0x40), signature, 0x40)
                valid := and(valid, iszero(gt(mload(add(input, 0x60)), HALF_ORDER)))
                // ecrecover answers nothing for a v that is not 27 or 28, and for what is no point: no member is 0.
                mstore(0, 0)
                pop(staticcall(gas(), 1, input, 0x80, 0, 0x20))
                let signer := mload(0)
                for {} lt(absentee, absenteesEnd) { absentee := add(absentee, SIGNER_BYTES) } {
                    let member := shr(96, calldataload(absentee))
                    if iszero(lt(member, signer)) { break }
                    mstore(next, member)
                    next := add(next, 0x20)
                }
                mstore(next, signer)
                next := add(next, 0x20)
            }
            for {} lt(absentee, absenteesEnd) { absentee := add(absentee, SIGNER_BYTES) } {
                mstore(next, shr(96, calldataload(absentee)))
                next := add(next, 0x20)
            }
            valid := and(valid, iszero(shr(EXPIRY_BITS, xor(seal, keccak256(words, sub(next, words))))))
        }
    }

    // ---- what is wrong with one

    /// @notice Reverts with the reason why `isValid` said no.
    function refuse(StoredSet memory set, uint256 offset, bytes32 digest) internal view {
        uint64 id = setAt(offset);
        require(set.threshold != 0, UnknownAttestorSet(id));
        uint64 expiresAt = expiryOf(set.seal);
        require(expiresAt == 0 || block.timestamp <= expiresAt, AttestorSetExpired(id, expiresAt));
        uint256 given = uint8(bytes32At(offset)[8]);
        require(given == set.threshold, WrongSignatureCount(given, set.threshold));

        Attestor[] memory members = load(set);
        address previous;
        for (uint256 i; i < given; ++i) {
            address signer = recover(offset + HEADER_BYTES + i * SIGNATURE_BYTES, digest);
            require(signer != address(0), MalformedSignature(i));
            require(signer > previous, SignersNotAscending(previous, signer));
            previous = signer;
            require(isMember(members, signer), NotAnAttestor(signer, id));
        }
        revert WrongAbsentees(id);
    }

    function isMember(Attestor[] memory members, address signer) private pure returns (bool) {
        for (uint256 i; i < members.length; ++i) {
            if (members[i].signer == signer) return true;
        }
        return false;
    }

    /// @dev 0 where it is malformed.
    function recover(uint256 signature, bytes32 digest) private pure returns (address) {
        bytes32 s = bytes32At(signature + 32);
        if (uint256(s) > HALF_ORDER) return address(0);
        return ecrecover(digest, uint8(bytes32At(signature + 64)[0]), bytes32At(signature), s);
    }

    function bytes32At(uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(offset)
        }
    }
}
