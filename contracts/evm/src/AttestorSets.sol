// SPDX-License-Identifier: MIT
// The attestor sets this escrow knows, by id, and the one way to a next set: the current one signs it.
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {Attestor, AttestorSet, Certificates, StoredSet} from "./Certificates.sol";
import {IAesEscrow} from "./IAesEscrow.sol";
import {Statements} from "./Statements.sol";

abstract contract AttestorSets is IAesEscrow {
    mapping(uint64 id => StoredSet) private _sets;
    mapping(uint64 id => bytes32) private _setHashes;

    /// @inheritdoc IAesEscrow
    uint64 public currentSet;

    /// @inheritdoc IAesEscrow
    bytes32 public immutable domainSalt;
    /// @inheritdoc IAesEscrow
    bytes32 public immutable domainSeparator;
    /// @inheritdoc IAesEscrow
    uint64 public immutable maxHorizon;
    /// @inheritdoc IAesEscrow
    uint64 public immutable setGrace;

    constructor(bytes32 salt, AttestorSet memory first, uint64 horizon, uint64 grace) {
        domainSalt = salt;
        domainSeparator = Statements.domainSeparator(salt);
        maxHorizon = horizon;
        setGrace = grace;
        addSet(first, Statements.hashSet(first), 0);
    }

    /// @inheritdoc IAesEscrow
    function rotate(AttestorSet calldata next, bytes calldata rotated) external {
        uint64 current = currentSet;
        bytes32 nextHash = Statements.hashSet(next);
        if (_setHashes[next.id] == nextHash) {
            emit SetRotationRepeated(next.id, nextHash);
            return;
        }
        require(next.id > current && next.id - current == 1, NotTheNextSet(current, next.id));
        uint256 certificate = Certificates.begin(rotated);
        uint64 signedBy = Certificates.setAt(certificate);
        require(signedBy == current, NotTheCurrentSet(current, signedBy));
        verify(certificate, Statements.rotated(next.id, nextHash, current));

        // The last hold the old set can have certified ends at the horizon; the grace is for settling it.
        uint40 expiresAt = uint40(block.timestamp + maxHorizon + setGrace);
        _sets[current].seal = Certificates.expiring(_sets[current].seal, expiresAt);
        addSet(next, nextHash, expiresAt);
    }

    /// @inheritdoc IAesEscrow
    function attestorSet(uint64 id)
        external
        view
        returns (uint8 threshold, uint64 expiresAt, Attestor[] memory attestors)
    {
        StoredSet memory set = _sets[id];
        return (set.threshold, Certificates.expiryOf(set.seal), Certificates.load(set));
    }

    /// @inheritdoc IAesEscrow
    function attestorSetHash(uint64 id) external view returns (bytes32) {
        return _setHashes[id];
    }

    /// @dev Reverts unless the certificate that begins at `offset` in calldata is a good one on `structHash`.
    function verify(uint256 offset, bytes32 structHash) internal view {
        StoredSet storage set = _sets[Certificates.setAt(offset)];
        bytes32 digest = MessageHashUtils.toTypedDataHash(domainSeparator, structHash);
        if (!Certificates.isValid(set.seal, offset, digest)) Certificates.refuse(set, offset, digest);
    }

    function addSet(AttestorSet memory set, bytes32 setHash, uint64 previousExpiresAt) private {
        _sets[set.id] = Certificates.store(set);
        _setHashes[set.id] = setHash;
        currentSet = set.id;
        emit SetRotated(set.id, setHash, set, previousExpiresAt);
    }
}
