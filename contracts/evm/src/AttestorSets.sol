// SPDX-License-Identifier: MIT
// The attestor sets this escrow knows, by id, and the one way to a next set: the current one signs it.
pragma solidity 0.8.37;

import {Attestor, AttestorSet, Certificate, Certificates, StoredSet} from "./Certificates.sol";
import {IAesEscrow} from "./IAesEscrow.sol";

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
        domainSeparator = Certificates.domainSeparator(salt);
        maxHorizon = horizon;
        setGrace = grace;
        addSet(first, Certificates.hashSet(first), 0);
    }

    /// @inheritdoc IAesEscrow
    function rotate(AttestorSet calldata next, Certificate calldata rotated) external {
        uint64 current = currentSet;
        bytes32 nextHash = Certificates.hashSet(next);
        if (_setHashes[next.id] == nextHash) {
            emit SetRotationRepeated(next.id, nextHash);
            return;
        }
        require(next.id > current && next.id - current == 1, NotTheNextSet(current, next.id));
        require(rotated.attestorSet == current, NotTheCurrentSet(current, rotated.attestorSet));
        verify(rotated, Certificates.rotated(next.id, nextHash, current));

        // The last hold the old set can have certified ends at the horizon; the grace is for settling it.
        uint64 expiresAt = uint64(block.timestamp) + maxHorizon + setGrace;
        _sets[current].expiresAt = expiresAt;
        addSet(next, nextHash, expiresAt);
    }

    /// @inheritdoc IAesEscrow
    function attestorSet(uint64 id)
        external
        view
        returns (uint8 threshold, uint64 expiresAt, Attestor[] memory attestors)
    {
        StoredSet memory set = _sets[id];
        return (set.threshold, set.expiresAt, Certificates.load(set));
    }

    /// @inheritdoc IAesEscrow
    function attestorSetHash(uint64 id) external view returns (bytes32) {
        return _setHashes[id];
    }

    function verify(Certificate calldata certificate, bytes32 structHash) internal view {
        Certificates.verify(_sets[certificate.attestorSet], certificate, domainSeparator, structHash);
    }

    function addSet(AttestorSet memory set, bytes32 setHash, uint64 previousExpiresAt) private {
        _sets[set.id] = Certificates.store(set);
        _setHashes[set.id] = setHash;
        currentSet = set.id;
        emit SetRotated(set.id, setHash, set, previousExpiresAt);
    }
}
