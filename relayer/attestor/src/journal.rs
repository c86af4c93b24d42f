//! Everything this attestor ever signed, on disk before the signature exists. It is what keeps an attestor from
//! contradicting itself, whatever its nodes say: one decision an execution, one set an id, and nothing that treats an
//! execution as open after its decision.
//!
//! One thread owns the database and puts all entries that wait at a time into one transaction: one fsync for all.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use aes_protocol::{AttestorSet, Bytes, Decision, DecisionLeaf, Domain, Hash32, Statement};
use rusqlite::{params, Connection, OptionalExtension, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::refusal::Refusal;
use crate::start::StartError;
use crate::wire::Seen;

const FORMAT: i64 = 1;
const SCHEMA: &str = "
    CREATE TABLE identity (signer TEXT NOT NULL, salt TEXT NOT NULL);
    CREATE TABLE statements (
        digest TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        execution_id TEXT,
        decision INTEGER,
        attestor_set INTEGER NOT NULL,
        seen TEXT NOT NULL,
        signed_at INTEGER NOT NULL
    );
    CREATE TABLE decisions (execution_id TEXT PRIMARY KEY, decision INTEGER NOT NULL, digest TEXT NOT NULL);
    CREATE TABLE rotations (new_set INTEGER PRIMARY KEY, set_hash TEXT NOT NULL, digest TEXT NOT NULL);
    CREATE TABLE approvals (set_hash TEXT PRIMARY KEY, attestor_set TEXT NOT NULL, approved_at INTEGER NOT NULL);
";

/// Entries in one transaction, at most.
const BATCH: usize = 64;

struct Entry {
    digest: Hash32,
    attestor_set: u64,
    seen: Seen,
    done: oneshot::Sender<Result<(), Refusal>>,
}

pub(crate) struct Journal {
    entries: Option<mpsc::Sender<Entry>>,
    writer: Option<JoinHandle<()>>,
}

impl Journal {
    pub(crate) fn open(path: &Path, signer: &[u8; 20], domain: &Domain) -> Result<Self, StartError> {
        let lock = lock(path)?;
        let mut database = database(path, signer, domain)?;
        let (entries, mut waiting) = mpsc::channel(BATCH);
        let writer = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || {
                let mut batch = Vec::new();
                while waiting.blocking_recv_many(&mut batch, BATCH) > 0 {
                    write(&mut database, &mut batch);
                }
                drop(database);
                drop(lock);
            })
            .map_err(|error| StartError::file(path, error))?;
        Ok(Self { entries: Some(entries), writer: Some(writer) })
    }

    /// Returns once the entry is on disk; then, and only then, may its digest be signed.
    pub(crate) async fn enter(&self, digest: Hash32, attestor_set: u64, seen: Seen) -> Result<(), Refusal> {
        let stopped = || Refusal::Journal("its thread has stopped".into());
        let (done, answer) = oneshot::channel();
        let entries = self.entries.as_ref().ok_or_else(stopped)?;
        entries.send(Entry { digest, attestor_set, seen, done }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Journal {
    /// The file is closed and its lock free when this returns.
    fn drop(&mut self) {
        self.entries = None;
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the journal's thread had panicked");
        }
    }
}

/// The operator's word that this attestor may sign `Rotated` for `set`. Works beside a running attestor.
pub fn approve(path: &Path, signer: &[u8; 20], domain: &Domain, set: &AttestorSet) -> Result<Hash32, StartError> {
    set.validate()?;
    let fail = |error: rusqlite::Error| StartError::file(path, error);
    let text = serde_json::to_string(set).map_err(|error| StartError::file(path, error))?;
    database(path, signer, domain)?
        .execute(
            "INSERT OR IGNORE INTO approvals (set_hash, attestor_set, approved_at) VALUES (?1, ?2, ?3)",
            params![set.hash().to_string(), text, now()],
        )
        .map_err(fail)?;
    Ok(set.hash())
}

/// SQLite's own lock would also keep `approve` out, so the one-process rule has a file of its own.
fn lock(path: &Path) -> Result<File, StartError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(|error| StartError::file(Path::new(&name), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::Locked(path.into())),
        Err(TryLockError::Error(error)) => Err(StartError::file(Path::new(&name), error)),
    }
}

fn database(path: &Path, signer: &[u8; 20], domain: &Domain) -> Result<Connection, StartError> {
    let key = Bytes::from(signer.as_slice()).to_string();
    let manifest = domain.salt().to_string();
    let fail = |error: rusqlite::Error| StartError::file(path, error);

    let mut database = Connection::open(path).map_err(fail)?;
    database.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").map_err(fail)?;
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
    match found {
        0 => {
            transaction.execute_batch(SCHEMA).map_err(fail)?;
            transaction.execute("INSERT INTO identity VALUES (?1, ?2)", params![key, manifest]).map_err(fail)?;
            transaction.pragma_update(None, "user_version", FORMAT).map_err(fail)?;
            tracing::info!(path = %path.display(), "a new journal");
        }
        FORMAT => {}
        _ => return Err(StartError::NewerJournal { path: path.into(), found, known: FORMAT }),
    }
    let (of_signer, of_deployment): (String, String) = transaction
        .query_row("SELECT signer, salt FROM identity", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(fail)?;
    transaction.commit().map_err(fail)?;
    if of_signer != key {
        return Err(StartError::OtherSigner { path: path.into(), journal: of_signer, key });
    }
    if of_deployment != manifest {
        return Err(StartError::OtherDeployment { path: path.into(), journal: of_deployment, manifest });
    }
    Ok(database)
}

/// Each entry gets its own verdict, and none before the transaction is synced.
fn write(database: &mut Connection, batch: &mut Vec<Entry>) {
    let verdicts = write_transaction(database, batch);
    for (position, entry) in batch.drain(..).enumerate() {
        let verdict = match &verdicts {
            Ok(verdicts) => {
                verdicts.get(position).cloned().unwrap_or_else(|| Err(Refusal::Journal("no verdict".into())))
            }
            Err(error) => Err(Refusal::Journal(error.to_string())),
        };
        // Nobody listens when the request was cancelled: what is in the journal may stay unsigned.
        let _ = entry.done.send(verdict);
    }
}

fn write_transaction(database: &mut Connection, batch: &[Entry]) -> Result<Vec<Result<(), Refusal>>, rusqlite::Error> {
    let mut transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut verdicts = Vec::with_capacity(batch.len());
    for entry in batch {
        let savepoint = transaction.savepoint()?;
        let verdict = write_entry(&savepoint, entry);
        if verdict.is_ok() {
            savepoint.commit()?;
        }
        verdicts.push(verdict);
    }
    transaction.commit()?;
    Ok(verdicts)
}

fn write_entry(database: &Connection, entry: &Entry) -> Result<(), Refusal> {
    let (kind, execution_id, decision) = match &entry.seen.statement {
        Statement::Opened { execution_id, .. } => ("opened", Some(execution_id), None),
        Statement::Prepared { execution_id, .. } => ("prepared", Some(execution_id), None),
        Statement::Decided { .. } => ("decided", None, None),
        Statement::Settled { execution_id, decision, .. } => ("settled", Some(execution_id), Some(*decision)),
        Statement::Rotated { .. } => ("rotated", None, None),
    };
    match (&entry.seen.statement, execution_id, decision) {
        (Statement::Rotated { new_set, new_set_hash }, ..) => {
            claim_set(database, *new_set, new_set_hash, &entry.digest)?;
        }
        (_, Some(execution_id), Some(decision)) => {
            claim(database, &DecisionLeaf { execution_id: *execution_id, decision }, &entry.digest)?;
        }
        (_, Some(execution_id), None) => {
            if let Some(signed) = decision_of(database, execution_id)? {
                return Err(Refusal::AlreadyDecided { execution_id: *execution_id, signed });
            }
        }
        (_, None, _) => {
            for leaf in &entry.seen.decisions {
                claim(database, leaf, &entry.digest)?;
            }
        }
    }
    let seen = serde_json::to_string(&entry.seen).map_err(|error| Refusal::Journal(error.to_string()))?;
    database
        .execute(
            "INSERT OR IGNORE INTO statements VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                entry.digest.to_string(),
                kind,
                execution_id.map(Hash32::to_string),
                decision.map(Decision::code),
                entry.attestor_set,
                seen,
                now()
            ],
        )
        .map_err(broken)?;
    Ok(())
}

/// Takes the execution's one decision, or refuses when the other was taken.
fn claim(database: &Connection, leaf: &DecisionLeaf, digest: &Hash32) -> Result<(), Refusal> {
    let DecisionLeaf { execution_id, decision: asked } = *leaf;
    match decision_of(database, &execution_id)? {
        Some(signed) if signed == asked => Ok(()),
        Some(signed) => Err(Refusal::OppositeDecision { execution_id, signed, asked }),
        None => database
            .execute(
                "INSERT INTO decisions VALUES (?1, ?2, ?3)",
                params![execution_id.to_string(), asked.code(), digest.to_string()],
            )
            .map(|_| ())
            .map_err(broken),
    }
}

fn decision_of(database: &Connection, execution_id: &Hash32) -> Result<Option<Decision>, Refusal> {
    let code: Option<u8> = database
        .query_row("SELECT decision FROM decisions WHERE execution_id = ?1", [execution_id.to_string()], |row| {
            row.get(0)
        })
        .optional()
        .map_err(broken)?;
    code.map(|code| {
        [Decision::Commit, Decision::Abort]
            .into_iter()
            .find(|decision| decision.code() == code)
            .ok_or_else(|| Refusal::Journal(format!("execution {execution_id} has decision {code}")))
    })
    .transpose()
}

/// Takes the id for an approved set, or refuses when another set was signed under it.
fn claim_set(database: &Connection, id: u64, hash: &Hash32, digest: &Hash32) -> Result<(), Refusal> {
    let text = |sql: &str, key: &dyn rusqlite::ToSql| -> Result<Option<String>, Refusal> {
        database.query_row(sql, [key], |row| row.get(0)).optional().map_err(broken)
    };
    if text("SELECT set_hash FROM approvals WHERE set_hash = ?1", &hash.to_string())?.is_none() {
        return Err(Refusal::NotApproved { id, hash: *hash });
    }
    match text("SELECT set_hash FROM rotations WHERE new_set = ?1", &id)? {
        Some(signed) if signed == hash.to_string() => Ok(()),
        Some(signed) => Err(Refusal::OtherSet { id, signed, asked: *hash }),
        None => database
            .execute("INSERT INTO rotations VALUES (?1, ?2, ?3)", params![id, hash.to_string(), digest.to_string()])
            .map(|_| ())
            .map_err(broken),
    }
}

fn broken(error: rusqlite::Error) -> Refusal {
    Refusal::Journal(error.to_string())
}

/// Unix seconds by this machine's clock, which only dates entries and decides nothing.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
