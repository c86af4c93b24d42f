//! All chance of a run comes from here, and all of it from the seed.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub struct Dice(StdRng);

impl Dice {
    pub fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// For one actor: what it rolls does not depend on what others roll meanwhile.
    pub fn fork(&mut self) -> Self {
        Self::of(self.0.gen())
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.0.gen_bool(probability.clamp(0.0, 1.0))
    }

    pub fn number(&mut self, range: Range<u64>) -> u64 {
        self.0.gen_range(range)
    }

    pub fn index(&mut self, length: usize) -> usize {
        self.0.gen_range(0..length.max(1))
    }

    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.0.gen_range(0..choices.len())]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.0.gen_range(0..=last));
        }
    }

    pub fn bytes(&mut self) -> [u8; 32] {
        self.0.gen()
    }
}
