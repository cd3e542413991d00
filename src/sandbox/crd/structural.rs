//! What a schema of a definition must be so that objects can be pruned, defaulted and merged by it: structural.
//!
//! Checked is what a hand-written schema gets wrong. What stands in `anyOf` and the like is taken as it is.

use serde_json::Value;

use crate::sandbox::failure::Cause;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Everything that is not structural in a version's schema, or is at odds with itself.
pub(super) fn check(schema: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if schema["type"].as_str().is_none_or(str::is_empty) {
        causes.push(required(&format!("{path}.type"), "must not be empty at the root"));
    } else if schema["type"] != "object" {
        let at = format!("{path}.type");
        causes.push(invalid(&at, &schema["type"], "must be object at the root"));
    }
    inside(schema, path, &mut causes);
    causes.sort_by(|a, b| (&a.field, &a.message).cmp(&(&b.field, &b.message)));
    causes
}

fn part(schema: &Value, of_what: &str, path: &str, causes: &mut Vec<Cause>) {
    let at = format!("{path}.type");
    let is = |extension: &str| schema[extension] == true;
    match schema["type"].as_str().unwrap_or_default() {
        "" if is("x-kubernetes-int-or-string") || is("x-kubernetes-preserve-unknown-fields") => {}
        "" => causes.push(required(
            &at,
            &format!("must not be empty for specified {of_what}"),
        )),
        known if TYPES.contains(&known) => {}
        other => causes.push(unsupported(&at, other, &TYPES)),
    }
    inside(schema, path, causes);
}

fn inside(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    const FIELDS: &str = "object fields";
    let properties = schema["properties"].as_object();
    for (name, property) in properties.into_iter().flatten() {
        part(property, FIELDS, &format!("{path}.properties[{name}]"), causes);
    }
    let additional = &schema["additionalProperties"];
    if !additional.is_null() {
        let at = format!("{path}.additionalProperties");
        if properties.is_some_and(|properties| !properties.is_empty()) && *additional != true {
            let why = "additionalProperties and properties are mutual exclusive";
            causes.push(cause("FieldValueForbidden", &at, format!("Forbidden: {why}")));
        }
        if additional.is_object() {
            part(additional, FIELDS, &at, causes);
        }
    }
    if let Some(items) = schema.get("items") {
        part(items, "array items", &format!("{path}.items"), causes);
    } else if schema["type"] == "array" {
        causes.push(required(&format!("{path}.items"), "must be specified"));
    }
    if schema["x-kubernetes-list-type"] == "map" {
        keys(schema, path, causes);
    }
}

/// By what the items of a list are told apart.
fn keys(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    const KEYS: &str = "x-kubernetes-list-map-keys";
    let at = format!("{path}.{KEYS}");
    let items = &schema["items"];
    let keys = schema[KEYS].as_array().map(Vec::as_slice).unwrap_or_default();
    if keys.is_empty() {
        let why = "must not be empty if x-kubernetes-list-type is map";
        causes.push(required(&at, why));
    }
    for key in keys.iter().filter_map(Value::as_str) {
        let Some(property) = items["properties"].get(key) else {
            let why = "entries must all be names of item properties";
            causes.push(invalid(&at, &schema[KEYS], why));
            continue;
        };
        let mut required_ones = items["required"].as_array().into_iter().flatten();
        if !required_ones.any(|one| one == key) && property.get("default").is_none() {
            let at = format!("{path}.items.properties[{key}].default");
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            causes.push(required(&at, why));
        }
    }
}

pub(super) fn required(field: &str, why: &str) -> Cause {
    let message = if why.is_empty() {
        "Required value".to_owned()
    } else {
        format!("Required value: {why}")
    };
    cause("FieldValueRequired", field, message)
}

pub(super) fn invalid(field: &str, value: &Value, why: &str) -> Cause {
    cause(
        "FieldValueInvalid",
        field,
        format!("Invalid value: {value}: {why}"),
    )
}

pub(super) fn unsupported(field: &str, value: &str, known: &[&str]) -> Cause {
    let known: Vec<String> = known.iter().map(|one| format!("{one:?}")).collect();
    let message = format!(
        "Unsupported value: {value:?}: supported values: {}",
        known.join(", ")
    );
    cause("FieldValueNotSupported", field, message)
}

fn cause(reason: &'static str, field: &str, message: String) -> Cause {
    Cause {
        reason,
        message,
        field: field.to_owned(),
    }
}
