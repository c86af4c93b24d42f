//! What the journal keeps an attestor from on Bitcoin: both outcomes of one hold, two finalized holds of one leg, two holds
//! made for one leg, one vault output for two executions.

use std::collections::BTreeSet;

use aes_chains::bitcoin::Purpose;
use aes_protocol::{ChainId, Decision, DecisionLeaf, Hash32};
use rusqlite::{params, Connection, OptionalExtension};

use super::name_of;
use crate::journal::{broken, claim, decision_of, now};
use crate::refusal::Refusal;

pub(crate) const SCHEMA: &str = "
    CREATE TABLE bitcoin_inputs (
        chain TEXT NOT NULL,
        outpoint TEXT NOT NULL,
        purpose TEXT NOT NULL,
        execution_id TEXT,
        leg INTEGER,
        txid TEXT NOT NULL,
        signed_at INTEGER NOT NULL,
        PRIMARY KEY (chain, outpoint)
    );
    CREATE TABLE bitcoin_legs (
        chain TEXT NOT NULL,
        execution_id TEXT NOT NULL,
        leg INTEGER NOT NULL,
        purpose TEXT NOT NULL,
        outpoint TEXT NOT NULL,
        PRIMARY KEY (chain, execution_id, leg, purpose)
    );
    CREATE TABLE bitcoin_signed (txid TEXT NOT NULL, request TEXT NOT NULL, signed_at INTEGER NOT NULL);
";

/// Signatures about to be made.
#[derive(Debug, Clone)]
pub(crate) struct Signing {
    pub chain: ChainId,
    pub purpose: Purpose,
    pub leg: Option<(Hash32, u8)>,
    pub txid: Hash32,
    pub outpoints: Vec<String>,
    pub request: String,
    /// executions whose hold on vault outputs is over
    pub over: BTreeSet<Hash32>,
    /// vault outputs that are spent for good
    pub gone: BTreeSet<String>,
}

pub(crate) fn write(database: &Connection, signing: &Signing) -> Result<(), Refusal> {
    match (signing.purpose, signing.leg) {
        (Purpose::Settle(decision), Some((execution_id, leg))) => {
            settle(database, signing, decision, execution_id, leg)?
        }
        (Purpose::Reserve, Some((execution_id, leg))) => reserve(database, signing, execution_id, leg)?,
        (Purpose::Rearrange, None) => check_free(database, signing, None)?,
        (purpose, leg) => return Err(Refusal::Journal(format!("{purpose:?} of leg {leg:?} is nothing to sign"))),
    }
    let (execution_id, leg) = (signing.leg.map(|(id, _)| id.to_string()), signing.leg.map(|(_, leg)| leg));
    let (chain, txid, purpose) = (signing.chain.as_str(), signing.txid.to_string(), name_of(signing.purpose));
    for outpoint in &signing.outpoints {
        database
            .execute(
                "INSERT OR REPLACE INTO bitcoin_inputs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![chain, outpoint, purpose, execution_id, leg, txid, now()],
            )
            .map_err(broken)?;
    }
    database
        .execute("INSERT INTO bitcoin_signed VALUES (?1, ?2, ?3)", params![txid, signing.request, now()])
        .map_err(broken)?;
    Ok(())
}

/// The execution's one decision, and one hold of each leg: a second hold of a leg would pay its recipient twice.
fn settle(
    database: &Connection,
    signing: &Signing,
    decision: Decision,
    execution_id: Hash32,
    leg: u8,
) -> Result<(), Refusal> {
    claim(database, &DecisionLeaf { execution_id, decision }, &signing.txid)?;
    let name = name_of(signing.purpose);
    for outpoint in &signing.outpoints {
        let signed = row(
            database,
            "SELECT purpose FROM bitcoin_inputs WHERE chain = ?1 AND outpoint = ?2",
            [signing.chain.as_str(), outpoint],
        )?;
        if signed.as_ref().is_some_and(|signed| signed != name) {
            return Err(Refusal::OtherOutcome { outpoint: outpoint.clone(), signed: signed.unwrap_or_default() });
        }
        if decision == Decision::Commit {
            one_a_leg(database, signing, execution_id, leg, outpoint)?;
        }
    }
    Ok(())
}

/// All reserve moves of one leg spend the first one's first output, so that only one of them can ever be in a block.
fn reserve(database: &Connection, signing: &Signing, execution_id: Hash32, leg: u8) -> Result<(), Refusal> {
    if let Some(signed) = decision_of(database, &execution_id)? {
        return Err(Refusal::AlreadyDecided { execution_id, signed });
    }
    check_free(database, signing, Some((execution_id, leg)))?;
    let first = leg_row(database, signing, execution_id, leg)?;
    match (first, signing.outpoints.first()) {
        (Some(first), _) if signing.outpoints.contains(&first) => Ok(()),
        (Some(first), Some(outpoint)) if signing.gone.contains(&first) => {
            let sql = "DELETE FROM bitcoin_legs WHERE chain = ?1 AND execution_id = ?2 AND leg = ?3 AND purpose = ?4";
            let purpose = name_of(signing.purpose);
            database
                .execute(sql, params![signing.chain.as_str(), execution_id.to_string(), leg, purpose])
                .map_err(broken)?;
            one_a_leg(database, signing, execution_id, leg, outpoint)
        }
        (Some(first), _) => Err(Refusal::SecondHold { execution_id, leg, first }),
        (None, Some(outpoint)) => one_a_leg(database, signing, execution_id, leg, outpoint),
        (None, None) => Err(Refusal::Journal("a reserve move without vault outputs".into())),
    }
}

fn one_a_leg(
    database: &Connection,
    signing: &Signing,
    execution_id: Hash32,
    leg: u8,
    outpoint: &str,
) -> Result<(), Refusal> {
    match leg_row(database, signing, execution_id, leg)? {
        Some(first) if first == outpoint => Ok(()),
        Some(first) => Err(Refusal::SecondHold { execution_id, leg, first }),
        None => database
            .execute(
                "INSERT INTO bitcoin_legs VALUES (?1, ?2, ?3, ?4, ?5)",
                params![signing.chain.as_str(), execution_id.to_string(), leg, name_of(signing.purpose), outpoint],
            )
            .map(|_| ())
            .map_err(broken),
    }
}

fn leg_row(database: &Connection, signing: &Signing, execution_id: Hash32, leg: u8) -> Result<Option<String>, Refusal> {
    let sql = "SELECT outpoint FROM bitcoin_legs WHERE chain = ?1 AND execution_id = ?2 AND leg = ?3 AND purpose = ?4";
    let (execution_id, leg) = (execution_id.to_string(), leg.to_string());
    row(database, sql, [signing.chain.as_str(), &execution_id, &leg, name_of(signing.purpose)])
}

/// No vault output of it is another leg's, unless that one's execution is over.
fn check_free(database: &Connection, signing: &Signing, own: Option<(Hash32, u8)>) -> Result<(), Refusal> {
    let sql = "SELECT execution_id, leg FROM bitcoin_inputs WHERE chain = ?1 AND outpoint = ?2 AND purpose = 'reserve'";
    for outpoint in &signing.outpoints {
        let found = database
            .query_row(sql, [signing.chain.as_str(), outpoint], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
            .optional()
            .map_err(broken)?;
        let Some((by, leg)) = found else { continue };
        let by: Hash32 = by.parse().map_err(|error| Refusal::Journal(format!("{outpoint} is of '{by}': {error}")))?;
        if Some((by, leg)) != own && !signing.over.contains(&by) && decision_of(database, &by)?.is_none() {
            return Err(Refusal::Reserved { outpoint: outpoint.clone(), by, leg });
        }
    }
    Ok(())
}

fn row<const N: usize>(database: &Connection, sql: &str, keys: [&str; N]) -> Result<Option<String>, Refusal> {
    database.query_row(sql, rusqlite::params_from_iter(keys), |row| row.get(0)).optional().map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINALIZE: Purpose = Purpose::Settle(Decision::Commit);
    const RELEASE: Purpose = Purpose::Settle(Decision::Abort);

    fn database() -> Connection {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(SCHEMA).unwrap();
        database
            .execute_batch("CREATE TABLE decisions (execution_id TEXT PRIMARY KEY, decision INTEGER, digest TEXT)")
            .unwrap();
        database
    }

    fn id(number: u8) -> Hash32 {
        Hash32([number; 32])
    }

    fn signing(purpose: Purpose, execution: u8, outpoints: &[&str]) -> Signing {
        Signing {
            chain: "bip122:0f9188f13cb7b2c71f2a335e3a4fc328".parse().unwrap(),
            purpose,
            leg: (purpose != Purpose::Rearrange).then_some((id(execution), 0)),
            txid: Hash32::default(),
            outpoints: outpoints.iter().map(|outpoint| (*outpoint).to_owned()).collect(),
            request: "{}".into(),
            over: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
    }

    #[test]
    fn one_outcome_an_execution_and_a_hold() {
        let database = database();
        write(&database, &signing(FINALIZE, 1, &["hold:0"])).unwrap();
        write(&database, &signing(FINALIZE, 1, &["hold:0"])).unwrap();
        let other = write(&database, &signing(RELEASE, 1, &["hold:0"]));
        assert!(matches!(other, Err(Refusal::OppositeDecision { .. })), "{other:?}");
        let other = write(&database, &signing(RELEASE, 2, &["hold:0"]));
        assert!(matches!(other, Err(Refusal::OtherOutcome { .. })), "{other:?}");
    }

    #[test]
    fn one_hold_of_a_leg_is_finalized_and_every_one_may_be_released() {
        let database = database();
        write(&database, &signing(FINALIZE, 1, &["hold:0"])).unwrap();
        let second = write(&database, &signing(FINALIZE, 1, &["hold:1"]));
        assert!(matches!(second, Err(Refusal::SecondHold { .. })), "{second:?}");
        write(&database, &signing(RELEASE, 2, &["hold:2"])).unwrap();
        write(&database, &signing(RELEASE, 2, &["hold:3"])).unwrap();
    }

    #[test]
    fn all_moves_for_a_leg_conflict_with_each_other() {
        let database = database();
        write(&database, &signing(Purpose::Reserve, 1, &["vault:0", "vault:1"])).unwrap();
        write(&database, &signing(Purpose::Reserve, 1, &["vault:2", "vault:0"])).unwrap();
        let second = write(&database, &signing(Purpose::Reserve, 1, &["vault:1", "vault:2"]));
        assert!(matches!(second, Err(Refusal::SecondHold { .. })), "{second:?}");
    }

    /// Otherwise the leg could never be held: by whom the output is spent is not up to the attestor that signed.
    #[test]
    fn a_leg_is_free_of_an_output_that_is_spent_for_good() {
        let database = database();
        write(&database, &signing(Purpose::Reserve, 1, &["vault:0"])).unwrap();
        let again = Signing { gone: BTreeSet::from(["vault:0".into()]), ..signing(Purpose::Reserve, 1, &["vault:1"]) };
        write(&database, &again).unwrap();
        let third = write(&database, &signing(Purpose::Reserve, 1, &["vault:2"]));
        assert!(matches!(&third, Err(Refusal::SecondHold { first, .. }) if first == "vault:1"), "{third:?}");
        // whatever became of the outputs: a finalized hold is the only one
        write(&database, &signing(FINALIZE, 1, &["hold:0"])).unwrap();
        let gone = BTreeSet::from(["hold:0".into()]);
        let second = write(&database, &Signing { gone, ..signing(FINALIZE, 1, &["hold:1"]) });
        assert!(matches!(second, Err(Refusal::SecondHold { .. })), "{second:?}");
    }

    #[test]
    fn a_vault_output_is_one_legs_until_its_execution_is_decided() {
        let database = database();
        write(&database, &signing(Purpose::Reserve, 1, &["vault:0"])).unwrap();
        let next_leg = Signing { leg: Some((id(1), 1)), ..signing(Purpose::Reserve, 1, &["vault:0"]) };
        let taken = write(&database, &next_leg);
        assert!(matches!(taken, Err(Refusal::Reserved { by, leg: 0, .. }) if by == id(1)), "{taken:?}");
        for purpose in [Purpose::Reserve, Purpose::Rearrange] {
            let taken = write(&database, &signing(purpose, 2, &["vault:0"]));
            assert!(matches!(taken, Err(Refusal::Reserved { by, .. }) if by == id(1)), "{taken:?}");
        }
        let over = Signing { over: BTreeSet::from([id(1)]), ..signing(Purpose::Reserve, 2, &["vault:0"]) };
        write(&database, &over).unwrap();
        write(&database, &signing(RELEASE, 2, &["hold:0"])).unwrap();
        write(&database, &signing(Purpose::Rearrange, 3, &["vault:0"])).unwrap();
    }

    #[test]
    fn no_reserve_moves_for_what_is_decided() {
        let database = database();
        write(&database, &signing(RELEASE, 1, &["hold:0"])).unwrap();
        let late = write(&database, &signing(Purpose::Reserve, 1, &["vault:0"]));
        assert!(matches!(late, Err(Refusal::AlreadyDecided { .. })), "{late:?}");
    }
}
