//! What a schema of a definition must be so that objects can be pruned, defaulted and merged by it: structural.

use serde_json::Value;

use crate::sandbox::failure::Cause;

/// Where a schema stands: what may be left unsaid differs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Fields that only the structure may have, never what stands in `anyOf` and the like.
const OF_STRUCTURE: [&str; 7] = [
    "type",
    "additionalProperties",
    "default",
    "description",
    "nullable",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-int-or-string",
];

/// Everything that is not structural in a version's schema, or is at odds with itself.
pub(super) fn check(schema: &Value, path: &str) -> Vec<Cause> {
    let mut check = Check::default();
    check.schema(schema, Level::Root, path);
    check
        .causes
        .sort_by(|a, b| (&a.field, &a.message).cmp(&(&b.field, &b.message)));
    check.causes
}

#[derive(Default)]
struct Check {
    causes: Vec<Cause>,
}

impl Check {
    fn add(&mut self, cause: Cause) {
        self.causes.push(cause);
    }

    fn schema(&mut self, schema: &Value, level: Level, path: &str) {
        self.kind(schema, level, path);
        self.properties(schema, level, path);
        if let Some(items) = schema.get("items") {
            self.schema(items, Level::Item, &format!("{path}.items"));
        } else if schema["type"] == "array" {
            self.add(required(&format!("{path}.items"), "must be specified"));
        }
        let is_int_or_string = schema["x-kubernetes-int-or-string"] == true;
        for word in ["anyOf", "allOf", "oneOf"] {
            for (index, nested) in schema[word].as_array().into_iter().flatten().enumerate() {
                self.nested(nested, is_int_or_string, &format!("{path}.{word}[{index}]"));
            }
        }
        if let Some(not) = schema.get("not") {
            self.nested(not, false, &format!("{path}.not"));
        }
        self.list(schema, path);
        self.extensions(schema, path);
    }

    fn kind(&mut self, schema: &Value, level: Level, path: &str) {
        let at = format!("{path}.type");
        let free = schema["x-kubernetes-int-or-string"] == true
            || schema["x-kubernetes-preserve-unknown-fields"] == true;
        match schema["type"].as_str().unwrap_or_default() {
            "" if schema["x-kubernetes-embedded-resource"] == true => {
                self.add(required(
                    &at,
                    "must be object if x-kubernetes-embedded-resource is true",
                ));
            }
            "" if !free => self.add(required(
                &at,
                match level {
                    Level::Root => "must not be empty at the root",
                    Level::Item => "must not be empty for specified array items",
                    Level::Field => "must not be empty for specified object fields",
                },
            )),
            "" => {}
            other if !TYPES.contains(&other) => self.add(unsupported(&at, other, &TYPES)),
            other if level == Level::Root && other != "object" => {
                self.add(invalid(&at, &other.into(), "must be object at the root"));
            }
            _ => {}
        }
    }

    fn properties(&mut self, schema: &Value, level: Level, path: &str) {
        let properties = schema["properties"].as_object();
        for (name, property) in properties.into_iter().flatten() {
            let at = format!("{path}.properties[{name}]");
            if level != Level::Root {
                self.schema(property, Level::Field, &at);
                continue;
            }
            match name.as_str() {
                "metadata" => self.metadata(property, &at),
                "apiVersion" | "kind" if property["type"] != "string" => {
                    self.add(invalid(
                        &format!("{at}.type"),
                        &property["type"],
                        "must be string",
                    ));
                }
                _ => self.schema(property, Level::Field, &at),
            }
        }
        let Some(additional) = schema.get("additionalProperties") else {
            return;
        };
        let at = format!("{path}.additionalProperties");
        if level == Level::Root {
            self.add(forbidden(&at, "must not be used at the root"));
        }
        if properties.is_some_and(|properties| !properties.is_empty()) && *additional != true {
            self.add(forbidden(
                &at,
                "additionalProperties and properties are mutual exclusive",
            ));
        }
        if additional.is_object() {
            self.schema(additional, Level::Field, &at);
        }
    }

    /// The server knows what metadata is; a definition may only bound names.
    fn metadata(&mut self, schema: &Value, path: &str) {
        if schema["type"] != "object" {
            self.add(invalid(
                &format!("{path}.type"),
                &schema["type"],
                "must be object",
            ));
        }
        let names_only = schema["properties"].as_object().is_none_or(|properties| {
            properties
                .keys()
                .all(|name| name == "name" || name == "generateName")
        });
        let plain = schema.as_object().is_some_and(|schema| {
            schema
                .keys()
                .all(|key| matches!(key.as_str(), "type" | "properties" | "description"))
        });
        if !names_only || !plain {
            let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
            self.add(forbidden(path, why));
        }
    }

    fn nested(&mut self, schema: &Value, is_int_or_string: bool, path: &str) {
        for field in OF_STRUCTURE.iter().filter(|field| schema.get(**field).is_some()) {
            if is_int_or_string && *field == "type" {
                continue;
            }
            self.add(forbidden(
                &format!("{path}.{field}"),
                "must be undefined to be structural",
            ));
        }
        for word in ["anyOf", "allOf", "oneOf"] {
            for (index, nested) in schema[word].as_array().into_iter().flatten().enumerate() {
                self.nested(nested, is_int_or_string, &format!("{path}.{word}[{index}]"));
            }
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            self.nested(property, false, &format!("{path}.properties[{name}]"));
        }
        if let Some(items) = schema.get("items") {
            self.nested(items, false, &format!("{path}.items"));
        }
    }

    fn list(&mut self, schema: &Value, path: &str) {
        const TYPE: &str = "x-kubernetes-list-type";
        const KEYS: &str = "x-kubernetes-list-map-keys";
        let keys: Vec<&str> = {
            let keys = schema[KEYS].as_array().into_iter().flatten();
            keys.filter_map(Value::as_str).collect()
        };
        let Some(list) = schema[TYPE].as_str() else {
            if !keys.is_empty() {
                let why = "must be map if x-kubernetes-list-map-keys is non-empty";
                self.add(required(&format!("{path}.{TYPE}"), why));
            }
            return;
        };
        if schema["type"] != "array" {
            let why = "must be array if x-kubernetes-list-type is specified";
            self.add(invalid(&format!("{path}.type"), &schema["type"], why));
        }
        if !["atomic", "set", "map"].contains(&list) {
            self.add(unsupported(
                &format!("{path}.{TYPE}"),
                list,
                &["atomic", "set", "map"],
            ));
        }
        if list != "map" {
            return;
        }
        if keys.is_empty() {
            let why = "must not be empty if x-kubernetes-list-type is map";
            self.add(required(&format!("{path}.{KEYS}"), why));
        }
        let items = &schema["items"];
        if items["type"] != "object" {
            let why = "must be object if parent array's x-kubernetes-list-type is map";
            self.add(invalid(&format!("{path}.items.type"), &items["type"], why));
            return;
        }
        let is_required = |key: &str| {
            items["required"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one == key))
        };
        for key in keys {
            let Some(property) = items["properties"].get(key) else {
                let why = "entries must all be names of item properties";
                self.add(invalid(&format!("{path}.{KEYS}"), &schema[KEYS], why));
                continue;
            };
            let at = format!("{path}.items.properties[{key}]");
            if !is_required(key) && property.get("default").is_none() {
                let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required \
                           property";
                self.add(required(&format!("{at}.default"), why));
            }
            if property["type"] == "array" || property["type"] == "object" {
                let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                self.add(invalid(&format!("{at}.type"), &items["type"], why));
            }
        }
    }

    fn extensions(&mut self, schema: &Value, path: &str) {
        const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
        if schema["uniqueItems"] == true {
            let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.add(forbidden(&format!("{path}.uniqueItems"), why));
        }
        if schema.get("$ref").is_some() {
            self.add(forbidden(&format!("{path}.$ref"), "$ref is not supported"));
        }
        if schema[PRESERVE] == false {
            let at = format!("{path}.{PRESERVE}");
            self.add(invalid(&at, &schema[PRESERVE], "must be true or undefined"));
        }
        let rules = schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten();
        for (index, rule) in rules.enumerate() {
            if rule["rule"].as_str().is_none_or(|rule| rule.trim().is_empty()) {
                let at = format!("{path}.x-kubernetes-validations[{index}].rule");
                self.add(required(&at, "rule is not specified"));
            }
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

pub(super) fn forbidden(field: &str, why: &str) -> Cause {
    cause("FieldValueForbidden", field, format!("Forbidden: {why}"))
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
