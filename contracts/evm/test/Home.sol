// SPDX-License-Identifier: MIT
// What is hashed only off an EVM chain (protocol, sections 5 to 7), the plain way: so that Solidity reads every vector.
pragma solidity 0.8.37;

/// @dev A leg as any chain has it: accounts and escrow are of any length.
struct AnyLeg {
    uint8 index;
    string chain;
    bytes escrow;
    uint8 fn_;
    bytes from;
    bytes to;
    uint128 amount;
}

struct Execution {
    string homeChain;
    bytes coordinator;
    bytes opener;
    bytes32 salt;
    bytes32 manifestRoot;
    uint64 deadline;
    bytes relayer;
}

struct Evidence {
    bytes32 legHash;
    uint8 status;
    string chain;
    uint64 height;
    bytes32 blockHash;
    bytes32 txId;
    bytes32 eventHash;
    uint64 time;
}

library Home {
    bytes32 private constant LEG = keccak256(
        "Leg(uint8 index,string chain,bytes escrow,uint8 function,bytes from,bytes to,uint128 amount)"
    );
    bytes32 private constant EXECUTION = keccak256(
        "Execution(string homeChain,bytes coordinator,bytes opener,bytes32 salt,bytes32 manifestRoot,uint64 deadline,bytes relayer)"
    );
    bytes32 private constant EVIDENCE = keccak256(
        "Evidence(bytes32 legHash,uint8 status,string chain,uint64 height,bytes32 blockHash,bytes32 txId,bytes32 eventHash,uint64 time)"
    );
    bytes32 private constant PREPARED =
        keccak256("Prepared(bytes32 executionId,bytes32 evidenceRoot,uint64 attestorSet)");
    bytes32 private constant SETTLED =
        keccak256("Settled(bytes32 executionId,uint8 decision,bytes32 evidenceRoot,uint64 attestorSet)");

    function hash(AnyLeg memory l) internal pure returns (bytes32) {
        (bytes32 chain, bytes32 escrow) = (keccak256(bytes(l.chain)), keccak256(l.escrow));
        (bytes32 from, bytes32 to) = (keccak256(l.from), keccak256(l.to));
        return keccak256(abi.encode(LEG, l.index, chain, escrow, l.fn_, from, to, l.amount));
    }

    function hash(Execution memory e) internal pure returns (bytes32) {
        (bytes32 home, bytes32 coordinator) = (keccak256(bytes(e.homeChain)), keccak256(e.coordinator));
        (bytes32 opener, bytes32 relayer) = (keccak256(e.opener), keccak256(e.relayer));
        return keccak256(
            abi.encode(EXECUTION, home, coordinator, opener, e.salt, e.manifestRoot, e.deadline, relayer)
        );
    }

    function hash(Evidence memory e) internal pure returns (bytes32) {
        bytes32 chain = keccak256(bytes(e.chain));
        return keccak256(
            abi.encode(
                EVIDENCE, e.legHash, e.status, chain, e.height, e.blockHash, e.txId, e.eventHash, e.time
            )
        );
    }

    function prepared(bytes32 executionId, bytes32 evidenceRoot, uint64 set) internal pure returns (bytes32) {
        return keccak256(abi.encode(PREPARED, executionId, evidenceRoot, set));
    }

    function settled(bytes32 executionId, uint8 decision, bytes32 evidenceRoot, uint64 set)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(SETTLED, executionId, decision, evidenceRoot, set));
    }
}
