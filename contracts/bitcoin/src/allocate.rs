//! Which outputs of one transaction get its inputs' ALZ, by the rules of `ordinals`. Other runes are not followed; an
//! output for which the transaction names one is marked, because a hold has ALZ and nothing else.

use bitcoin::TxOut;
use ordinals::Artifact;

use crate::runes::{decipher, RuneId};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    pub alz: u128,
    pub mixed: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub alz: u128,
    pub mixed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allocation {
    pub outputs: Vec<Given>,
    pub burned: u128,
}

/// What is still to be given, and what was.
struct Hand {
    left: u128,
    outputs: Vec<Given>,
}

impl Hand {
    fn give(&mut self, place: usize, amount: u128) {
        if let Some(output) = self.outputs.get_mut(place) {
            let amount = amount.min(self.left);
            output.alz = output.alz.saturating_add(amount);
            self.left = self.left.saturating_sub(amount);
        }
    }

    fn mark(&mut self, place: usize) {
        if let Some(output) = self.outputs.get_mut(place) {
            output.mixed = true;
        }
    }
}

/// `inputs.alz` is never over the premine, so no sum here leaves its bounds.
pub(crate) fn allocate(alz: RuneId, etches: bool, inputs: Inputs, outputs: &[TxOut]) -> Allocation {
    let mut hand = Hand { left: inputs.alz, outputs: vec![Given::default(); outputs.len()] };
    let payable: Vec<usize> = outputs
        .iter()
        .enumerate()
        .filter(|(_, output)| !output.script_pubkey.is_op_return())
        .map(|(at, _)| at)
        .collect();
    let mut rest_to = payable.first().copied();
    let mut mixed_rest = inputs.mixed;
    match decipher(outputs) {
        Some(Artifact::Cenotaph(_)) => {
            // every rune of the inputs burns, the premine of an etching too
            return Allocation { burned: hand.left, outputs: hand.outputs };
        }
        Some(Artifact::Runestone(stone)) => {
            mixed_rest |= stone.mint.is_some() || (stone.etching.is_some() && !etches);
            for edict in &stone.edicts {
                let place = usize::try_from(edict.output).unwrap_or(usize::MAX);
                let ours = edict.id == alz || (etches && edict.id == RuneId::default());
                let to_all = place == outputs.len();
                match (ours, to_all) {
                    (false, false) => hand.mark(place),
                    (false, true) => payable.iter().for_each(|place| hand.mark(*place)),
                    (true, false) => {
                        let amount = if edict.amount == 0 { hand.left } else { edict.amount };
                        hand.give(place, amount);
                    }
                    (true, true) => give_to_all(&mut hand, &payable, edict.amount),
                }
            }
            // a pointer that points nowhere is a cenotaph already
            if let Some(pointer) = stone.pointer {
                rest_to = usize::try_from(pointer).ok();
            }
        }
        None => {}
    }
    if let Some(place) = rest_to {
        let left = hand.left;
        hand.give(place, left);
        if mixed_rest {
            hand.mark(place);
        }
    }
    let mut burned = hand.left;
    for (given, output) in hand.outputs.iter_mut().zip(outputs) {
        if output.script_pubkey.is_op_return() {
            burned = burned.saturating_add(given.alz);
            *given = Given::default();
        }
    }
    Allocation { outputs: hand.outputs, burned }
}

/// An edict whose output is the number of outputs: the same to each that is no OP_RETURN, or for 0 an equal share of
/// all there is, the first ones one unit more.
fn give_to_all(hand: &mut Hand, payable: &[usize], amount: u128) {
    let count = u128::try_from(payable.len()).unwrap_or(u128::MAX);
    let (Some(share), Some(more)) = (hand.left.checked_div(count), hand.left.checked_rem(count)) else { return };
    for (nth, place) in (0u128..).zip(payable) {
        let even = if nth < more { share.saturating_add(1) } else { share };
        hand.give(*place, if amount == 0 { even } else { amount });
    }
}
