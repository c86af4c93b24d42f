//! The chains go on by themselves: blocks at intervals, halts, dear times, reorgs.

use std::time::Duration;

use aes_protocol::Decision;
use tokio::time::sleep;

use crate::bitcoin::ledger::CALM_FLOOR;
use crate::dice::Dice;
use crate::evm::ledger::CALM_FEE;
use crate::fault::Fault;
use crate::world::with;

/// Milliseconds between two blocks of a chain, about.
pub fn intervals(dice: &mut Dice, chains: usize) -> Vec<u64> {
    (0..chains).map(|chain| if chain == 0 { dice.number(1_000..4_000) } else { dice.number(2_000..9_000) }).collect()
}

pub async fn produce(chain: usize, interval: u64, mut dice: Dice) {
    let (mut dear_until, mut stuck_until) = (0, 0);
    loop {
        let wait = interval / 2 + dice.number(0..interval);
        sleep(Duration::from_millis(wait)).await;
        let halt = with(|world| {
            let halts = world.strikes(Fault::Halt, 0.01);
            halts.then(|| {
                let seconds = world.dice.number(20..240);
                world.say(&format!("chain {chain}"), format!("makes no block for {seconds} s"));
                seconds
            })
        });
        if let Some(seconds) = halt {
            sleep(Duration::from_secs(seconds)).await;
        }
        with(|world| {
            if world.strikes(Fault::ClockJump, 0.01) {
                world.skew[chain] = dice.number(0..241) as i64 - 120;
                world.say(&format!("chain {chain}"), format!("its clock is now ahead by {} s", world.skew[chain]));
            }
        });
        if chain == 0 {
            home_block(&mut dice);
        } else if with(|world| world.is_bitcoin(chain)) {
            bitcoin_block(chain, &mut dear_until, &mut dice);
        } else {
            finality(chain, &mut stuck_until);
            evm_block(chain, &mut dear_until, &mut dice);
        }
    }
}

fn home_block(dice: &mut Dice) {
    with(|world| {
        let time = world.time_at(0);
        let (decisions, failures) = world.home.mine(time, dice);
        for (id, decision) in &decisions {
            let decided = match decision {
                Decision::Commit => "commit",
                Decision::Abort => "abort",
            };
            world.say("chain 0", format!("{} decided: {decided}", short(id)));
        }
        for failure in failures {
            world.say("chain 0", format!("failed in a block: {failure}"));
        }
        if !decisions.is_empty() {
            world.home.announce(decisions);
        }
    });
}

pub fn short(id: &aes_protocol::Hash32) -> String {
    id.to_string().chars().take(8).collect()
}

/// Blocks go on, and none becomes final.
fn finality(chain: usize, stuck_until: &mut u64) {
    with(|world| {
        let height = world.evm(chain).newest().head.height;
        if height >= *stuck_until && world.strikes(Fault::Finality, 0.01) {
            let blocks = world.dice.number(5..50);
            *stuck_until = height + blocks;
            world.say(&format!("chain {chain}"), format!("no block becomes final before {stuck_until}"));
        }
        world.evm_mut(chain).finality_stopped = height < *stuck_until && !world.calm;
    });
}

fn bitcoin_block(chain: usize, dear_until: &mut u64, dice: &mut Dice) {
    with(|world| {
        let (name, now) = (format!("chain {chain}"), world.time_at(chain));
        if world.strikes(Fault::FeeSpike, 0.03) {
            *dear_until = now + world.dice.number(10..90);
            let floor = world.dice.number(3..40);
            world.bitcoin_mut().floor = floor;
            world.say(&name, format!("a virtual byte costs {floor} sat, not {CALM_FLOOR}"));
        } else if now >= *dear_until || world.calm {
            world.bitcoin_mut().floor = CALM_FLOOR;
        }
        let most = world.dice.number(1..6);
        if world.tempts(Fault::Reorg, 0.08) {
            let gone = world.bitcoin_mut().reorg(most, now, dice);
            if gone > 0 {
                world.fired.count(Fault::Reorg);
                world.say(&name, format!("reorg: {gone} blocks are gone"));
            }
        } else {
            let count = world.bitcoin_mut().mine(now, dice);
            if count > 0 {
                let height = world.bitcoin().height();
                world.say(&name, format!("{count} transactions in block {height}"));
            }
        }
    });
}

fn evm_block(chain: usize, dear_until: &mut u64, dice: &mut Dice) {
    with(|world| {
        let name = format!("chain {chain}");
        let now = world.time_at(chain);
        if world.strikes(Fault::FeeSpike, 0.03) {
            *dear_until = now + world.dice.number(10..90);
            let fee = CALM_FEE * world.dice.number(3..40);
            world.evm_mut(chain).base_fee = fee;
            world.say(&name, format!("gas costs {fee}, not {CALM_FEE}"));
        } else if now >= *dear_until || world.calm {
            world.evm_mut(chain).base_fee = CALM_FEE;
        }
        if world.tempts(Fault::Reorg, 0.08) {
            let depth = world.dice.number(1..6);
            let dropped = world.evm_mut(chain).reorg(depth, dice);
            if dropped > 0 {
                world.fired.count(Fault::Reorg);
                world.say(&name, format!("reorg: {dropped} blocks are gone"));
            }
        }
        world.evm_mut(chain).mine(now, dice);
        let block = world.evm(chain).newest();
        let lines: Vec<String> = block
            .txs
            .iter()
            .filter_map(|(_, receipt)| receipt.failure.as_ref())
            .map(|cause| {
                format!("failed in block {}: {}", block.head.height, cause.chars().take(160).collect::<String>())
            })
            .collect();
        lines.into_iter().for_each(|line| world.say(&name, line));
    });
}
