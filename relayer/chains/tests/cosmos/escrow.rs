//! Legs through the escrow, without the coordinator: the certificates here are all it asks for.

use aes_chains::{Chain, ChainError, Depth, EscrowMessage, HoldStatus, Outcome, SettlementItem, TxId};
use aes_devnet::{ALZ_DENOM, GAS_DENOM};
use aes_protocol::{
    keccak, manifest_tree, Decision, DecisionLeaf, Evidence, Function, Hash32, Leg, LegStatus, Statement, Tree,
};

use crate::net::{account, certificate, coin, fits_its_gas, net, node_get, User, ALZ, ESCAPE_DELAY};

pub fn settle(user: &User, decision: Decision, executions: &[(Hash32, Vec<Leg>)]) -> EscrowMessage {
    let leaf = |execution_id: &Hash32| DecisionLeaf { execution_id: *execution_id, decision }.hash();
    let tree = Tree::new(&executions.iter().map(|(id, _)| leaf(id)).collect::<Vec<_>>()).unwrap();
    let items = executions.iter().map(|(id, legs)| SettlementItem {
        execution_id: *id,
        path: tree.path(&leaf(id)).unwrap(),
        legs: legs.clone(),
    });
    let statement = Statement::Decided { decisions_root: tree.root() };
    EscrowMessage::Settle { decision, certificate: certificate(&statement, domain(user)), items: items.collect() }
}

pub fn reserve(user: &User, execution_id: Hash32, deadline: u64, legs: &[Leg], index: usize) -> EscrowMessage {
    let tree = manifest_tree(legs).unwrap();
    let statement = Statement::Opened { execution_id, manifest_root: tree.root(), deadline };
    EscrowMessage::PrepareReserve {
        execution_id,
        deadline,
        leg: legs[index].clone(),
        manifest_root: tree.root(),
        path: tree.path(&legs[index].hash()).unwrap(),
        certificate: certificate(&statement, domain(user)),
    }
}

fn domain(user: &User) -> &aes_protocol::Domain {
    aes_chains::Home::domain(&user.home)
}

async fn evidence(user: &User, id: &Hash32, leg: &Leg, deadline: u64) -> Option<Evidence> {
    user.chain.evidence(id, leg, deadline).await.unwrap()
}

fn tx_id(tx: &TxId) -> String {
    format!("0x{}", tx.0.to_lowercase())
}

#[tokio::test]
async fn a_lock_is_held_proved_given_back_and_a_replay_changes_nothing() {
    let user = User::new("ROLLBACK").await;
    user.chain.check_contract().await.unwrap();
    let (id, deadline) = (keccak(b"rollback"), user.now().await + 600);
    let leg = user.leg(&net().await.escrow, 0, Function::Lock, 200 * ALZ);
    let before = user.alz().await;
    assert_eq!(user.chain.hold(&id, &leg, Depth::Soft).await.unwrap(), None);
    assert_eq!(evidence(&user, &id, &leg, deadline).await, None);

    let prepare = EscrowMessage::Prepare { execution_id: id, deadline, leg: leg.clone() };
    assert!(user.chain.estimate(&prepare).await.unwrap() > 0);
    let tx = user.chain.submit(&prepare).await;
    user.included(tx.clone()).await;
    assert_eq!(user.alz().await, before - 200 * ALZ);
    let hold = user.chain.hold(&id, &leg, Depth::Final).await.unwrap().unwrap();
    assert_eq!((hold.status, hold.deadline, hold.settled_at), (HoldStatus::Held, deadline, None));
    let held = evidence(&user, &id, &leg, deadline).await.unwrap();
    assert_eq!((held.status, Some(held.time)), (LegStatus::Held, hold.held_at));
    assert_eq!(held.tx_id.to_string(), tx_id(&tx.unwrap()));
    let stored = stored(&id, &leg).await;
    assert_eq!(held.event_hash, keccak(&stored), "{}", String::from_utf8_lossy(&stored));
    let block = node_block(held.height).await;
    assert_eq!(
        held.block_hash.to_string(),
        format!("0x{}", block["block_id"]["hash"].as_str().unwrap().to_lowercase())
    );
    assert_eq!(evidence(&user, &id, &leg, deadline + 1).await, None, "held with another deadline");

    // the same again: nothing more is taken
    let repeated = user.chain.submit(&prepare).await;
    user.included(repeated).await;
    assert_eq!(user.alz().await, before - 200 * ALZ);
    assert_eq!(evidence(&user, &id, &leg, deadline).await, Some(held));

    let release = settle(&user, Decision::Abort, &[(id, vec![leg.clone()])]);
    let tx = user.chain.submit(&release).await;
    user.included(tx.clone()).await;
    assert_eq!(user.alz().await, before);
    assert_eq!(user.chain.hold(&id, &leg, Depth::Soft).await.unwrap().unwrap().status, HoldStatus::Released);
    let released = evidence(&user, &id, &leg, deadline).await.unwrap();
    assert_eq!(released.status, LegStatus::Released);
    assert_eq!(released.tx_id.to_string(), tx_id(&tx.unwrap()));

    user.included(user.chain.submit(&release).await).await;
    assert_eq!((user.alz().await, evidence(&user, &id, &leg, deadline).await), (before, Some(released)));

    let finalize = settle(&user, Decision::Commit, &[(id, vec![leg])]);
    let outcome = user.done(user.chain.submit(&finalize).await).await;
    let Outcome::Failed { cause, .. } = outcome else { panic!("{outcome:?}") };
    assert!(cause.starts_with("execution 0x") && cause.contains("already released"), "{cause}");
}

#[tokio::test]
async fn refusals_are_the_contracts_own_words_and_cost_nothing() {
    let user = User::new("REFUSED").await;
    let (id, now) = (keccak(b"refused"), user.now().await);
    let leg = user.leg(&net().await.escrow, 0, Function::Lock, ALZ);
    let gas = user.client.gas_account().await.unwrap().balance;
    let prepare = |deadline, leg: Leg| EscrowMessage::Prepare { execution_id: id, deadline, leg };
    let refused = |result: Result<TxId, ChainError>| match result {
        Err(ChainError::Refused { cause, .. }) => cause,
        other => panic!("{other:?}"),
    };

    let late = refused(user.chain.submit(&prepare(now - 1, leg.clone())).await);
    assert!(late.starts_with(&format!("the deadline {} is not after now", now - 1)), "{late}");
    assert!(late.ends_with("open a new execution"), "{late}");
    let large =
        refused(user.chain.submit(&prepare(now + 60, Leg { amount: (1_001 * ALZ).into(), ..leg.clone() })).await);
    assert!(large.contains("over the largest leg") && large.ends_with("split it over executions"), "{large}");
    let other = refused(user.chain.submit(&prepare(now + 60, Leg { from: account("COMMIT"), ..leg.clone() })).await);
    assert!(other.contains("the depositor sends this"), "{other}");
    let poor = refused(
        user.chain.submit(&prepare(now + 60, Leg { amount: (1_000_000_000 * ALZ).into(), ..leg.clone() })).await,
    );
    assert!(poor.contains("is smaller than"), "{poor}");
    let legs = [user.leg(&net().await.escrow, 0, Function::Mint, ALZ)];
    let mint = refused(user.chain.submit(&reserve(&user, id, now + 60, &legs, 0)).await);
    assert!(mint.starts_with("mint needs ALZ as a cw20"), "{mint}");
    let estimate = user.chain.estimate(&prepare(now - 1, leg)).await.unwrap_err();
    assert!(matches!(estimate, ChainError::Refused { .. }), "{estimate}");
    let nowhere = user.client.execute(&crate::net::address("COMMIT"), &serde_json::json!({}), &[]).await;
    assert!(refused(nowhere).contains("no such contract"));
    let escrow = &net().await.escrow.escrow_address;
    let nonsense = user.client.execute(escrow, &serde_json::json!({ "nonsense": {} }), &[]).await;
    let nonsense = refused(nonsense);
    assert!(nonsense.starts_with("unknown variant `nonsense`, expected one of `prepare`"), "{nonsense}");
    assert_eq!(user.client.gas_account().await.unwrap().balance, gas);
}

#[tokio::test]
async fn a_leg_never_held_is_absent_from_the_first_block_at_the_deadline() {
    let user = User::new("ABSENT").await;
    let (id, deadline) = (keccak(b"absent"), user.now().await + 3);
    let leg = user.leg(&net().await.escrow, 0, Function::Lock, ALZ);
    assert_eq!(evidence(&user, &id, &leg, deadline).await, None);
    user.until(deadline).await;
    let absent = evidence(&user, &id, &leg, deadline).await.unwrap();
    assert_eq!(
        (absent.status, absent.tx_id, absent.event_hash),
        (LegStatus::Absent, Hash32::default(), Hash32::default())
    );
    assert!(absent.time >= deadline);
    let time = |block: &serde_json::Value| block["block"]["header"]["time"].as_str().unwrap().to_owned();
    let (before, first) = (node_block(absent.height - 1).await, node_block(absent.height).await);
    let whole = |time: String| time.split('.').next().unwrap().trim_end_matches('Z').to_owned();
    assert!(whole(time(&before)) < whole(time(&first)), "the block before is of a second before the deadline");

    user.until(deadline + 2).await;
    let stranger = User::of("POOR", &net().await.escrow, vec![net().await.node.rpc_url.clone()]).await;
    assert_eq!(evidence(&stranger, &id, &leg, deadline).await, Some(absent), "the same later and for everyone");

    // before its deadline it takes a tombstone
    let (id, deadline) = (keccak(b"tombstone"), user.now().await + 600);
    let tx = user.chain.submit(&settle(&user, Decision::Abort, &[(id, vec![leg.clone()])])).await;
    user.included(tx.clone()).await;
    let hold = user.chain.hold(&id, &leg, Depth::Soft).await.unwrap().unwrap();
    assert_eq!((hold.status, hold.held_at), (HoldStatus::Released, None));
    let absent = evidence(&user, &id, &leg, deadline).await.unwrap();
    assert_eq!((absent.status, absent.tx_id.to_string()), (LegStatus::Absent, tx_id(&tx.unwrap())));
}

#[tokio::test]
async fn a_depositor_escapes_when_no_decision_comes() {
    let user = User::new("ESCAPE").await;
    let (id, deadline) = (keccak(b"escape"), user.now().await + 3);
    let leg = user.leg(&net().await.escrow, 0, Function::Transfer, ALZ);
    let before = user.alz().await;
    let prepare = EscrowMessage::Prepare { execution_id: id, deadline, leg: leg.clone() };
    user.included(user.chain.submit(&prepare).await).await;
    let escape = EscrowMessage::Escape { execution_id: id, leg: leg.clone() };
    let early = user.chain.submit(&escape).await.unwrap_err().to_string();
    assert!(early.contains("escape opens at"), "{early}");
    user.until(deadline + ESCAPE_DELAY).await;
    user.included(user.chain.submit(&escape).await).await;
    assert_eq!(user.alz().await, before);
    assert_eq!(evidence(&user, &id, &leg, deadline).await.unwrap().status, LegStatus::Escaped);
}

#[tokio::test]
async fn a_cw20_is_burned_minted_and_put_into_the_vault() {
    let net = net().await;
    let user = User::of("CW20", &net.cw20_escrow, vec![net.node.rpc_url.clone()]).await;
    let (id, deadline) = (keccak(b"cw20"), user.now().await + 600);
    let leg = |index, function, amount| user.leg(&net.cw20_escrow, index, function, amount);
    let legs =
        vec![leg(0, Function::Burn, 5 * ALZ), leg(1, Function::Mint, 7 * ALZ), leg(2, Function::Unlock, 2 * ALZ)];
    assert_eq!(user.alz().await, 1_000 * ALZ);
    user.included(user.chain.submit(&EscrowMessage::FundVault { amount: 10 * ALZ }).await).await;
    let burn = EscrowMessage::Prepare { execution_id: id, deadline, leg: legs[0].clone() };
    user.included(user.chain.submit(&burn).await).await;
    for index in [1, 2] {
        user.included(user.chain.submit(&reserve(&user, id, deadline, &legs, index)).await).await;
    }
    user.included(user.chain.submit(&settle(&user, Decision::Commit, &[(id, legs.clone())])).await).await;
    assert_eq!(user.alz().await, (1_000 - 10 - 5 + 7 + 2) * ALZ);
    for leg in &legs {
        assert_eq!(evidence(&user, &id, leg, deadline).await.unwrap().status, LegStatus::Finalized);
    }
    let supply: serde_json::Value = user.client.ask(&net.cw20, &serde_json::json!({ "token_info": {} })).await.unwrap();
    assert_eq!(supply["total_supply"], (1_002 * ALZ).to_string());
}

#[tokio::test]
async fn settlements_fit_the_gas_they_are_given() {
    let net = net().await;
    for escrow in [&net.escrow, &net.cw20_escrow] {
        let user = User::of("GAS", escrow, vec![net.node.rpc_url.clone()]).await;
        if escrow.asset == net.cw20 {
            let rich = User::of("CW20", escrow, vec![net.node.rpc_url.clone()]).await;
            let transfer = serde_json::json!({ "transfer": { "recipient": crate::net::address("GAS"), "amount": ALZ.to_string() } });
            let tx = rich.client.execute(&net.cw20, &transfer, &[]).await;
            rich.included(tx).await;
        }
        for (executions, decision) in [(1, Decision::Commit), (16, Decision::Commit), (16, Decision::Abort)] {
            let deadline = user.now().await + 600;
            let mut batch = Vec::new();
            let mut last = None;
            for n in 0..executions {
                let id = keccak(format!("gas {executions} {decision:?} {n} {}", escrow.asset).as_bytes());
                let leg = user.leg(escrow, 0, Function::Transfer, 1);
                let prepare = EscrowMessage::Prepare { execution_id: id, deadline, leg: leg.clone() };
                last = Some(user.chain.submit(&prepare).await);
                batch.push((id, vec![leg]));
            }
            user.included(last.unwrap()).await;
            let message = settle(&user, decision, &batch);
            let start = std::time::Instant::now();
            let tx = user.chain.submit(&message).await;
            println!("{decision:?} of {executions}: handed over in {:?}", start.elapsed());
            user.included(tx.clone()).await;
            fits_its_gas(&format!("{decision:?} of {executions}"), &tx.unwrap()).await;
            let failed = batch.iter().map(|(id, legs)| user.chain.hold(id, &legs[0], Depth::Soft));
            for hold in futures::future::join_all(failed).await {
                assert_ne!(hold.unwrap().unwrap().status, HoldStatus::Held);
            }
        }
    }
}

#[tokio::test]
async fn without_money_for_gas_it_says_so() {
    let poor = User::of("POOR", &net().await.escrow, vec![net().await.node.rpc_url.clone()]).await;
    let (id, deadline) = (keccak(b"poor"), poor.now().await + 600);
    let leg = poor.leg(&net().await.escrow, 0, Function::Lock, ALZ);
    let release = settle(&poor, Decision::Abort, &[(id, vec![leg.clone()])]);
    let prepare = EscrowMessage::Prepare { execution_id: id, deadline, leg };
    let check = |error: ChainError, has: &str| match error {
        ChainError::InsufficientGas { address, balance, .. } => {
            assert_eq!((address, balance.as_str()), (crate::net::address("POOR"), has));
        }
        other => panic!("{other}"),
    };
    check(poor.chain.submit(&release).await.unwrap_err(), "0uallz");
    assert_eq!(poor.client.gas_account().await.unwrap().balance, 0);

    let rich = User::new("REFUSED").await;
    for (amount, denom) in [(ALZ, ALZ_DENOM), (5, GAS_DENOM)] {
        let tx = rich.client.send(&crate::net::address("POOR"), &coin(amount, denom)).await;
        rich.included(tx).await;
    }
    check(poor.chain.submit(&release).await.unwrap_err(), "5uallz");
    check(poor.chain.submit(&prepare).await.unwrap_err(), "5uallz");
}

#[tokio::test]
async fn one_account_keeps_its_order_under_many_hands() {
    let user = User::new("ORDER").await;
    let leg = user.leg(&net().await.escrow, 0, Function::Lock, 1);
    let deadline = user.now().await + 600;
    // a second process with the same key, and neither is told of the other's transactions
    let twin = User::new("ORDER").await;
    let mut sent = Vec::new();
    for (hand, executions) in [(&user, 0..15u8), (&twin, 15..30), (&user, 30..45)] {
        let submits = executions.map(|n| {
            let message = EscrowMessage::Prepare { execution_id: Hash32([n; 32]), deadline, leg: leg.clone() };
            async move { hand.chain.submit(&message).await.unwrap() }
        });
        sent.extend(futures::future::join_all(submits).await);
    }
    for tx in sent {
        user.client.wait_for(&tx, crate::net::WAIT).await.unwrap();
    }
    let unknown = user.chain.outcome(&TxId("AB".repeat(32))).await.unwrap();
    assert_eq!(unknown, Outcome::Unknown);
}

/// The hold's bytes, read from the store itself as a proof would.
async fn stored(id: &Hash32, leg: &Leg) -> Vec<u8> {
    let map_key = [&[0, 5][..], b"holds", &[0, 32], &id.0, &leg.hash().0].concat();
    let key = [&[3][..], net().await.escrow.escrow.as_slice(), &map_key].concat();
    let answer = node_get(&format!("abci_query?path=%22store/wasm/key%22&data=0x{}", hex::encode(key))).await;
    cosmwasm_std::Binary::from_base64(answer["response"]["value"].as_str().unwrap()).unwrap().to_vec()
}

async fn node_block(height: u64) -> serde_json::Value {
    node_get(&format!("block?height={height}")).await
}
