//! Chance that can be repeated: `HANSE_SEED`, or a draw; printed, so that a failure can be run again.

use std::hash::{BuildHasher, RandomState};

/// A stream of numbers that its seed decides.
#[derive(Debug)]
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn drawn() -> Self {
        let given = std::env::var("HANSE_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        // The standard library seeds its hash maps at random.
        let drawn = RandomState::new().hash_one(0);
        let seed = given.unwrap_or(drawn);
        eprintln!("    HANSE_SEED={seed}");
        Self(seed)
    }

    /// splitmix64
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    pub(crate) fn shuffled<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        let mut all = all.to_vec();
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
        all
    }
}
