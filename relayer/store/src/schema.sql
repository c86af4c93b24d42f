-- Times are microseconds since the Unix epoch. Hashes are 0x hex, chains CAIP-2, as everywhere people read them.

CREATE TABLE executions (
    execution_id TEXT PRIMARY KEY,
    number       INTEGER NOT NULL,
    state        TEXT NOT NULL,
    first_seen   INTEGER NOT NULL,
    changed      INTEGER NOT NULL
) STRICT;

-- One row a transaction, written before it leaves.
CREATE TABLE outbox (
    id        INTEGER PRIMARY KEY,
    chain     TEXT NOT NULL,
    at_home   INTEGER NOT NULL, -- 1: to the coordinator, 0: to the chain's escrow
    kind      TEXT NOT NULL,
    created   INTEGER NOT NULL,
    tx        TEXT,             -- once a node has taken it; the newest one after a fee bump
    submitted INTEGER,
    outcome   TEXT,             -- included, failed, lost, not_sent, unknown (whether a node took it)
    cause     TEXT,             -- why it failed; of an included one, the legs that were not paid
    ended     INTEGER
) STRICT;
CREATE INDEX outbox_unfinished ON outbox (id) WHERE outcome IS NULL;

-- What a transaction is for: a batch settles legs of many executions.
CREATE TABLE outbox_covers (
    outbox       INTEGER NOT NULL REFERENCES outbox (id),
    execution_id TEXT NOT NULL,
    leg          INTEGER          -- none: the execution whole, at the home chain
) STRICT;
CREATE INDEX outbox_covers_outbox ON outbox_covers (outbox);
CREATE INDEX outbox_covers_execution ON outbox_covers (execution_id);

-- How long the relayer took from seeing a decision to handing the settlement to a chain's node; the first time only.
CREATE TABLE timings (
    execution_id     TEXT NOT NULL,
    chain            TEXT NOT NULL,
    tick_at          INTEGER NOT NULL,
    decision_seen_at INTEGER NOT NULL,
    attested_at      INTEGER NOT NULL,
    handed_over_at   INTEGER NOT NULL,
    PRIMARY KEY (execution_id, chain)
) STRICT;
