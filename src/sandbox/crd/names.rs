//! Names are given to who asks first; within a group each means one kind.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::condition::{Condition, ESTABLISHED, NAMES_ACCEPTED, is_true};
use crate::sandbox::object::{Object, field_mut, name};

/// The definition with the names it may have and the conditions that follow; None when it has them already.
pub(super) fn settle(definition: &Value, all: &[Object], now: &str) -> Option<Value> {
    let taken = Taken::by_others(definition, all);
    let asked = &definition["spec"]["names"];
    let mut accepted = definition["status"]["acceptedNames"].clone();
    if !accepted.is_object() {
        accepted = json!({});
    }
    let mut refusal = None;
    let mut refuse = |reason: &'static str, names: &[&str]| {
        let texts: Vec<String> = names
            .iter()
            .map(|name| format!("{name:?} is already in use"))
            .collect();
        let text = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        refusal = Some(Condition::new(NAMES_ACCEPTED, false, reason, &text));
    };
    for (field, reason, is_kind) in [
        ("plural", "PluralConflict", false),
        ("singular", "SingularConflict", false),
        ("kind", "KindConflict", true),
        ("listKind", "ListKindConflict", true),
    ] {
        let wanted = asked[field].as_str().unwrap_or_default();
        if accepted[field] != wanted && taken.has(wanted, is_kind) {
            refuse(reason, &[wanted]);
        } else {
            accepted[field] = wanted.into();
        }
    }
    let short = |names: &Value| -> Vec<String> {
        let names = names["shortNames"].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (had, wanted) = (short(&accepted), short(asked));
    let conflicts = wanted
        .iter()
        .filter(|name| !had.contains(name) && taken.has(name, false));
    let conflicts: Vec<&str> = conflicts.map(String::as_str).collect();
    if conflicts.is_empty() {
        put(&mut accepted, "shortNames", &asked["shortNames"]);
    } else {
        refuse("ShortNamesConflict", &conflicts);
    }
    put(&mut accepted, "categories", &asked["categories"]);

    let mut new = definition.clone();
    field_mut(&mut new, "status").insert("acceptedNames".to_owned(), accepted);
    let accepted = refusal.is_none();
    let naming =
        refusal.unwrap_or_else(|| Condition::new(NAMES_ACCEPTED, true, "NoConflicts", "no conflicts found"));
    naming.set(&mut new, now);
    // Once established, a kind stays so.
    if !is_true(definition, ESTABLISHED) {
        let established = if accepted {
            Condition::new(
                ESTABLISHED,
                true,
                "InitialNamesAccepted",
                "the initial names have been accepted",
            )
        } else {
            Condition::new(ESTABLISHED, false, "NotAccepted", "not all names are accepted")
        };
        established.set(&mut new, now);
    }
    (new["status"] != definition["status"]).then_some(new)
}

fn put(names: &mut Value, field: &str, value: &Value) {
    let Some(names) = names.as_object_mut() else {
        return;
    };
    if value.is_null() {
        names.remove(field);
    } else {
        names.insert(field.to_owned(), value.clone());
    }
}

/// The names of a group that other definitions have.
struct Taken<'a> {
    resources: BTreeSet<&'a str>,
    kinds: BTreeSet<&'a str>,
}

impl<'a> Taken<'a> {
    fn by_others(definition: &Value, all: &'a [Object]) -> Self {
        let (mut resources, mut kinds) = (BTreeSet::new(), BTreeSet::new());
        let others = all.iter().filter(|other| {
            name(other) != name(definition) && other["spec"]["group"] == definition["spec"]["group"]
        });
        for names in others.map(|other| &other["status"]["acceptedNames"]) {
            let text = |field: &str| names[field].as_str();
            resources.extend(text("plural").into_iter().chain(text("singular")));
            let short = names["shortNames"].as_array().into_iter().flatten();
            resources.extend(short.filter_map(Value::as_str));
            kinds.extend(text("kind").into_iter().chain(text("listKind")));
        }
        Self { resources, kinds }
    }

    fn has(&self, name: &str, is_kind: bool) -> bool {
        let of = if is_kind { &self.kinds } else { &self.resources };
        of.contains(name)
    }
}
