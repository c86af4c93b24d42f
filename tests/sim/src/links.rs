//! The adapters of one process, and short questions about what is.

use std::collections::BTreeMap;
use std::sync::Arc;

use aes_chains::{Chain, Home};
use aes_coordinator::msg::{ExecutionResponse, QueryMsg};
use aes_protocol::{AttestorSet, ChainId, Hash32};

use crate::bitcoin::node as bitcoin;
use crate::cosmos::{CosmosLink, HomeLink};
use crate::evm::node;
use crate::wire::{Life, Link, Seat};
use crate::world::{with, World};

fn link(seat: Seat, life: &Arc<Life>, chain: usize) -> Link {
    Link { seat, chain, life: life.clone() }
}

pub fn home(seat: Seat, life: &Arc<Life>, name: &str) -> Arc<dyn Home> {
    let account = with(|world| world.home.address(name));
    Arc::new(HomeLink::new(link(seat, life, 0), account))
}

pub fn chain(seat: Seat, life: &Arc<Life>, chain: usize, name: &str) -> Arc<dyn Chain> {
    let link = link(seat, life, chain);
    let payer = (!matches!(seat, Seat::Attestor(_))).then_some(name);
    if chain == 0 {
        let account = with(|world| world.home.address(name));
        Arc::new(CosmosLink::new(link, account))
    } else if with(|world| world.is_bitcoin(chain)) {
        bitcoin::adapter(link, payer, home(seat, life, name))
    } else {
        node::adapter(link, payer)
    }
}

pub fn chains(seat: Seat, life: &Arc<Life>, name: &str) -> BTreeMap<ChainId, Arc<dyn Chain>> {
    let all = (0..with(|world| world.chains())).map(|number| chain(seat, life, number, name));
    all.map(|chain| (chain.id().clone(), chain)).collect()
}

pub fn record(world: &World, id: &Hash32) -> Option<ExecutionResponse> {
    world.home.query(0, &world.home.coordinator, &QueryMsg::Execution { execution_id: *id }).ok()
}

pub fn current_set(world: &World) -> AttestorSet {
    let ask = QueryMsg::AttestorSet { id: None };
    let answer: aes_authority::SetResponse =
        world.home.query(0, &world.home.coordinator, &ask).expect("the coordinator answers");
    answer.set
}
