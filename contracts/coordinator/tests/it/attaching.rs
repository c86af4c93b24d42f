//! `attach`: a Bitcoin leg's signed settlement transactions.

use aes_coordinator::msg::ExecuteMsg;
use aes_protocol::{Function, Hash32, Leg};
use cosmwasm_std::Addr;

use crate::support::{cancelled, leg, refused, repeated, Outcome, World, BITCOIN, POLYGON};

fn legs() -> Vec<Leg> {
    vec![leg(0, BITCOIN, Function::Transfer, 5), leg(1, POLYGON, Function::Transfer, 5)]
}

fn attach(world: &mut World, sender: &Addr, execution_id: Hash32, leg: u8, length: usize) -> Outcome {
    let presigned = vec![7; length].into();
    world.send(sender, &ExecuteMsg::Attach { execution_id, leg, presigned })
}

#[test]
fn opener_and_relayer_attach_once_while_it_is_open() {
    let mut world = World::new();
    let (opener, relayer) = (world.opener.clone(), world.relayer.clone());
    let id = world.open(&legs());
    assert!(!repeated(&attach(&mut world, &opener, id, 0, 100)));
    assert!(repeated(&attach(&mut world, &relayer, id, 0, 100)));
    for sender in [&opener, &relayer] {
        refused(&attach(&mut world, sender, id, 0, 16 * 1024), "leg 0 has other transactions attached, and keeps them");
    }
    let stored = world.execution(id);
    assert_eq!(stored.legs[0].presigned, Some(vec![7; 100].into()));
    assert_eq!(stored.legs[1].presigned, None);

    world.rollback(&opener, id, cancelled()).unwrap();
    assert!(repeated(&attach(&mut world, &opener, id, 0, 100)));
    let other = world.open(&[leg(0, BITCOIN, Function::Transfer, 6), leg(1, POLYGON, Function::Transfer, 5)]);
    world.rollback(&opener, other, cancelled()).unwrap();
    refused(&attach(&mut world, &opener, other, 0, 1), "is aborted: attach needs it open");
}

#[test]
fn what_cannot_be_attached_is_refused() {
    let mut world = World::new();
    let (opener, stranger) = (world.opener.clone(), world.stranger.clone());
    let id = world.open(&legs());
    for (sender, id, leg, length, error) in [
        (&stranger, id, 0, 1, "is neither the opener of the execution nor its named relayer; only they attach"),
        (&opener, Hash32::default(), 0, 1, "execution 0x0000"),
        (&opener, id, 1, 1, "leg 1 is on eip155:80002: only a Bitcoin (bip122) leg"),
        (&opener, id, 2, 1, "has 2 legs, no leg 2"),
        (&opener, id, 0, 0, "0 bytes of signed transactions; give 1 to 16384"),
        (&opener, id, 0, 16 * 1024 + 1, "16385 bytes of signed transactions; give 1 to 16384"),
    ] {
        refused(&attach(&mut world, sender, id, leg, length), error);
    }
}
