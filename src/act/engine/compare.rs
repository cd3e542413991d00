//! What was recorded of an object in a member, against what was last seen of it. Pure.

use crate::{
    decide::render,
    model::{api::PlacedObject, fleet::ObjectRow},
};

/// How what is there stands to what should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Compared {
    /// The member holds exactly what was applied, and that is the intent.
    Same,
    /// Nothing of ours is there, or what is there is an older intent.
    Differs,
    /// What was applied is gone.
    Gone,
    /// What was applied was changed, by this manager.
    Changed(String),
    /// Ours is being deleted.
    Ending,
}

/// What is said of an object that is gone: no managedFields are left to tell more.
pub(super) const GONE: &str = "deleted, by whom unknown";

/// Compares what was recorded with what was last seen. `row` is to be believed: its list was complete.
pub(super) fn compare(
    recorded: Option<&PlacedObject>,
    row: Option<&ObjectRow>,
    intent: &render::Intent,
) -> Compared {
    let Some(recorded) = recorded else {
        return Compared::Differs;
    };
    let Some(row) = row.filter(|row| Some(&row.uid) == recorded.uid.as_ref()) else {
        return Compared::Gone;
    };
    if row.deleting {
        return Compared::Ending;
    }
    if recorded.hash != Some(intent.hash) || recorded.owned.is_none() {
        return Compared::Differs;
    }
    if row.owned == recorded.owned {
        return Compared::Same;
    }
    let by = row.last_editor.as_deref().unwrap_or("an unknown manager");
    Compared::Changed(format!("changed by {by}"))
}
