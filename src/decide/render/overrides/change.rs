//! Making the changes.

use std::sync::Arc;

use json_patch::{PatchErrorKind, PatchOperation};
use serde_json::{Map, Value, json};

use super::member::{Due, due};
use super::{OverrideError, Wrong, image};
use crate::decide::policy::Override;
use crate::model::api::{
    ArgsOverride, CommandOverride, EnvOverride, MarksOverride, OverrideRule, PatchItem, PatchOp,
};
use crate::model::fleet::Member;
use crate::model::kind::pod_template_pointer;
use crate::model::name::GroupKind;
use crate::model::template::Template;

/// An object that moves and copies within itself make larger than this is in no API server,
const MOST: usize = 3 << 19;
/// and one that nests deeper is read by none.
const DEEPEST: usize = 100;

/// Changes the body of a template as `overrides`, in their order, say for the member. `body` holds what was changed
/// before an error, and is of no use then.
pub fn change(
    overrides: &[Arc<Override>],
    template: &Template,
    member: &Member,
    body: &mut Value,
) -> Result<(), OverrideError> {
    let due = due(overrides, template, member)?;
    if due.is_empty() {
        return Ok(());
    }
    let kind = template.key.group_kind();
    let identity = Identity::of(template, body);
    for due in &due {
        let rule = due.rule.as_ref().map_err(|wrong| due.error("", wrong.clone()))?;
        make(due, rule, &kind, body)?;
        identity.look_over(body).map_err(|wrong| due.error("", wrong))?;
    }
    Ok(())
}

/// The parts of one rule, in the order of its fields.
fn make(due: &Due<'_>, rule: &OverrideRule, kind: &GroupKind, body: &mut Value) -> Result<(), OverrideError> {
    let at = |field: &'static str, index: usize| move |wrong| due.error(&format!(".{field}[{index}]"), wrong);
    for (index, change) in rule.image.iter().enumerate() {
        let each = |container: &mut Map<String, Value>| {
            let before = container.get("image").and_then(Value::as_str).unwrap_or_default();
            if before.is_empty() && change.repository.is_none() {
                let container = name_of(container).to_owned();
                return Err(Wrong::NoImage { container });
            }
            let after = image::changed(before, change)?;
            container.insert("image".to_owned(), after.into());
            Ok(())
        };
        containers(kind, body, change.container.as_deref(), each).map_err(at("image", index))?;
    }
    for (index, change) in rule.env.iter().enumerate() {
        containers(kind, body, change.container.as_deref(), |container| {
            set_env(container, change);
            Ok(())
        })
        .map_err(at("env", index))?;
    }
    for (index, change) in rule.args.iter().enumerate() {
        containers(kind, body, Some(&change.container), |container| {
            set_args(container, change);
            Ok(())
        })
        .map_err(at("args", index))?;
    }
    for (field, change) in [("labels", &rule.labels), ("annotations", &rule.annotations)] {
        set_marks(body, field, change);
    }
    for (index, change) in rule.command.iter().enumerate() {
        let CommandOverride { container, set } = change;
        containers(kind, body, Some(container), |container| {
            container.insert("command".to_owned(), json!(set));
            Ok(())
        })
        .map_err(at("command", index))?;
    }
    for (index, item) in rule.patch.iter().enumerate() {
        patch(body, item).map_err(at("patch", index))?;
    }
    Ok(())
}

fn name_of(container: &Map<String, Value>) -> &str {
    container.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// Does something with a container, or with all of them.
fn containers(
    kind: &GroupKind,
    body: &mut Value,
    name: Option<&str>,
    mut each: impl FnMut(&mut Map<String, Value>) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    let name = name.filter(|name| *name != "*");
    let Some(pod) = pod_template_pointer(kind) else {
        return match name {
            Some(_) => Err(Wrong::NoPods {
                kind: kind.to_string(),
            }),
            // All of none.
            None => Ok(()),
        };
    };
    let mut known = Vec::new();
    let mut found = name.is_none();
    for list in ["containers", "initContainers"] {
        let containers = body.pointer_mut(&format!("{pod}/spec/{list}"));
        let containers = containers.and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            if name.is_none_or(|name| name == name_of(container)) {
                found = true;
                each(container)?;
            } else {
                known.push(name_of(container).to_owned());
            }
        }
    }
    match name {
        Some(name) if !found => Err(Wrong::NoContainer {
            name: name.to_owned(),
            known,
        }),
        _ => Ok(()),
    }
}

/// Takes a list out of a container, changes it, and puts it back unless it is empty.
fn with_list(container: &mut Map<String, Value>, field: &str, change: impl FnOnce(&mut Vec<Value>)) {
    let mut list = match container.get_mut(field).map(Value::take) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    change(&mut list);
    if list.is_empty() {
        container.remove(field);
    } else {
        container.insert(field.to_owned(), list.into());
    }
}

fn set_env(container: &mut Map<String, Value>, change: &EnvOverride) {
    with_list(container, "env", |env| {
        let is = |variable: &Value, name: &str| variable.get("name").and_then(Value::as_str) == Some(name);
        env.retain(|variable| !change.remove.iter().any(|name| is(variable, name)));
        for variable in &change.set {
            let now = json!({"name": variable.name, "value": variable.value.as_deref().unwrap_or_default()});
            match env.iter_mut().find(|had| is(had, &variable.name)) {
                Some(had) => *had = now,
                None => env.push(now),
            }
        }
    });
}

fn set_args(container: &mut Map<String, Value>, change: &ArgsOverride) {
    with_list(container, "args", |args| {
        args.retain(|argument| !change.remove.iter().any(|gone| argument == gone));
        args.extend(change.append.iter().map(|argument| argument.as_str().into()));
    });
}

fn set_marks(body: &mut Value, field: &str, change: &MarksOverride) {
    if change.set.is_empty() && change.remove.is_empty() {
        return;
    }
    let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let marks = metadata.entry(field).or_insert_with(|| json!({}));
    // What is no map is looked over afterwards.
    if let Some(marks) = marks.as_object_mut() {
        marks.retain(|key, _| !change.remove.contains(key));
        for (key, value) in &change.set {
            marks.insert(key.clone(), value.as_str().into());
        }
        if marks.is_empty() {
            metadata.remove(field);
        }
    }
}

fn patch(body: &mut Value, item: &PatchItem) -> Result<(), Wrong> {
    let operation = read(item)?;
    let Err(error) = json_patch::patch(body, &[operation]) else {
        // Copies of copies grow without bound; nothing else does.
        let grows = matches!(item.op, PatchOp::Copy | PatchOp::Move | PatchOp::Add);
        let copies = item.op == PatchOp::Copy;
        if (grows && depth(body) > DEEPEST) || (copies && body.to_string().len() > MOST) {
            return Err(Wrong::TooLarge);
        }
        return Ok(());
    };
    let nothing = |pointer: &str| Wrong::Nothing {
        pointer: pointer.to_owned(),
        missing: missing(body, pointer),
    };
    let from = item.from.as_deref().unwrap_or_default();
    Err(match error.kind {
        PatchErrorKind::TestFailed if body.pointer(&item.path).is_some() => Wrong::Test {
            pointer: item.path.clone(),
        },
        PatchErrorKind::InvalidFromPointer => nothing(from),
        PatchErrorKind::CannotMoveInsideItself => Wrong::IntoItself {
            from: from.to_owned(),
        },
        _ => nothing(&item.path),
    })
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The operation, if it is a whole one.
pub(super) fn read(item: &PatchItem) -> Result<PatchOperation, Wrong> {
    let (op, needs) = match item.op {
        PatchOp::Add => ("add", "value"),
        PatchOp::Replace => ("replace", "value"),
        PatchOp::Test => ("test", "value"),
        PatchOp::Move => ("move", "from"),
        PatchOp::Copy => ("copy", "from"),
        PatchOp::Remove => ("remove", "path"),
    };
    let has = match needs {
        "value" => item.value.is_some(),
        "from" => item.from.is_some(),
        _ => true,
    };
    if !has {
        return Err(Wrong::Lacks { op, field: needs });
    }
    let pointers = [Some(&item.path), item.from.as_ref()];
    if let Some(pointer) = pointers
        .into_iter()
        .flatten()
        .find(|pointer| !is_pointer(pointer))
    {
        return Err(Wrong::Pointer {
            pointer: pointer.clone(),
        });
    }
    let value = json!({"op": op, "path": item.path, "from": item.from, "value": item.value});
    serde_json::from_value(value).map_err(|_| Wrong::Pointer {
        pointer: item.path.clone(),
    })
}

/// RFC 6901.
pub(super) fn is_pointer(text: &str) -> bool {
    text.starts_with('/') && text.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}

/// The first part of the pointer that is not there.
fn missing(body: &Value, pointer: &str) -> String {
    let ends = pointer
        .match_indices('/')
        .map(|(at, _)| at)
        .skip(1)
        .chain([pointer.len()]);
    let mut parts = ends.map(|end| &pointer[..end]);
    let found = parts.find(|part| body.pointer(part).is_none());
    found.unwrap_or(pointer).to_owned()
}

/// What of an object no override changes.
struct Identity<'a> {
    kept: Map<String, Value>,
    replicas: Option<(&'a str, Option<Value>)>,
}

/// Labels and annotations with this prefix are the hub's.
const OURS: &str = "hanse.dev/";

impl<'a> Identity<'a> {
    fn of(template: &'a Template, body: &Value) -> Self {
        Self {
            kept: kept(body),
            replicas: template
                .replicas_at
                .as_deref()
                .map(|pointer| (pointer, body.pointer(pointer).cloned())),
        }
    }

    fn look_over(&self, body: &Value) -> Result<(), Wrong> {
        for field in ["labels", "annotations"] {
            let marks = body.pointer(&format!("/metadata/{field}"));
            let is_map = |marks: &Value| {
                marks
                    .as_object()
                    .is_some_and(|marks| marks.values().all(Value::is_string))
            };
            if marks.is_some_and(|marks| !is_map(marks)) {
                return Err(Wrong::Marks { field });
            }
        }
        let now = kept(body);
        let differs = |key: &&String| self.kept.get(*key) != now.get(*key);
        if let Some(field) = self.kept.keys().chain(now.keys()).find(differs) {
            return Err(match field.split_once(OURS) {
                Some((_, key)) => Wrong::Stamp {
                    key: format!("{OURS}{key}"),
                },
                None => Wrong::Identity { field: field.clone() },
            });
        }
        match &self.replicas {
            Some((pointer, before)) if body.pointer(pointer) != before.as_ref() => Err(Wrong::Replicas {
                pointer: (*pointer).to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// `apiVersion`, `kind`, status, and of the metadata all but people's labels and annotations; by where they are.
fn kept(body: &Value) -> Map<String, Value> {
    let mut kept = Map::new();
    for field in ["apiVersion", "kind", "status"] {
        if let Some(value) = body.get(field) {
            kept.insert(field.to_owned(), value.clone());
        }
    }
    let metadata = body.get("metadata").and_then(Value::as_object);
    for (field, value) in metadata.into_iter().flatten() {
        let marks = value
            .as_object()
            .filter(|_| matches!(field.as_str(), "labels" | "annotations"));
        match marks {
            Some(marks) => {
                let ours = marks.iter().filter(|(key, _)| key.starts_with(OURS));
                kept.extend(ours.map(|(key, value)| (format!("metadata.{field}.{key}"), value.clone())));
            }
            None => {
                kept.insert(format!("metadata.{field}"), value.clone());
            }
        }
    }
    kept
}
