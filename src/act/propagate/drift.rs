//! What a drift is, once somebody has looked at the live object (PROTOCOL §4). Pure.

use serde_json::Value;

use super::difference::{Compared, words};
use crate::{
    decide::render::Intent,
    model::schema::{Pointer, SchemaRef},
};

/// One look at an object in a member.
#[derive(Debug)]
pub struct Drift<'a> {
    /// What was applied.
    pub intent: &'a Intent,
    /// The whole object, with managedFields.
    pub live: &'a Value,
    /// As the member publishes it.
    pub schema: Option<&'a SchemaRef>,
    /// The hub's field manager.
    pub manager: &'a str,
    /// Fields that are left to the member.
    pub left: &'a [Pointer],
    /// Whether what others added counts too.
    pub whole: bool,
}

impl Drift<'_> {
    /// What differs, for people: fields, values, who and since when. The same drift gives the same words. `None` when
    /// nothing does. Of Secrets no value is told.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let anything = SchemaRef::anything();
        let compared = Compared {
            intent: &self.intent.body,
            live: self.live,
            shape: self.schema.unwrap_or(&anything).shape(),
            manager: self.manager,
            left: self.left,
        };
        let mut found = compared.lost();
        if self.whole {
            let added = compared.added();
            let is_new = |pointer: &str| found.iter().all(|lost| lost.pointer != pointer);
            let new: Vec<_> = added.into_iter().filter(|one| is_new(&one.pointer)).collect();
            found.extend(new);
        }
        let key = &self.intent.key;
        let is_secret = key.group.is_empty() && &*key.kind == "Secret";
        (!found.is_empty()).then(|| words(&found, is_secret))
    }
}
