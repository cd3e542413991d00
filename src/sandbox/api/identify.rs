//! What a server makes up: uids and the ends of generated names.

use std::fmt::Write as _;

use parking_lot::Mutex;

/// Letters that make no words, as upstream's.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// The longest prefix that leaves room for the suffix in a label.
const LONGEST_PREFIX: usize = 63 - 5;

/// A stream of random-looking numbers that a seed repeats (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Identities(Mutex<u64>);

impl Identities {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// Any number.
    pub(crate) fn number(&self) -> u64 {
        let mut state = self.0.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A UUID of version 4.
    pub(crate) fn uid(&self) -> String {
        let (high, low) = (self.number(), self.number());
        let high = (high & 0xffff_ffff_ffff_0fff) | 0x4000;
        let low = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        let mut uid = String::with_capacity(36);
        let parts = [
            (high >> 32, 8),
            ((high >> 16) & 0xffff, 4),
            (high & 0xffff, 4),
            (low >> 48, 4),
            (low & 0xffff_ffff_ffff, 12),
        ];
        for (at, (part, digits)) in parts.into_iter().enumerate() {
            let dash = if at == 0 { "" } else { "-" };
            // Writing to a string cannot fail.
            let _ = write!(uid, "{dash}{part:0digits$x}");
        }
        uid
    }

    /// The prefix, cut to leave room, and five letters.
    pub(crate) fn name(&self, prefix: &str) -> String {
        let cut = prefix.floor_char_boundary(LONGEST_PREFIX);
        let mut name = prefix[..cut].to_owned();
        let mut number = self.number();
        for _ in 0..5 {
            let letters = LETTERS.len() as u64;
            let at = usize::try_from(number % letters).unwrap_or(0);
            name.push(char::from(LETTERS[at]));
            number /= letters;
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_names_and_no_name_comes_twice() {
        let (one, other) = (Identities::new(7), Identities::new(7));
        let names: std::collections::BTreeSet<String> = (0..500)
            .map(|_| {
                let uid = one.uid();
                assert_eq!((uid.len(), &uid[14..15]), (36, "4"));
                assert_eq!(uid, other.uid());
                uid
            })
            .collect();
        assert_eq!(names.len(), 500);
        assert_eq!(one.name(&"x".repeat(80)).len(), 63);
    }
}
