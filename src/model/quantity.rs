//! Kubernetes quantities as integers: `100m`, `4Gi`, `1e3`, `0.5`.
//!
//! An [`Amount`] counts thousandths in 128 bits, so sums over a whole fleet are exact and never pass through
//! a float. What Kubernetes itself cannot hold (beyond 2^63 − 1 whole units) is an error, not a cap.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an amount, or an amount not a number of the wanted width.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a quantity in any of the three notations.
    #[error(
        "failed to read quantity {text:?}: expected a number with an optional suffix, like 100m, 0.5, 4Gi"
    )]
    Syntax {
        /// The refused text.
        text: String,
    },
    /// Beyond what Kubernetes can hold.
    #[error("failed to hold quantity {text}: it is beyond 2^63 - 1")]
    Overflow {
        /// The amount that does not fit.
        text: String,
    },
}

/// How an amount was written, and is written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Notation {
    /// `100m`, `5`, `3k`
    #[default]
    Decimal,
    /// `4Gi`
    Binary,
    /// `1e3`
    Exponent,
}

/// An amount of something: cores, bytes, pods. Compares by value, writes itself in the notation it came in.
#[derive(Clone, Copy, Default)]
pub struct Amount {
    /// Thousandths; what is smaller was rounded up (away from zero), as Kubernetes does.
    milli: i128,
    notation: Notation,
}

const LIMIT: i128 = (i64::MAX as i128) * 1000;

const BINARY: [(&str, u32); 6] = [
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

/// What the CRDs demand of a quantity: the pattern of Kubernetes' own.
pub const QUANTITY_PATTERN: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self {
        milli: 0,
        notation: Notation::Decimal,
    };

    /// Thousandths, such as milli-cores.
    #[must_use]
    pub const fn from_milli(milli: i64) -> Self {
        Self {
            milli: milli as i128,
            notation: Notation::Decimal,
        }
    }

    /// Whole units, such as pods.
    #[must_use]
    pub const fn from_units(units: i64) -> Self {
        Self {
            milli: units as i128 * 1000,
            notation: Notation::Decimal,
        }
    }

    /// Whole units that are bytes: written with `Ki`, `Mi`, `Gi`.
    #[must_use]
    pub const fn from_bytes(bytes: i64) -> Self {
        Self {
            milli: bytes as i128 * 1000,
            notation: Notation::Binary,
        }
    }

    /// In thousandths; an error beyond 2^63 − 1 of them (8 PiB of memory).
    pub fn milli(self) -> Result<i64, Error> {
        i64::try_from(self.milli).map_err(|_| Error::Overflow {
            text: self.to_string(),
        })
    }

    /// In whole units, rounded up as Kubernetes does.
    #[must_use]
    pub fn units(self) -> i64 {
        // In range by the invariant |milli| ≤ LIMIT.
        i64::try_from(ceil_away(self.milli, 1000)).unwrap_or(i64::MAX)
    }

    /// The sum; an error instead of a wrong number.
    pub fn checked_add(self, other: Self) -> Result<Self, Error> {
        self.with(self.milli.checked_add(other.milli))
    }

    /// The difference, which may be negative.
    pub fn checked_sub(self, other: Self) -> Result<Self, Error> {
        self.with(self.milli.checked_sub(other.milli))
    }

    /// The product with a count, such as replicas.
    pub fn checked_mul(self, times: i64) -> Result<Self, Error> {
        self.with(self.milli.checked_mul(i128::from(times)))
    }

    /// Whether it differs from an older one so much that it is worth showing anew: by 5 % of that.
    #[must_use]
    pub fn has_moved_from(self, old: Self) -> bool {
        self.milli != old.milli && (self.milli - old.milli).abs() * 20 >= old.milli.abs()
    }

    /// True of exactly nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.milli == 0
    }

    /// True below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.milli < 0
    }

    fn with(self, milli: Option<i128>) -> Result<Self, Error> {
        match milli {
            Some(milli) if milli.abs() <= LIMIT => Ok(Self { milli, ..self }),
            _ => Err(Error::Overflow {
                text: format!("made from {self}"),
            }),
        }
    }
}

/// Division that rounds away from zero.
fn ceil_away(value: i128, by: i128) -> i128 {
    value / by + (value % by).signum()
}

impl FromStr for Amount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let syntax = || Error::Syntax {
            text: text.to_owned(),
        };
        let overflow = || Error::Overflow {
            text: text.to_owned(),
        };
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(syntax());
        }
        let (notation, exponent, shift) = parse_suffix(suffix).ok_or_else(syntax)?;
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(Self { milli: 0, notation });
        }
        let mut value: i128 = digits.parse().map_err(|_| overflow())?;
        value = value.checked_mul(1 << shift).ok_or_else(overflow)?;
        let power = exponent + 3 - i32::try_from(fraction.len()).map_err(|_| overflow())?;
        let milli = scale(value, power)
            .filter(|milli| *milli <= LIMIT)
            .ok_or_else(overflow)?;
        Ok(Self {
            milli: if negative { -milli } else { milli },
            notation,
        })
    }
}

/// The notation, the power of ten and the power of two that a suffix stands for.
fn parse_suffix(suffix: &str) -> Option<(Notation, i32, u32)> {
    if let Some((_, shift)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((Notation::Binary, 0, *shift));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Notation::Decimal, *power, 0));
    }
    let power = suffix.strip_prefix(['e', 'E'])?;
    let power = power.parse::<i32>().ok().filter(|power| power.abs() <= 100)?;
    Some((Notation::Exponent, power, 0))
}

/// `value × 10^power`, rounded away from zero.
fn scale(value: i128, power: i32) -> Option<i128> {
    match 10_i128.checked_pow(power.unsigned_abs()) {
        Some(factor) if power >= 0 => value.checked_mul(factor),
        Some(factor) => Some(ceil_away(value, factor)),
        // Smaller than the smallest: what is left of it is one thousandth.
        None => (power < 0).then(|| value.signum()),
    }
}

impl fmt::Display for Amount {
    /// The canonical form of Kubernetes: no fraction, and the largest suffix that loses nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.milli < 0 {
            f.write_str("-")?;
        }
        let milli = self.milli.abs();
        if self.notation == Notation::Binary && milli >= 1_024_000 && milli % 1000 == 0 {
            let units = milli / 1000;
            let (suffix, shift) = BINARY
                .iter()
                .rev()
                .find(|(_, shift)| units % (1 << shift) == 0)
                .map_or(("", 0), |b| *b);
            return write!(f, "{}{suffix}", units >> shift);
        }
        let (mut mantissa, mut power) = (milli, -3);
        while mantissa != 0 && mantissa % 1000 == 0 && power < 18 {
            mantissa /= 1000;
            power += 3;
        }
        if mantissa == 0 {
            return f.write_str("0");
        }
        if self.notation == Notation::Exponent {
            return if power == 0 {
                write!(f, "{mantissa}")
            } else {
                write!(f, "{mantissa}e{power}")
            };
        }
        let suffix = DECIMAL
            .iter()
            .find(|(_, p)| *p == power)
            .map_or("", |(name, _)| *name);
        write!(f, "{mantissa}{suffix}")
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amount({self})")
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.milli == other.milli
    }
}

impl Eq for Amount {}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        self.milli.cmp(&other.milli)
    }
}

impl Hash for Amount {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.milli.hash(state);
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    /// From a string or, as Kubernetes accepts it, a bare integer.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(i64),
        }
        match Written::deserialize(deserializer)? {
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
            Written::Number(units) => Ok(Self::from_units(units)),
        }
    }
}

impl schemars::JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "x-kubernetes-int-or-string": true,
            "pattern": QUANTITY_PATTERN,
            "maxLength": 40,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("100m", 100, 1, "100m")]
    #[case("0.5", 500, 1, "500m")]
    #[case("2", 2_000, 2, "2")]
    #[case("1e3", 1_000_000, 1000, "1e3")]
    #[case("1.5e3", 1_500_000, 1500, "1500")]
    #[case("1E", 1_000_000_000_000_000_000_000, 1_000_000_000_000_000_000, "1E")]
    #[case("4Gi", 4_294_967_296_000, 4_294_967_296, "4Gi")]
    #[case("1.5Gi", 1_610_612_736_000, 1_610_612_736, "1536Mi")]
    #[case("512", 512_000, 512, "512")]
    #[case("1000k", 1_000_000_000, 1_000_000, "1M")]
    #[case("1n", 1, 1, "1m")]
    #[case("-1500m", -1500, -2, "-1500m")]
    #[case("+.5", 500, 1, "500m")]
    #[case("0Ki", 0, 0, "0")]
    #[case("5.", 5_000, 5, "5")]
    fn a_quantity_is_read_and_written_as_kubernetes_does(
        #[case] text: &str,
        #[case] milli: i128,
        #[case] units: i64,
        #[case] canonical: &str,
    ) {
        let amount: Amount = text.parse().unwrap();
        assert_eq!(amount.milli, milli);
        assert_eq!(amount.units(), units);
        assert_eq!(amount.to_string(), canonical);
    }

    #[rstest]
    #[case("")]
    #[case("-")]
    #[case(".")]
    #[case("1.2.3")]
    #[case("1 Gi")]
    #[case("1gi")]
    #[case("1Gb")]
    #[case("1e")]
    #[case("0x10")]
    #[case("NaN")]
    #[case("１")]
    fn what_is_no_quantity_is_refused(#[case] text: &str) {
        assert_eq!(
            text.parse::<Amount>(),
            Err(Error::Syntax {
                text: text.to_owned()
            })
        );
    }

    #[rstest]
    #[case("9223372036854775808")]
    #[case("8Ei")]
    #[case("1e19")]
    #[case("999999999999999999999999999999999999999999")]
    fn what_kubernetes_cannot_hold_is_an_error_and_not_a_cap(#[case] text: &str) {
        assert!(matches!(text.parse::<Amount>(), Err(Error::Overflow { .. })));
    }

    #[test]
    fn arithmetic_refuses_to_overflow() {
        let most = Amount::from_units(i64::MAX);
        assert!(most.checked_add(Amount::from_milli(1)).is_err());
        assert!(most.checked_mul(2).is_err());
        assert!(most.milli().is_err());
        assert_eq!(most.checked_sub(most), Ok(Amount::ZERO));
    }

    proptest! {
        #[test]
        fn writing_an_amount_and_reading_it_again_keeps_it(
            number in "[0-9]{1,9}(\\.[0-9]{0,4})?",
            suffix in prop::sample::select(vec!["", "n", "u", "m", "k", "M", "Ki", "Mi", "Gi", "e2", "E-2"]),
        ) {
            let amount: Amount = format!("{number}{suffix}").parse().unwrap();
            let again: Amount = amount.to_string().parse().unwrap();
            prop_assert_eq!(again, amount);
            prop_assert_eq!(again.to_string(), amount.to_string());
        }

        #[test]
        fn no_text_makes_the_parser_fail_otherwise_than_by_an_error(text in "\\PC{0,40}") {
            let _ = text.parse::<Amount>();
        }
    }
}
