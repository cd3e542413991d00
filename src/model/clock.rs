//! Time as a value: passes take it as an argument, and only the rim asks what time it is.
//!
//! Kubernetes writes times with a resolution of one second, so what is compared with something read back
//! must be cut to seconds first ([`whole_seconds`]).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub use jiff::Timestamp;
use jiff::Unit;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a time or a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not an RFC 3339 time.
    #[error("failed to read time {text:?}: expected RFC 3339, like 2026-01-31T12:00:00Z")]
    Timestamp {
        /// The refused text.
        text: String,
    },
    /// Not a Go-style duration, negative, or longer than 2^63 nanoseconds (292 years), which Go cannot hold.
    #[error("failed to read duration {text:?}: expected a Go duration, like 30s, 5m or 1h30m")]
    Duration {
        /// The refused text.
        text: String,
    },
}

/// Says what time it is. Made once, at the rim, and handed down; tests hand down one that they move.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The wall clock of the machine.
    #[must_use]
    pub fn system() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that asks the machine"
        )]
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that answers what the function says.
    #[must_use]
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// A clock that stands still.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self::from_fn(move || at)
    }

    /// The time now, in full resolution.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The time cut to the second, as Kubernetes stores it.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    let options = jiff::TimestampRound::new()
        .smallest(Unit::Second)
        .mode(jiff::RoundMode::Floor);
    time.round(options).unwrap_or(time)
}

/// The time as Kubernetes writes it: `2026-01-31T12:00:00Z`.
#[must_use]
pub fn format_seconds(time: Timestamp) -> String {
    whole_seconds(time).to_string()
}

/// Reads an RFC 3339 time, with or without fractions and offset.
pub fn parse_timestamp(text: &str) -> Result<Timestamp, Error> {
    text.parse().map_err(|_| Error::Timestamp {
        text: text.to_owned(),
    })
}

/// A duration in the notation of Go and Kubernetes: `30s`, `5m`, `1h30m`. Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GoDuration(pub Duration);

/// The units of Go's `time.ParseDuration`, longest first, in nanoseconds.
const UNITS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// What the CRDs demand of a duration: [`GoDuration`] and the API server accept the same texts.
pub const DURATION_PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(h|m|s|ms|us|ns))+$";

impl FromStr for GoDuration {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = || Error::Duration {
            text: text.to_owned(),
        };
        let mut rest = text;
        let mut total: u128 = 0;
        if rest.is_empty() {
            return Err(refused());
        }
        while !rest.is_empty() {
            let (part, after) = parse_part(rest).ok_or_else(refused)?;
            total = total.checked_add(part).ok_or_else(refused)?;
            rest = after;
        }
        let nanos = i64::try_from(total).map_err(|_| refused())?;
        Ok(Self(Duration::from_nanos(nanos.unsigned_abs())))
    }
}

/// One `12.5ms` in nanoseconds, and the text after it. Fractions below a nanosecond are dropped, as in Go.
fn parse_part(text: &str) -> Option<(u128, &str)> {
    let (whole, after) = split_digits(text);
    let (fraction, after) = match after.strip_prefix('.') {
        Some(after) => split_digits(after),
        None => ("0", after),
    };
    let unit_len = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
    let (unit, after) = after.split_at(unit_len);
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
    if fraction.is_empty() {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let fraction = &fraction[..fraction.len().min(18)];
    let places = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction: u128 = fraction.parse().ok()?;
    Some((
        whole
            .checked_mul(*scale)?
            .checked_add(fraction * scale / places)?,
        after,
    ))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, scale) in UNITS {
            if rest >= scale {
                write!(f, "{}{unit}", rest / scale)?;
                rest %= scale;
            }
        }
        Ok(())
    }
}

impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for GoDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GoDuration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": DURATION_PATTERN, "maxLength": 32})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("30s", 30_000)]
    #[case("5m", 300_000)]
    #[case("1h30m", 5_400_000)]
    #[case("1.5h", 5_400_000)]
    #[case("100ms", 100)]
    #[case("0s", 0)]
    fn a_go_duration_is_read_as_go_reads_it(#[case] text: &str, #[case] millis: u64) {
        assert_eq!(text.parse(), Ok(GoDuration(Duration::from_millis(millis))));
    }

    #[rstest]
    #[case("")]
    #[case("5")]
    #[case("-5s")]
    #[case("5 m")]
    #[case("m")]
    #[case(".5m")]
    #[case("1.m")]
    #[case("9999999999h")]
    #[case("1d")]
    fn what_is_no_duration_is_refused(#[case] text: &str) {
        assert_eq!(
            text.parse::<GoDuration>(),
            Err(Error::Duration {
                text: text.to_owned()
            })
        );
    }

    #[test]
    fn times_are_written_with_the_resolution_of_kubernetes() {
        let time = parse_timestamp("2026-01-31T13:00:00.987+01:00").unwrap();
        assert_eq!(format_seconds(time), "2026-01-31T12:00:00Z");
        assert_eq!(
            parse_timestamp("2026-01-31T12:00:00Z").unwrap(),
            whole_seconds(time)
        );
        assert!(parse_timestamp("yesterday").is_err());
    }

    proptest! {
        #[test]
        fn every_duration_survives_being_written_and_read(nanos in 0..=i64::MAX) {
            let duration = GoDuration(Duration::from_nanos(nanos.unsigned_abs()));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }
}
