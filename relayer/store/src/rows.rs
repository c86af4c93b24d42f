//! The store's records, and how they stand in SQLite.

use std::str::FromStr;

use aes_protocol::{ChainId, Hash32};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, Type, ValueRef};
use rusqlite::Row;
use serde::Serialize;

/// A transaction about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    pub chain: ChainId,
    /// to the coordinator; otherwise to the chain's escrow
    pub at_home: bool,
    pub kind: String,
    pub covers: Vec<Cover>,
}

/// What a transaction is for: one leg, or the execution whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cover {
    pub execution_id: Hash32,
    pub leg: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Included,
    /// in a block, and reverted there
    Failed,
    /// dropped or replaced: no node knows it
    Lost,
    /// no node took it
    NotSent,
    /// whether a node took it was not heard
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutboxRow {
    pub id: i64,
    pub chain: ChainId,
    pub at_home: bool,
    pub kind: String,
    pub covers: Vec<Cover>,
    pub created: u64,
    pub tx: Option<String>,
    pub submitted: Option<u64>,
    pub outcome: Option<End>,
    pub cause: Option<String>,
    pub ended: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExecutionRow {
    pub execution_id: Hash32,
    pub number: u64,
    pub state: String,
    pub first_seen: u64,
    pub changed: u64,
}

/// Microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timing {
    pub execution_id: Hash32,
    pub chain: ChainId,
    /// the home chain's new block was noticed
    pub tick_at: u64,
    /// the read that first showed the decision returned
    pub decision_seen_at: u64,
    pub attested_at: u64,
    /// the chain's node had the settlement
    pub handed_over_at: u64,
}

impl End {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Included => "included",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::NotSent => "not_sent",
            Self::Unknown => "unknown",
        }
    }
}

impl FromSql for End {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        [Self::Included, Self::Failed, Self::Lost, Self::NotSent, Self::Unknown]
            .into_iter()
            .find(|end| end.as_str() == text)
            .ok_or_else(|| FromSqlError::Other(format!("'{text}' is no outcome").into()))
    }
}

/// A column that is written as text and parsed back.
pub(crate) fn parsed<T: FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

impl OutboxRow {
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            chain: parsed(row, "chain")?,
            at_home: row.get("at_home")?,
            kind: row.get("kind")?,
            covers: Vec::new(),
            created: row.get("created")?,
            tx: row.get("tx")?,
            submitted: row.get("submitted")?,
            outcome: row.get("outcome")?,
            cause: row.get("cause")?,
            ended: row.get("ended")?,
        })
    }
}

impl Cover {
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { execution_id: parsed(row, "execution_id")?, leg: row.get("leg")? })
    }
}

impl ExecutionRow {
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            execution_id: parsed(row, "execution_id")?,
            number: row.get("number")?,
            state: row.get("state")?,
            first_seen: row.get("first_seen")?,
            changed: row.get("changed")?,
        })
    }
}

impl Timing {
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            execution_id: parsed(row, "execution_id")?,
            chain: parsed(row, "chain")?,
            tick_at: row.get("tick_at")?,
            decision_seen_at: row.get("decision_seen_at")?,
            attested_at: row.get("attested_at")?,
            handed_over_at: row.get("handed_over_at")?,
        })
    }
}
