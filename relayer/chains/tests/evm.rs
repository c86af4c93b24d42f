//! The EVM adapter on a real anvil: every message, what is read back, and what it says when something is wrong.
//! Needs anvil (`make nodes`) and the contracts built (`make contracts`).

mod evm_world;

use std::time::{Duration, Instant};

use aes_chains::evm::{AdminCall, EscrowState, EvmChain, EvmDeployer};
use aes_chains::{Chain, ChainError, Depth, EscrowMessage, HoldStatus, Outcome};
use aes_protocol::{manifest_tree, Decision, Function, Hash32, LegStatus, Statement};
use evm_world::{eventually, hash, now, World, ALZ, ETHER, LIMITS};

#[tokio::test]
async fn a_lock_is_prepared_settled_and_replayed() {
    let world = World::start().await;
    let (alice, relayer) = (world.chain("ALICE").await, world.chain("RELAYER").await);
    let leg = world.leg(0, Function::Lock, 100 * ALZ);
    let (id, deadline) = (hash(1), now() + 600);
    assert_eq!(relayer.hold(&id, &leg, Depth::Soft).await.unwrap(), None);
    assert_eq!(relayer.evidence(&id, &leg, deadline).await.unwrap(), None);

    let prepare = EscrowMessage::Prepare { execution_id: id, deadline, leg: leg.clone() };
    assert!(alice.estimate(&prepare).await.unwrap() > 0, "without an allowance too");
    let held_height = world.included(&alice, &prepare).await;
    let hold = relayer.hold(&id, &leg, Depth::Soft).await.unwrap().unwrap();
    assert_eq!((hold.status, hold.deadline), (HoldStatus::Held, deadline));
    assert_eq!((hold.held_at, hold.settled_at), (Some(held_height), None));

    let held = world.evidence(&relayer, &id, &leg, deadline).await;
    assert_eq!((held.status, held.height), (LegStatus::Held, held_height));
    assert_eq!(held.leg_hash, leg.hash());
    assert_ne!(held.tx_id, Hash32::default());
    assert_eq!(world.evidence(&alice, &id, &leg, deadline).await, held, "the same bytes from everyone");
    assert_eq!(relayer.evidence(&id, &leg, deadline + 1).await.unwrap(), None, "another deadline is another hold");

    let settle = world.settle(Decision::Commit, id, vec![leg.clone()]);
    let started = Instant::now();
    let tx = relayer.submit(&settle).await.unwrap();
    println!("signed and handed over in {:?}", started.elapsed());
    world.outcome(&relayer, &tx).await.unwrap();
    let finalized = world.evidence_as(&relayer, &id, &leg, deadline, LegStatus::Finalized).await;
    assert_eq!(finalized.tx_id.to_string(), tx.0);
    assert!(finalized.time >= held.time);
    assert_eq!(world.state().await.vault, 100 * ALZ);

    // The same again is a success that moves nothing; a repeated prepare is refused; the opposite is a failure.
    world.included(&relayer, &settle).await;
    assert_eq!(world.evidence(&relayer, &id, &leg, deadline).await, finalized);
    assert_eq!(world.state().await.vault, 100 * ALZ);
    world.refused(alice.submit(&prepare).await, "HoldSettled(").await;
    let opposite = relayer.submit(&world.settle(Decision::Abort, id, vec![leg])).await.unwrap();
    let cause = world.outcome(&relayer, &opposite).await.unwrap_err();
    assert!(cause.starts_with("HoldSettledOtherwise(executionId: 0x0101"), "{cause}");
    assert!(cause.ends_with("status: 2)"), "{cause}");
}

#[tokio::test]
async fn a_mint_is_prepared_with_a_certificate_and_rolled_back() {
    let world = World::start().await;
    let relayer = world.chain("RELAYER").await;
    let leg = world.leg(0, Function::Mint, 5 * ALZ);
    let (id, deadline) = (hash(2), now() + 600);
    let tree = manifest_tree(&[leg.clone(), world.leg(1, Function::Lock, 5 * ALZ)]).unwrap();
    let reserve = |manifest_root: Hash32| EscrowMessage::PrepareReserve {
        execution_id: id,
        deadline,
        leg: leg.clone(),
        manifest_root,
        path: tree.path(&leg.hash()).unwrap(),
        certificate: world.certify(Statement::Opened { execution_id: id, manifest_root, deadline }),
    };
    world.refused(relayer.submit(&reserve(hash(9))).await, "LegNotInManifest(").await;
    world.included(&relayer, &reserve(tree.root())).await;
    assert_eq!(world.state().await.issued, (5 * ALZ) as i128);

    let settle = world.settle(Decision::Abort, id, vec![leg.clone()]);
    assert!(relayer.estimate(&settle).await.unwrap() > 0);
    world.included(&relayer, &settle).await;
    assert_eq!(world.state().await.issued, 0);
    world.evidence_as(&relayer, &id, &leg, deadline, LegStatus::Released).await;
}

#[tokio::test]
async fn deposits_close_to_each_other_each_get_their_allowance() {
    let world = World::start().await;
    let alice = world.chain("ALICE").await;
    let deadline = now() + 600;
    let mut sent = Vec::new();
    for index in 0..3u8 {
        let leg = world.leg(index, Function::Burn, u128::from(index + 1) * ALZ);
        sent.push(alice.submit(&EscrowMessage::Prepare { execution_id: hash(3), deadline, leg }).await.unwrap());
    }
    for tx in sent {
        world.outcome(&alice, &tx).await.unwrap();
    }
    alice.submit(&EscrowMessage::FundVault { amount: 9 * ALZ }).await.unwrap();
    eventually("the vault is funded", Duration::from_secs(10), async || world.state().await.vault == 9 * ALZ).await;
    assert_eq!(world.state().await.held, 6 * ALZ);
}

#[tokio::test]
async fn refusals_are_told_in_the_contracts_words_and_cost_nothing() {
    let world = World::start().await;
    let (alice, relayer) = (world.chain("ALICE").await, world.chain("RELAYER").await);
    let before = alice.gas_account().await.unwrap();
    let deadline = now() + 600;
    let prepare = |function, amount| EscrowMessage::Prepare {
        execution_id: hash(4),
        deadline,
        leg: world.leg(0, function, amount),
    };
    let large = format!("LegTooLarge(amount: {}, maxLeg: {})", LIMITS.max_leg + 1, LIMITS.max_leg);
    world.refused(alice.submit(&prepare(Function::Lock, LIMITS.max_leg + 1)).await, &large).await;
    world.refused(alice.estimate(&prepare(Function::Lock, LIMITS.max_leg + 1)).await, &large).await;
    world.refused(relayer.submit(&prepare(Function::Lock, ALZ)).await, "NotTheDepositor(caller: 0x").await;
    world.refused(alice.submit(&prepare(Function::Lock, 60_000 * ALZ)).await, "base units of ALZ").await;
    let mut foreign = world.leg(0, Function::Lock, ALZ);
    foreign.chain = "eip155:1".parse().unwrap();
    let foreign = EscrowMessage::Prepare { execution_id: hash(4), deadline, leg: foreign };
    world.refused(alice.submit(&foreign).await, "leg 0 is of eip155:1").await;
    assert_eq!(alice.gas_account().await.unwrap(), before);

    let looks_only = world.chain_with(&[&world.anvil.rpc_url], None);
    assert!(matches!(looks_only.gas_account().await, Err(ChainError::NoKey { .. })));
    assert!(matches!(looks_only.submit(&foreign).await, Err(ChainError::NoKey { .. })));
}

#[tokio::test]
async fn an_empty_gas_account_is_said_and_once_filled_all_goes_on() {
    let world = World::start().await;
    let relayer = world.chain("RELAYER").await;
    let leg = world.leg(0, Function::Mint, ALZ);
    let (id, deadline) = (hash(5), now() + 600);
    let tree = manifest_tree(std::slice::from_ref(&leg)).unwrap();
    let prepare = EscrowMessage::PrepareReserve {
        execution_id: id,
        deadline,
        leg: leg.clone(),
        manifest_root: tree.root(),
        path: vec![],
        certificate: world.certify(Statement::Opened { execution_id: id, manifest_root: tree.root(), deadline }),
    };
    let settle = world.settle(Decision::Abort, id, vec![leg]);
    let me = relayer.gas_account().await.unwrap().address;
    world.anvil.set_balance(&me, 0).await.unwrap();
    for message in [&prepare, &settle] {
        let error = relayer.submit(message).await.unwrap_err();
        assert!(matches!(&error, ChainError::InsufficientGas { balance, .. } if balance == "0 wei"), "{error}");
        assert!(error.to_string().contains("insufficient gas"), "{error}");
    }
    world.anvil.set_balance(&me, ETHER).await.unwrap();
    world.included(&relayer, &prepare).await;
    world.included(&relayer, &settle).await;
}

#[tokio::test]
async fn a_release_with_nothing_held_leaves_a_tombstone() {
    let world = World::start().await;
    let (alice, relayer) = (world.chain("ALICE").await, world.chain("RELAYER").await);
    let leg = world.leg(0, Function::Transfer, ALZ);
    let (id, deadline) = (hash(6), now() + 600);
    let height = world.included(&relayer, &world.settle(Decision::Abort, id, vec![leg.clone()])).await;
    let absent = world.evidence(&relayer, &id, &leg, deadline).await;
    assert_eq!((absent.status, absent.height), (LegStatus::Absent, height));
    assert_ne!(absent.event_hash, Hash32::default());
    let hold = relayer.hold(&id, &leg, Depth::Final).await.unwrap().unwrap();
    assert_eq!((hold.status, hold.held_at), (HoldStatus::Released, None));
    let late = EscrowMessage::Prepare { execution_id: id, deadline, leg };
    world.refused(alice.submit(&late).await, "HoldSettled(").await;
}

#[tokio::test]
async fn never_held_by_the_deadline_is_absent_with_the_first_block_after_it() {
    let world = World::start().await;
    let relayer = world.chain("RELAYER").await;
    let leg = world.leg(0, Function::Transfer, ALZ);
    let deadline = relayer.head(Depth::Soft).await.unwrap().time + 3;
    assert_eq!(relayer.evidence(&hash(7), &leg, deadline).await.unwrap(), None);
    let absent = world.evidence(&relayer, &hash(7), &leg, deadline).await;
    assert_eq!(absent.status, LegStatus::Absent);
    assert_eq!((absent.tx_id, absent.event_hash), (Hash32::default(), Hash32::default()));
    assert!(absent.time >= deadline);
    assert!(world.block_time(absent.height - 1).await < deadline, "the first such block");
    // Later heads do not change it.
    let mut ticks = relayer.ticks();
    for _ in 0..8 {
        ticks.changed().await.unwrap();
    }
    assert_eq!(world.evidence(&relayer, &hash(7), &leg, deadline).await, absent);
}

#[tokio::test]
async fn a_depositor_escapes_and_a_set_rotates() {
    let mut world = World::start().await;
    let (alice, relayer) = (world.chain("ALICE").await, world.chain("RELAYER").await);
    let leg = world.leg(0, Function::Lock, ALZ);
    let (id, deadline) = (hash(8), now() + 600);
    world.included(&alice, &EscrowMessage::Prepare { execution_id: id, deadline, leg: leg.clone() }).await;
    let escape = EscrowMessage::Escape { execution_id: id, leg: leg.clone() };
    world.refused(alice.submit(&escape).await, "EscapeTooEarly(").await;

    let next = aes_protocol::AttestorSet { id: 2, ..world.settings.attestor_set.clone() };
    let certificate = world.certify(Statement::Rotated { new_set: 2, new_set_hash: next.hash() });
    world.included(&relayer, &EscrowMessage::Rotate { set: next.clone(), certificate }).await;
    world.settings.attestor_set = next;
    assert_eq!(world.state().await.settings, world.settings);

    world.rpc("evm_increaseTime", serde_json::json!([600 + world.settings.escape_delay])).await;
    world.next_block(&alice).await;
    world.included(&alice, &escape).await;
    world.evidence_as(&alice, &id, &leg, deadline, LegStatus::Escaped).await;
}

#[tokio::test]
async fn what_waits_too_long_is_bumped_and_what_was_dropped_leaves_no_gap() {
    let world = World::start().await;
    let relayer = world.chain("RELAYER").await;
    let leg = |index| world.leg(index, Function::Transfer, ALZ);
    world.rpc("evm_setIntervalMining", serde_json::json!([0])).await;
    let release = |index| world.settle(Decision::Abort, hash(10), vec![leg(index)]);
    let first = relayer.submit(&release(0)).await.unwrap();
    assert_eq!(relayer.outcome(&first).await.unwrap(), Outcome::Pending);
    let bumped = relayer.bump(&first).await.unwrap().unwrap();
    assert_ne!(bumped, first);
    assert_eq!(relayer.outcome(&first).await.unwrap(), Outcome::Unknown);
    world.rpc("anvil_mine", serde_json::json!([1])).await;
    assert!(matches!(relayer.outcome(&bumped).await.unwrap(), Outcome::Included { .. }));
    assert_eq!(relayer.bump(&bumped).await.unwrap(), None);

    let dropped = relayer.submit(&release(1)).await.unwrap();
    world.rpc("anvil_dropTransaction", serde_json::json!([dropped.0])).await;
    assert_eq!(relayer.outcome(&dropped).await.unwrap(), Outcome::Unknown);
    let again = relayer.submit(&release(1)).await.unwrap();
    world.rpc("anvil_mine", serde_json::json!([1])).await;
    assert!(matches!(relayer.outcome(&again).await.unwrap(), Outcome::Included { .. }));

    // Somebody else with the same key, or this process before a restart, used the nonce.
    let twin = world.chain("RELAYER").await;
    let theirs = twin.submit(&release(2)).await.unwrap();
    world.rpc("anvil_mine", serde_json::json!([1])).await;
    let ours = relayer.submit(&release(3)).await.unwrap();
    world.rpc("anvil_mine", serde_json::json!([1])).await;
    for tx in [theirs, ours] {
        assert!(matches!(relayer.outcome(&tx).await.unwrap(), Outcome::Included { .. }));
    }
}

#[tokio::test]
async fn what_the_process_before_sent_is_bumped_too_and_nobody_elses() {
    let world = World::start().await;
    world.rpc("evm_setIntervalMining", serde_json::json!([0])).await;
    let release = world.settle(Decision::Abort, hash(10), vec![world.leg(0, Function::Transfer, ALZ)]);
    let before = world.chain("RELAYER").await;
    let stuck = before.submit(&release).await.unwrap();
    drop(before);
    let restarted = world.chain("RELAYER").await;
    assert_eq!(world.chain("ALICE").await.bump(&stuck).await.unwrap(), None);
    let bumped = restarted.bump(&stuck).await.unwrap().unwrap();
    world.rpc("anvil_mine", serde_json::json!([1])).await;
    assert!(matches!(restarted.outcome(&bumped).await.unwrap(), Outcome::Included { .. }));
    assert_eq!(restarted.outcome(&stuck).await.unwrap(), Outcome::Unknown);
}

#[tokio::test]
async fn the_next_endpoint_is_asked_when_one_is_dead_or_of_another_chain() {
    let world = World::start().await;
    let other = World::anvil(31337).await;
    // A port that was free a moment ago, and where nobody listens.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead = format!("http://{dead}");
    let busy = evm_world::answers("503 Service Unavailable", "").await;
    let wants_key = evm_world::answers("401 Unauthorized", r#"{"message": "API key missing"}"#).await;
    let rpc = [&dead, &busy, &wants_key, &other.1.rpc_url, &world.anvil.rpc_url].map(String::as_str);
    let chain = world.chain_with(&rpc, Some("RELAYER"));
    chain.check_contract().await.unwrap();
    let leg = world.leg(0, Function::Transfer, ALZ);
    world.included(&chain, &world.settle(Decision::Abort, hash(11), vec![leg])).await;

    let error = world.chain_with(&rpc[..4], None).head(Depth::Soft).await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error}");
    let text = error.to_string();
    for words in [dead.trim_start_matches("http://"), "HTTP 503", "neither a result", "is a node of chain 31337"] {
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test]
async fn a_deployment_is_read_back_as_it_was_asked_for() {
    let world = World::start().await;
    let deployer = &world.deployer;
    let expected = EscrowState {
        settings: world.settings.clone(),
        version: "1".into(),
        vault: 0,
        held: 0,
        issued: 0,
        paused: false,
        pending_limits: None,
    };
    assert_eq!(world.state().await, expected);
    assert_eq!(deployer.bridge(&world.settings.token).await.unwrap(), world.entry.escrow_address);
    assert_eq!(deployer.code_hash(&world.entry.escrow_address).await.unwrap(), Some(world.entry.code_hash));
    assert_eq!(deployer.code_hash("0x00000000000000000000000000000000000a15ce").await.unwrap(), None);

    deployer.fund_vault(&world.settings.token, &world.entry.escrow_address, 7 * ALZ).await.unwrap();
    let tighter = aes_chains::evm::Limits { max_leg: ALZ, ..LIMITS };
    deployer.admin_call(&world.entry.escrow_address, &AdminCall::ScheduleLimits(tighter)).await.unwrap();
    let state = world.state().await;
    assert_eq!((state.vault, state.pending_limits.unwrap().0), (7 * ALZ, tighter));
    world
        .refused(deployer.admin_call(&world.entry.escrow_address, &AdminCall::ApplyLimits).await, "LimitsNotYet(")
        .await;

    let moved = aes_config::ManifestChain { code_hash: hash(1), ..world.entry.clone() };
    let chain = EvmChain::new(world.id(), &world.config(&[&world.anvil.rpc_url], None), &moved).unwrap();
    assert!(chain.check_contract().await.unwrap_err().to_string().contains("the manifest's escrow is"));
    let no_key = EvmDeployer::connect(world.id(), &world.config(&[&world.anvil.rpc_url], None)).await;
    assert!(matches!(no_key, Err(ChainError::NoKey { .. })));
    eventually("ticks go on", Duration::from_secs(10), async || {
        chain.ticks().borrow().to_owned() > world.entry.height + 3
    })
    .await;
}
