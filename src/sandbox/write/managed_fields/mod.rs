//! Who owns which fields: server-side apply, and what other writes do to owners.

use serde_json::Value;

use super::Endpoint;
use crate::model::clock::Timestamp;
use crate::sandbox::failure::Failure;

/// The object as an apply makes it, with `managedFields`; `old` is None when there is none yet, and the result then
/// the object to create.
///
/// # Errors
/// 409 with the conflicts when another manager owns what the intent changes and `force` is not set, 400 and 500 for
/// intents that can't be applied.
pub(crate) fn apply(
    _endpoint: Endpoint<'_>,
    _old: Option<&Value>,
    _intent: &Value,
    _manager: &str,
    _force: bool,
    _now: Timestamp,
) -> Result<Value, Failure> {
    Err(Failure::internal("server-side apply is not there yet"))
}

/// Writes `managedFields` for a write that is no apply: the manager owns what it changed, others lose it.
pub(crate) fn update(
    _endpoint: Endpoint<'_>,
    _old: Option<&Value>,
    _new: &mut Value,
    _manager: &str,
    _now: Timestamp,
) {
}

/// Puts back the old times when nothing but times of managers differs, so that the write can be left out.
pub(crate) fn keep_times(_old: &Value, _new: &mut Value) {}
