//! How an object in a member differs from what it should be, field by field, for people. Pure.

use serde_json::Value;

use crate::model::schema::{FieldSet, Merge, Pointer, Shape};

/// Fields that are named; of more only the number is told.
const SHOWN: usize = 8;
/// Of a value or a pointer no more characters than this are shown.
const LENGTH: usize = 120;

/// One field that differs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    /// JSON pointer into the live object.
    pub(super) pointer: String,
    /// What stands in the member.
    pub(super) member: Option<Value>,
    /// What the hub says; `None` for what somebody added.
    pub(super) hub: Option<Value>,
    /// Who has it now, and since when, as far as managedFields tell.
    pub(super) by: Option<By>,
}

/// A manager of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct By {
    manager: String,
    /// RFC 3339, as the server wrote it.
    since: String,
}

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared<'a> {
    /// What was applied.
    pub(super) intent: &'a Value,
    /// What is there.
    pub(super) live: &'a Value,
    /// The schema of both.
    pub(super) shape: Shape<'a>,
    /// Our field manager; those named after it are ours too.
    pub(super) manager: &'a str,
    /// Fields that are left to the member.
    pub(super) left: &'a [Pointer],
}

impl Compared<'_> {
    /// The fields that were applied and are somebody else's now, or gone: managedFields say so. Their values are compared
    /// only to leave out those that are as they should be; quantities and defaults in other words count as changed, since
    /// somebody did change them.
    pub(super) fn lost(&self) -> Vec<Difference> {
        let ours = FieldSet::of_manager(self.live, self.manager, false);
        let mut found = Vec::new();
        let places = Places {
            intent: String::new(),
            live: String::new(),
        };
        self.walk(
            &ours,
            self.shape,
            self.intent,
            Some(self.live),
            &places,
            &mut found,
        );
        found
    }

    fn walk(
        &self,
        ours: &FieldSet,
        shape: Shape<'_>,
        intent: &Value,
        live: Option<&Value>,
        at: &Places,
        found: &mut Vec<Difference>,
    ) {
        let below_metadata = at.intent == "/metadata";
        match (shape.merge(intent), intent) {
            (Merge::Fields, Value::Object(fields)) if !fields.is_empty() => {
                for (name, value) in fields {
                    let is_root_sign = at.intent.is_empty() && (name == "apiVersion" || name == "kind");
                    if is_root_sign || (below_metadata && !matches!(name.as_str(), "labels" | "annotations"))
                    {
                        continue;
                    }
                    let next = at.below(name, name);
                    let Some(shape) = shape.field(name) else { continue };
                    self.walk(
                        ours,
                        shape,
                        value,
                        live.and_then(|live| live.get(name)),
                        &next,
                        found,
                    );
                }
            }
            (Merge::Keyed(keys), Value::Array(items)) if !items.is_empty() => {
                let there = live.and_then(Value::as_array);
                for (index, item) in items.iter().enumerate() {
                    // A key that was left out stands at its default there.
                    let same = |other: &Value| {
                        keys.iter().all(|key| {
                            item.get(&**key)
                                .is_none_or(|value| other.get(&**key) == Some(value))
                        })
                    };
                    let position = there.and_then(|there| there.iter().position(same));
                    let next = at.below(&index.to_string(), &position.unwrap_or(index).to_string());
                    let live = position.and_then(|position| there?.get(position));
                    if live.is_none() {
                        found.push(self.difference(&next, None, item));
                        continue;
                    }
                    self.walk(ours, shape.items(), item, live, &next, found);
                }
            }
            _ => {
                if !ours.contains_pointer(self.intent, &at.intent) && live != Some(intent) {
                    found.push(self.difference(at, live, intent));
                }
            }
        }
    }

    fn difference(&self, at: &Places, live: Option<&Value>, intent: &Value) -> Difference {
        Difference {
            pointer: at.live.clone(),
            member: live.cloned(),
            hub: Some(intent.clone()),
            by: live.and_then(|_| self.manager_of(&at.live)),
        }
    }

    /// The fields that others have added beside ours. What is left to the member is theirs to add, and a map that the
    /// intent has too is no addition.
    pub(super) fn added(&self) -> Vec<Difference> {
        let ours = self.own_entries().fold(FieldSet::default(), FieldSet::union);
        let mut found: Vec<Difference> = Vec::new();
        for entry in self.others() {
            let left = self.left.iter().map(|pointer| pointer.within(&entry.1));
            let left = left.fold(FieldSet::default(), FieldSet::union);
            let set = entry.1.difference(&ours).difference(&left);
            let mut pointers = Vec::new();
            leaves(self.live, &set, &mut String::new(), &mut pointers);
            for pointer in pointers {
                let is_shared = |value: &Value| value.is_object() || value.is_array();
                let shared = self.intent.pointer(&pointer).is_some_and(is_shared);
                if !shared && found.iter().all(|had| had.pointer != pointer) {
                    found.push(Difference {
                        member: self.live.pointer(&pointer).cloned(),
                        hub: None,
                        by: Some(entry.0.clone()),
                        pointer,
                    });
                }
            }
        }
        found.sort_by(|one, other| one.pointer.cmp(&other.pointer));
        found
    }

    fn entries(&self) -> impl Iterator<Item = &Value> {
        let entries = self.live["metadata"]["managedFields"].as_array();
        entries
            .into_iter()
            .flatten()
            .filter(|entry| entry.get("subresource").is_none_or(|sub| sub == ""))
    }

    fn is_own(&self, entry: &Value) -> bool {
        let manager = entry["manager"].as_str().unwrap_or_default();
        manager
            .strip_prefix(self.manager)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    fn own_entries(&self) -> impl Iterator<Item = FieldSet> {
        self.entries()
            .filter(|entry| self.is_own(entry))
            .map(|entry| FieldSet::from_fields_v1(&entry["fieldsV1"]))
    }

    fn others(&self) -> impl Iterator<Item = (By, FieldSet)> {
        self.entries().filter(|entry| !self.is_own(entry)).map(|entry| {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            let by = By {
                manager: text("manager"),
                since: text("time"),
            };
            (by, FieldSet::from_fields_v1(&entry["fieldsV1"]))
        })
    }

    /// Who has the field: of several the one who wrote last.
    fn manager_of(&self, pointer: &str) -> Option<By> {
        self.others()
            .filter(|(_, set)| set.contains_pointer(self.live, pointer))
            .map(|(by, _)| by)
            .max_by(|one, other| one.since.cmp(&other.since))
    }
}

/// The same place in the intent and in the live object: lists may have another order there.
struct Places {
    intent: String,
    live: String,
}

impl Places {
    fn below(&self, intent: &str, live: &str) -> Self {
        let escape = |token: &str| token.replace('~', "~0").replace('/', "~1");
        Self {
            intent: format!("{}/{}", self.intent, escape(intent)),
            live: format!("{}/{}", self.live, escape(live)),
        }
    }
}

/// The pointers of what a set owns in a value, as deep as it names them.
fn leaves(value: &Value, set: &FieldSet, at: &mut String, found: &mut Vec<String>) {
    let length = at.len();
    match value {
        Value::Object(fields) if set.names_below() => {
            for (name, field) in fields {
                if let Some(below) = set.of_field(name) {
                    at.push('/');
                    at.push_str(&name.replace('~', "~0").replace('/', "~1"));
                    leaves(field, below, at, found);
                    at.truncate(length);
                }
            }
        }
        Value::Array(items) if set.names_below() => {
            for (index, below) in set.of_list(items).into_iter().enumerate() {
                if let (Some(below), Some(item)) = (below, items.get(index)) {
                    at.push('/');
                    at.push_str(&index.to_string());
                    leaves(item, below, at, found);
                    at.truncate(length);
                }
            }
        }
        _ => found.push(at.clone()),
    }
}

/// What one state of an object would change in another, besides what servers keep.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    differ(before, after, &mut String::new(), &mut found);
    found
}

fn differ(before: &Value, after: &Value, at: &mut String, found: &mut Vec<Difference>) {
    if before == after || is_of_server(at) {
        return;
    }
    let length = at.len();
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            let null = Value::Null;
            let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                at.push('/');
                at.push_str(&name.replace('~', "~0").replace('/', "~1"));
                differ(
                    one.get(name).unwrap_or(&null),
                    other.get(name).unwrap_or(&null),
                    at,
                    found,
                );
                at.truncate(length);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                at.push('/');
                at.push_str(&index.to_string());
                differ(one, other, at, found);
                at.truncate(length);
            }
        }
        (Value::Null, Value::Object(fields)) if !fields.is_empty() => {
            differ(&Value::Object(serde_json::Map::new()), after, at, found);
        }
        _ => found.push(Difference {
            pointer: at.clone(),
            member: Some(before.clone()).filter(|value| !value.is_null()),
            hub: Some(after.clone()),
            by: None,
        }),
    }
}

fn is_of_server(pointer: &str) -> bool {
    matches!(
        pointer,
        "/status" | "/metadata/managedFields" | "/metadata/resourceVersion" | "/metadata/generation"
    )
}

/// One line for people. Of Secrets no value is shown.
pub(super) fn words(differences: &[Difference], secret: bool) -> String {
    let one = |difference: &Difference| {
        let value = |value: Option<&Value>| match value {
            None => "nothing".to_owned(),
            Some(_) if secret => "a value that is not shown".to_owned(),
            Some(value) => cut(&value.to_string()),
        };
        let by = difference.by.as_ref().map_or_else(String::new, |by| {
            format!(" (by {} since {})", by.manager, by.since)
        });
        let member = value(difference.member.as_ref());
        let pointer = cut(&difference.pointer);
        match &difference.hub {
            Some(hub) => format!(
                "{pointer} is {member} there and {} at the hub{by}",
                value(Some(hub))
            ),
            None => format!("{pointer} was added, {member}{by}"),
        }
    };
    let mut parts: Vec<String> = differences.iter().take(SHOWN).map(one).collect();
    if differences.len() > SHOWN {
        parts.push(format!("and {} more", differences.len() - SHOWN));
    }
    parts.join("; ")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::schema::{SchemaRef, builtin};

    const MANAGER: &str = "hanse-0123abcd";

    fn schema() -> SchemaRef {
        builtin().schemas.kind("apps", "v1", "Deployment").unwrap()
    }

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "time": "2026-01-02T00:00:00Z", "fieldsV1": fields})
    }

    fn intent() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [
                {"name": "side", "image": "s:1"},
                {"name": "app", "image": "a:1", "ports": [{"containerPort": 80}]},
            ]}}},
        })
    }

    fn app(fields: &Value) -> Value {
        json!({"f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"app\"}": fields, "k:{\"name\":\"side\"}": {".": {}, "f:name": {}, "f:image": {}},
        }}}})
    }

    /// Somebody edited the replicas and an image, and added a label and a variable.
    fn edited() -> Value {
        let mut ours = app(&json!({".": {}, "f:name": {}, "f:ports": {
            "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}},
        }}));
        ours["f:metadata"] = json!(null);
        let mut theirs = json!({"f:replicas": {}});
        theirs["f:template"] = json!({"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {
            "f:image": {}, "f:env": {".": {}, "k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}},
        }}}});
        let mut live = intent();
        live["metadata"]["labels"]["team"] = json!("blue");
        live["metadata"]["managedFields"] = json!([
            entry(MANAGER, "Apply", &json!({"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": ours})),
            entry("kubectl-edit", "Update", &json!({"f:metadata": {"f:labels": {"f:team": {}}}, "f:spec": theirs})),
            {"manager": "kcm", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
        ]);
        live["spec"]["replicas"] = json!(5);
        live["spec"]["template"]["spec"]["containers"] = json!([
            {"name": "app", "image": "b:1", "env": [{"name": "A", "value": "x"}],
             "ports": [{"containerPort": 80, "protocol": "TCP"}]},
            {"name": "side", "image": "s:1"},
        ]);
        live
    }

    fn compared<'a>(
        intent: &'a Value,
        live: &'a Value,
        schema: &'a SchemaRef,
        left: &'a [Pointer],
    ) -> Compared<'a> {
        Compared {
            intent,
            live,
            shape: schema.shape(),
            manager: MANAGER,
            left,
        }
    }

    fn pointers(found: &[Difference]) -> Vec<&str> {
        found.iter().map(|one| one.pointer.as_str()).collect()
    }

    #[test]
    fn a_drift_names_the_field_both_values_and_who_did_it() {
        let (intent, live, schema) = (intent(), edited(), schema());
        let found = compared(&intent, &live, &schema, &[]).lost();
        assert_eq!(
            pointers(&found),
            ["/spec/replicas", "/spec/template/spec/containers/0/image"]
        );
        let told = words(&found, false);
        assert!(
            told.contains(
                "/spec/replicas is 5 there and 3 at the hub (by kubectl-edit since 2026-01-02T00:00:00Z)"
            ),
            "{told}"
        );
        let hidden = words(&found, true);
        assert!(
            !hidden.contains("b:1") && hidden.contains("/containers/0/image"),
            "{hidden}"
        );
    }

    #[test]
    fn what_was_changed_back_is_no_drift() {
        let (intent, mut live, schema) = (intent(), edited(), schema());
        live["spec"]["replicas"] = json!(3);
        live["spec"]["template"]["spec"]["containers"][0]["image"] = json!("a:1");
        assert_eq!(compared(&intent, &live, &schema, &[]).lost(), []);
    }

    #[test]
    fn what_was_removed_is_nothing_there() {
        let (intent, mut live, schema) = (intent(), edited(), schema());
        live["spec"]["template"]["spec"]["containers"]
            .as_array_mut()
            .unwrap()
            .pop();
        live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
            .as_object_mut()
            .unwrap()
            .remove("k:{\"name\":\"side\"}");
        let told = words(&compared(&intent, &live, &schema, &[]).lost(), false);
        assert!(
            told.contains("/spec/template/spec/containers/0 is nothing there"),
            "{told}"
        );
    }

    #[test]
    fn what_others_add_is_found_but_not_what_is_left_to_them() {
        let (intent, live, schema) = (intent(), edited(), schema());
        let left = [Pointer::parse("/metadata/labels/team").unwrap()];
        let all = compared(&intent, &live, &schema, &[]).added();
        let env = "/spec/template/spec/containers/0/env/0";
        assert_eq!(
            pointers(&all),
            [
                "/metadata/labels/team",
                "/spec/replicas",
                &format!("{env}/name"),
                &format!("{env}/value"),
                "/spec/template/spec/containers/0/image",
            ]
        );
        let told = words(&compared(&intent, &live, &schema, &left).added(), false);
        assert!(
            !told.contains("team") && told.contains("env/0/value was added, \"x\""),
            "{told}"
        );
    }

    #[test]
    fn changes_leave_out_what_servers_keep_and_count_what_is_too_much() {
        let before =
            json!({"metadata": {"resourceVersion": "1"}, "data": {"a": "1", "b": "2"}, "status": {"x": 1}});
        let after =
            json!({"metadata": {"resourceVersion": "2", "labels": {"l": "1"}}, "data": {"a": "1", "b": "3"}});
        let found = changes(&before, &after);
        assert_eq!(pointers(&found), ["/data/b", "/metadata/labels/l"]);
        assert_eq!(changes(&before, &before), []);
        let many: Vec<Difference> = (0..20).flat_map(|_| found.clone()).collect();
        assert!(words(&many, false).ends_with("and 32 more"));
    }
}
