//! Which rules are for a member, with everything filled in.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{OverrideError, Wrong, placeholder};
use crate::decide::placement::{Answer, Choice};
use crate::decide::policy::{Override, OverrideId, Overrides};
use crate::model::api::{ClusterSelector, Overridden, OverrideRule};
use crate::model::fleet::Member;
use crate::model::hash::Hash;
use crate::model::template::Template;

/// Of so many overrides the names are kept.
const SHOWN: usize = 64;

/// A rule that is for a member.
#[derive(Debug)]
pub(super) struct Due<'a> {
    pub(super) by: &'a OverrideId,
    pub(super) index: usize,
    pub(super) rule: Result<Cow<'a, OverrideRule>, Wrong>,
}

impl Due<'_> {
    pub(super) fn error(&self, below: &str, wrong: Wrong) -> OverrideError {
        error(self.by, format!("spec.rules[{}]{below}", self.index), wrong)
    }
}

fn error(by: &OverrideId, at: String, wrong: Wrong) -> OverrideError {
    OverrideError {
        by: by.clone(),
        at,
        wrong,
    }
}

/// The rules for the member, in order. An error where it can't be told.
pub(super) fn due<'a>(
    overrides: &'a [Arc<Override>],
    template: &Template,
    member: &Member,
) -> Result<Vec<Due<'a>>, OverrideError> {
    let mut found = Vec::new();
    for policy in overrides {
        match policy.selects(template) {
            Some(true) => {}
            Some(false) => continue,
            None => {
                return Err(error(
                    &policy.id,
                    "spec.resourceSelectors".to_owned(),
                    Wrong::Selectors,
                ));
            }
        }
        for (index, rule) in policy.spec.rules.iter().enumerate() {
            match is_for(rule, member) {
                Answer::No(_) => {}
                Answer::Unsure(why) => {
                    let at = format!("spec.rules[{index}].clusters");
                    return Err(error(&policy.id, at, Wrong::Unclear { why }));
                }
                Answer::Yes => {
                    let due = Due {
                        by: &policy.id,
                        index,
                        rule: filled(rule, member),
                    };
                    if let Err(wrong @ Wrong::Unclear { .. }) = &due.rule {
                        return Err(due.error("", wrong.clone()));
                    }
                    found.push(due);
                }
            }
        }
    }
    Ok(found)
}

fn is_for(rule: &OverrideRule, member: &Member) -> Answer {
    if rule.clusters.is_empty() {
        return Answer::Yes;
    }
    Choice::compile(&rule.clusters).contains(member)
}

/// The rule with all placeholders filled in.
fn filled<'a>(rule: &'a OverrideRule, member: &Member) -> Result<Cow<'a, OverrideRule>, Wrong> {
    let mut value = serde_json::to_value(rule).unwrap_or_default();
    if !placeholder::is_in(&value.to_string()) {
        return Ok(Cow::Borrowed(rule));
    }
    value["clusters"] = json!({});
    let mut pointers = Vec::new();
    for item in value
        .get_mut("patch")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        for field in ["path", "from"] {
            if let Some(pointer) = item
                .get(field)
                .and_then(Value::as_str)
                .filter(|text| placeholder::is_in(text))
            {
                pointers.push(placeholder::fill_pointer(pointer, member)?);
                item[field] = Value::Null;
            }
        }
    }
    placeholder::fill_all(&mut value, member)?;
    let mut pointers = pointers.into_iter();
    for item in value
        .get_mut("patch")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        for field in ["path", "from"] {
            if item.get(field).is_some_and(Value::is_null) {
                item[field] = pointers.next().into();
            }
        }
    }
    // It was a rule before, and only texts in it were exchanged for texts.
    Ok(serde_json::from_value(value).map_or(Cow::Borrowed(rule), Cow::Owned))
}

/// As [`overridden`], of everything that goes to the member: of a Bundle, each of its objects may be changed by others.
pub fn overridden_items(
    overrides: &Overrides,
    template: &Template,
    member: &Member,
) -> Result<Option<Overridden>, OverrideError> {
    if template.bundle.is_none() {
        return overridden(&overrides.of_template(template), template, member);
    }
    let mut all = Vec::new();
    for item in template.items() {
        if let Some(changed) = overridden(&overrides.of_template(item), item, member)? {
            all.push((item.key.annotation(), changed));
        }
    }
    if all.is_empty() {
        return Ok(None);
    }
    let hash = Hash::of(
        &all.iter()
            .map(|(key, changed)| json!([key, changed.hash]))
            .collect(),
    );
    let mut by: Vec<String> = all.into_iter().flat_map(|(_, changed)| changed.by).collect();
    by.sort();
    by.dedup();
    by.truncate(SHOWN);
    Ok(Some(Overridden { hash, by }))
}

/// Which overrides change the template for the member; None when none does. What can't be made counts too: it moves the
/// hash as well. An error when it can't be told.
pub fn overridden(
    overrides: &[Arc<Override>],
    template: &Template,
    member: &Member,
) -> Result<Option<Overridden>, OverrideError> {
    let due = match due(overrides, template, member) {
        Err(error) if !error.may_pass() => {
            return Ok(Some(Overridden {
                hash: Hash::of_bytes(error.to_string().as_bytes()),
                by: vec![error.by.reference()],
            }));
        }
        due => due?,
    };
    if due.is_empty() {
        return Ok(None);
    }
    let says = |due: &Due<'_>| match &due.rule {
        Ok(rule) => {
            let mut rule = OverrideRule::clone(rule);
            rule.clusters = ClusterSelector::default();
            serde_json::to_value(rule).unwrap_or_default()
        }
        Err(wrong) => wrong.to_string().into(),
    };
    let hash = Hash::of(&due.iter().map(says).collect());
    let mut by: Vec<String> = due.iter().map(|due| due.by.reference()).collect();
    by.dedup();
    Ok(Some(Overridden { hash, by }))
}
