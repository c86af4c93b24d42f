//! The relayer's memory: what it has seen, what it is about to send, how long it took. Intent, never truth: the
//! chains are the truth, so deleting the file loses history and no money. One narrow type, so that another
//! database can stand beside SQLite.

mod rows;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aes_protocol::Hash32;
use rusqlite::{params, Connection};

pub use rows::{Cover, End, ExecutionRow, Intent, OutboxRow, Timing};

const SCHEMA_VERSION: i64 = 1;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database {}: {cause}; check the path, its rights and the disk's room", path.display())]
    Open { path: PathBuf, cause: rusqlite::Error },
    #[error("database {}: written by another release (schema {found}, this one knows {SCHEMA_VERSION}); move it away, it holds history only", path.display())]
    OtherVersion { path: PathBuf, found: i64 },
    #[error("database {}: damaged ({cause}); move it away, it holds history only", path.display())]
    Damaged { path: PathBuf, cause: String },
    #[error("database: {0}; check the disk's room")]
    Sqlite(#[from] rusqlite::Error),
}

/// Calls take well under a millisecond (WAL, no sync a commit: a power cut may cost the last rows of history, and a
/// crash of the process none; docs/decisions/0012).
pub struct Store(Mutex<Connection>);

impl Store {
    /// Makes the file where there is none. Refuses one that was not written whole: a crash cannot do that, a disk can.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let fail = |cause| StoreError::Open { path: path.into(), cause };
        let mut connection = Connection::open(path).map_err(fail)?;
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")
            .map_err(fail)?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(fail)?;
        let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fail)?;
        if check != "ok" {
            return Err(StoreError::Damaged { path: path.into(), cause: check });
        }
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(fail)?;
        match transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)? {
            0 => {
                transaction.execute_batch(include_str!("schema.sql")).map_err(fail)?;
                transaction.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(fail)?;
            }
            SCHEMA_VERSION => {}
            found => return Err(StoreError::OtherVersion { path: path.into(), found }),
        }
        transaction.commit().map_err(fail)?;
        Ok(Self(Mutex::new(connection)))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        // a panic elsewhere leaves no half-written row: SQLite rolled it back
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(work(&mut connection)?)
    }

    /// An execution as the home chain showed it; the first call makes the row.
    pub fn saw(&self, execution_id: &Hash32, number: u64, state: &str, at: u64) -> Result<(), StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO executions VALUES (?1, ?2, ?3, ?4, ?4)
                     ON CONFLICT DO UPDATE SET state = ?3, changed = ?4 WHERE state <> ?3",
                )?
                .execute(params![execution_id.to_string(), number, state, at])?;
            Ok(())
        })
    }

    /// To be on disk before the transaction leaves.
    pub fn intend(&self, intent: &Intent, at: u64) -> Result<i64, StoreError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            transaction
                .prepare_cached("INSERT INTO outbox (chain, at_home, kind, created) VALUES (?, ?, ?, ?)")?
                .execute(params![intent.chain.as_str(), intent.at_home, intent.kind, at])?;
            let id = transaction.last_insert_rowid();
            for cover in &intent.covers {
                transaction.prepare_cached("INSERT INTO outbox_covers VALUES (?, ?, ?)")?.execute(params![
                    id,
                    cover.execution_id.to_string(),
                    cover.leg
                ])?;
            }
            transaction.commit()?;
            Ok(id)
        })
    }

    /// A node has taken it, or taken another in its place with a higher fee.
    pub fn submitted(&self, id: i64, tx: &str, at: u64) -> Result<(), StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached("UPDATE outbox SET tx = ?2, submitted = ifnull(submitted, ?3) WHERE id = ?1")?
                .execute(params![id, tx, at])?;
            Ok(())
        })
    }

    pub fn ended(&self, id: i64, end: End, cause: Option<&str>, at: u64) -> Result<(), StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached("UPDATE outbox SET outcome = ?2, cause = ?3, ended = ?4 WHERE id = ?1")?
                .execute(params![id, end.as_str(), cause, at])?;
            Ok(())
        })
    }

    /// What a process before this one left in flight.
    pub fn unfinished(&self) -> Result<Vec<OutboxRow>, StoreError> {
        self.outbox_where("outcome IS NULL", [])
    }

    /// Every transaction ever sent for an execution, oldest first.
    pub fn outbox(&self, execution_id: &Hash32) -> Result<Vec<OutboxRow>, StoreError> {
        self.outbox_where("id IN (SELECT outbox FROM outbox_covers WHERE execution_id = ?)", [execution_id.to_string()])
    }

    fn outbox_where(&self, condition: &str, values: impl rusqlite::Params) -> Result<Vec<OutboxRow>, StoreError> {
        self.with(|connection| {
            let mut statement =
                connection.prepare_cached(&format!("SELECT * FROM outbox WHERE {condition} ORDER BY id"))?;
            let mut rows: Vec<OutboxRow> = statement.query_map(values, OutboxRow::read)?.collect::<Result<_, _>>()?;
            let mut covers =
                connection.prepare_cached("SELECT * FROM outbox_covers WHERE outbox = ? ORDER BY rowid")?;
            for row in &mut rows {
                row.covers = covers.query_map([row.id], Cover::read)?.collect::<Result<_, _>>()?;
            }
            Ok(rows)
        })
    }

    /// Kept the first time only: what is settled again was not waiting for us.
    pub fn time(&self, timing: &Timing) -> Result<(), StoreError> {
        self.with(|connection| {
            connection.prepare_cached("INSERT OR IGNORE INTO timings VALUES (?, ?, ?, ?, ?, ?)")?.execute(params![
                timing.execution_id.to_string(),
                timing.chain.as_str(),
                timing.tick_at,
                timing.decision_seen_at,
                timing.attested_at,
                timing.handed_over_at,
            ])?;
            Ok(())
        })
    }

    pub fn timings(&self, execution_id: &Hash32) -> Result<Vec<Timing>, StoreError> {
        self.with(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT * FROM timings WHERE execution_id = ? ORDER BY chain")?;
            let timings = statement.query_map([execution_id.to_string()], Timing::read)?.collect();
            timings
        })
    }

    pub fn executions(&self) -> Result<Vec<ExecutionRow>, StoreError> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM executions ORDER BY number")?;
            let rows = statement.query_map([], ExecutionRow::read)?.collect();
            rows
        })
    }
}
