//! Counting writes: every one, by where it went and how it ended.

use super::Error;
use crate::telemetry::{Outcome, Verb, Write, metrics};

/// The name of the hub API among the servers that are written to.
pub const HUB: &str = "hub";

/// Counts one write and hands its result through.
pub fn count<T>(server: &str, verb: Verb, result: Result<T, Error>) -> Result<T, Error> {
    let outcome = match &result {
        Ok(_) => Outcome::Done,
        Err(error) if error.is_not_leader() => Outcome::NotLeader,
        Err(error) if error.code() == Some(409) => Outcome::Conflict,
        Err(error) if error.is_retryable() => Outcome::Failed,
        Err(_) => Outcome::Refused,
    };
    metrics()
        .writes
        .get_or_create(&Write {
            server: server.to_owned(),
            verb,
            outcome,
        })
        .inc();
    result
}
