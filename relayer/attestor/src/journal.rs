//! Everything this attestor ever signed, on disk before the signature exists. It is what keeps an attestor from
//! contradicting itself, whatever its nodes say: one decision an execution, one set an id, and nothing that treats an
//! execution as open after its decision.
//!
//! One thread owns the database and puts all entries that wait at a time into one transaction: one fsync for all.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use aes_protocol::{AttestorSet, Bytes, Decision, DecisionLeaf, Domain, Hash32, Statement};
use rusqlite::{params, Connection, OptionalExtension, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::bitcoin::journal::{self as bitcoin, Signing};
use crate::refusal::Refusal;
use crate::start::StartError;
use crate::wire::Seen;

/// 2 has what is signed on Bitcoin.
const FORMAT: i64 = 2;
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

/// Entries after which the write-ahead log is moved into the database: several syncs, which SQLite would by itself put
/// before an answer.
const CHECKPOINT: usize = 256;

enum What {
    Statement { digest: Hash32, attestor_set: u64, seen: Seen },
    Bitcoin(Signing),
}

struct Entry {
    what: What,
    done: oneshot::Sender<Result<(), Refusal>>,
}

pub(crate) struct Journal(Writer);

enum Writer {
    Thread {
        entries: Option<mpsc::Sender<Entry>>,
        thread: Option<JoinHandle<()>>,
    },
    /// with the lock that keeps others out
    Caller(Mutex<(Connection, File)>),
}

impl Journal {
    /// Whoever enters something also writes it, and waits for the disk: where time is virtual, it must not go on meanwhile.
    pub(crate) fn written_by_caller(path: &Path, signer: &[u8; 20], domain: &Domain) -> Result<Self, StartError> {
        let lock = lock(path)?;
        Ok(Self(Writer::Caller(Mutex::new((database(path, signer, domain)?, lock)))))
    }

    pub(crate) fn open(path: &Path, signer: &[u8; 20], domain: &Domain) -> Result<Self, StartError> {
        let lock = lock(path)?;
        let mut database = database(path, signer, domain)?;
        let (entries, mut waiting) = mpsc::channel(BATCH);
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || {
                let (mut batch, mut unmoved) = (Vec::new(), 0);
                loop {
                    let entries = waiting.blocking_recv_many(&mut batch, BATCH);
                    if entries == 0 {
                        break;
                    }
                    write(&mut database, &mut batch);
                    unmoved += entries;
                    if unmoved >= CHECKPOINT {
                        checkpoint(&database);
                        unmoved = 0;
                    }
                }
                drop(database);
                drop(lock);
            })
            .map_err(|error| StartError::file(path, error))?;
        Ok(Self(Writer::Thread { entries: Some(entries), thread: Some(thread) }))
    }

    /// Returns once the entry is on disk; then, and only then, may its digest be signed.
    pub(crate) async fn enter(&self, digest: Hash32, attestor_set: u64, seen: Seen) -> Result<(), Refusal> {
        self.write(What::Statement { digest, attestor_set, seen }).await
    }

    /// The same for signatures on a Bitcoin transaction.
    pub(crate) async fn enter_signing(&self, signing: Signing) -> Result<(), Refusal> {
        self.write(What::Bitcoin(signing)).await
    }

    async fn write(&self, what: What) -> Result<(), Refusal> {
        let stopped = || Refusal::Journal("its thread has stopped".into());
        let (done, answer) = oneshot::channel();
        let entry = Entry { what, done };
        match &self.0 {
            Writer::Thread { entries, .. } => {
                entries.as_ref().ok_or_else(stopped)?.send(entry).await.map_err(|_| stopped())?;
            }
            Writer::Caller(database) => {
                let mut database = database.lock().unwrap_or_else(PoisonError::into_inner);
                write(&mut database.0, &mut vec![entry]);
            }
        }
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Journal {
    /// The file is closed and its lock free when this returns.
    fn drop(&mut self) {
        if let Writer::Thread { entries, thread } = &mut self.0 {
            *entries = None;
            if thread.take().is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("the journal's thread had panicked");
            }
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
    database
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")
        .map_err(fail)?;
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
    match found {
        0 => {
            transaction.execute_batch(SCHEMA).map_err(fail)?;
            transaction.execute_batch(bitcoin::SCHEMA).map_err(fail)?;
            transaction.execute("INSERT INTO identity VALUES (?1, ?2)", params![key, manifest]).map_err(fail)?;
            transaction.pragma_update(None, "user_version", FORMAT).map_err(fail)?;
            tracing::info!(path = %path.display(), "a new journal");
        }
        1 => {
            transaction.execute_batch(bitcoin::SCHEMA).map_err(fail)?;
            transaction.pragma_update(None, "user_version", FORMAT).map_err(fail)?;
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

/// What is not moved now stays in the log, which is as good: it is tried again after the next entries.
fn checkpoint(database: &Connection) {
    if let Err(error) = database.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the journal's log was not moved into its database");
    }
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
        let verdict = match &entry.what {
            What::Statement { digest, attestor_set, seen } => write_statement(&savepoint, digest, *attestor_set, seen),
            What::Bitcoin(signing) => bitcoin::write(&savepoint, signing),
        };
        if verdict.is_ok() {
            savepoint.commit()?;
        }
        verdicts.push(verdict);
    }
    transaction.commit()?;
    Ok(verdicts)
}

fn write_statement(database: &Connection, digest: &Hash32, attestor_set: u64, seen: &Seen) -> Result<(), Refusal> {
    let (kind, execution_id, decision) = match &seen.statement {
        Statement::Opened { execution_id, .. } => ("opened", Some(execution_id), None),
        Statement::Prepared { execution_id, .. } => ("prepared", Some(execution_id), None),
        Statement::Decided { .. } => ("decided", None, None),
        Statement::Settled { execution_id, decision, .. } => ("settled", Some(execution_id), Some(*decision)),
        Statement::Rotated { .. } => ("rotated", None, None),
    };
    match (&seen.statement, execution_id, decision) {
        (Statement::Rotated { new_set, new_set_hash }, ..) => {
            claim_set(database, *new_set, new_set_hash, digest)?;
        }
        (_, Some(execution_id), Some(decision)) => {
            claim(database, &DecisionLeaf { execution_id: *execution_id, decision }, digest)?;
        }
        (_, Some(execution_id), None) => {
            if let Some(signed) = decision_of(database, execution_id)? {
                return Err(Refusal::AlreadyDecided { execution_id: *execution_id, signed });
            }
        }
        (_, None, _) => {
            for leaf in &seen.decisions {
                claim(database, leaf, digest)?;
            }
        }
    }
    let seen = serde_json::to_string(seen).map_err(|error| Refusal::Journal(error.to_string()))?;
    database
        .execute(
            "INSERT OR IGNORE INTO statements VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                digest.to_string(),
                kind,
                execution_id.map(Hash32::to_string),
                decision.map(Decision::code),
                attestor_set,
                seen,
                now()
            ],
        )
        .map_err(broken)?;
    Ok(())
}

/// Takes the execution's one decision, or refuses when the other was taken.
pub(crate) fn claim(database: &Connection, leaf: &DecisionLeaf, digest: &Hash32) -> Result<(), Refusal> {
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

pub(crate) fn decision_of(database: &Connection, execution_id: &Hash32) -> Result<Option<Decision>, Refusal> {
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

pub(crate) fn broken(error: rusqlite::Error) -> Refusal {
    Refusal::Journal(error.to_string())
}

/// Unix seconds by this machine's clock, which only dates entries and decides nothing.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
