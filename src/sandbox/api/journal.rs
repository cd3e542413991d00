//! Who wrote what, as an audit log would say.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::Target;
use crate::sandbox::failure::Failure;
use crate::sandbox::write::Writer;

/// Writes that are remembered; older ones are forgotten.
const REMEMBERED: usize = 50_000;

/// One request that changed something, or was to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Who asked.
    pub user: String,
    /// Whom the user acted as.
    pub as_user: Option<String>,
    /// `create`, `update`, `patch`, `delete`, `deletecollection`
    pub verb: &'static str,
    /// Empty for the core group.
    pub group: String,
    pub resource: String,
    pub subresource: Option<String>,
    pub namespace: Option<String>,
    /// Of the path, or of what was made.
    pub name: Option<String>,
    /// Of the answer.
    pub status: u16,
}

/// The last writes, oldest first, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<(VecDeque<Write>, usize)>);

impl Journal {
    pub(crate) fn all(&self) -> Vec<Write> {
        self.0.lock().0.iter().cloned().collect()
    }

    /// How many there were, forgotten ones too.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().1
    }

    /// Those after the first so many, as far as they are remembered.
    pub(crate) fn since(&self, count: usize) -> Vec<Write> {
        let writes = self.0.lock();
        let (remembered, all) = &*writes;
        let forgotten = all - remembered.len();
        remembered
            .iter()
            .skip(count.saturating_sub(forgotten))
            .cloned()
            .collect()
    }

    pub(crate) fn note(&self, write: Write) {
        let mut writes = self.0.lock();
        let (remembered, all) = &mut *writes;
        if remembered.len() == REMEMBERED {
            remembered.pop_front();
        }
        remembered.push_back(write);
        *all += 1;
    }

    /// A controller's, which comes by no request.
    pub(crate) fn note_own<T>(
        &self,
        writer: &Writer,
        verb: &'static str,
        target: &Target,
        name: &str,
        outcome: &Result<T, Failure>,
    ) {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let done = if verb == "create" { 201 } else { 200 };
        self.note(Write {
            user: writer.user.name.to_string(),
            as_user: None,
            verb,
            group: target.resource.group.to_string(),
            resource: target.resource.plural.to_string(),
            subresource: text(&target.subresource),
            namespace: target.namespace.as_deref().and_then(text),
            name: text(name),
            status: outcome.as_ref().map_or_else(|failure| failure.code, |_| done),
        });
    }
}
