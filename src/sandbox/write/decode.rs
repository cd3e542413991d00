//! From the bytes of a request to an object, with upstream's words for what it can't be.

use serde_json::{Map, Value};

use super::FieldValidation;
use super::default::reference;
use crate::model::manifest;
use crate::model::quantity::Amount;
use crate::model::schema::Shape;
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::{Origin, Resource, Version, definition_of, definitions};

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// More unknown fields than these are not told.
const TOLD: usize = 100;

/// Drops unknown fields, checks types, and says with `validation` what becomes of the former: the texts are
/// warnings.
pub(crate) fn decode(
    resource: &Resource,
    version: &Version,
    value: Value,
    validation: FieldValidation,
) -> Result<(Value, Vec<String>), Failure> {
    let refused = |why: &str| {
        let kind = &resource.kind;
        let version = &version.name;
        Failure::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"
        ))
    };
    let (value, mut words) = conform(resource, version, value).map_err(|why| refused(&why))?;
    words.truncate(TOLD);
    match validation {
        FieldValidation::Ignore => Ok((value, Vec::new())),
        FieldValidation::Warn => Ok((value, words)),
        FieldValidation::Strict if words.is_empty() => Ok((value, words)),
        FieldValidation::Strict => Err(refused(&strict(&words))),
    }
}

/// JSON, or YAML where it isn't that.
pub(super) fn read(body: &[u8]) -> Result<Value, Failure> {
    let error = match serde_json::from_slice(body) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let text = std::str::from_utf8(body)
        .ok()
        .filter(|text| !text.trim_start().starts_with('{'));
    let documents = text
        .map(|text| manifest::read("body", text).0)
        .unwrap_or_default();
    match documents.as_slice() {
        [one] => Ok(one.object.clone()),
        _ => Err(Failure::bad_request(format!("error decoding: {error}"))),
    }
}

/// `strict decoding error: unknown field "spec.foo"`
pub(super) fn strict(words: &[String]) -> String {
    format!("strict decoding error: {}", words.join(", "))
}

/// The object as the server would write it, and what it does not know. An error is a type that can't be read.
pub(super) fn conform(
    resource: &Resource,
    version: &Version,
    mut value: Value,
) -> Result<(Value, Vec<String>), String> {
    let mut conform = Conform {
        place: String::new(),
        unknown: Vec::new(),
    };
    match &resource.origin {
        Origin::Custom { .. } => {
            if let Some(schema) = &version.schema {
                conform.custom(schema.shape(), &mut value);
            }
        }
        Origin::BuiltIn | Origin::Virtual => {
            if let Some(name) = definition_of(&resource.group, &version.name, &resource.kind) {
                conform.named(name, &mut value)?;
            }
        }
    }
    Ok((value, conform.unknown))
}

struct Conform {
    /// `spec.containers[0].env`
    place: String,
    unknown: Vec<String>,
}

impl Conform {
    fn inside<T>(&mut self, step: &str, visit: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.place.len();
        if !self.place.is_empty() && !step.starts_with('[') {
            self.place.push('.');
        }
        self.place.push_str(step);
        let result = visit(self);
        self.place.truncate(length);
        result
    }

    fn tell_unknown(&mut self, field: &str) {
        let word = self.inside(field, |inside| format!("unknown field {:?}", inside.place));
        self.unknown.push(word);
    }

    /// Custom kinds are pruned; their types are for validation to judge.
    fn custom(&mut self, shape: Shape<'_>, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                let unknown: Vec<String> = fields
                    .keys()
                    .filter(|field| shape.field(field).is_none())
                    .cloned()
                    .collect();
                for field in unknown {
                    fields.remove(&field);
                    self.tell_unknown(&field);
                }
                for (field, value) in fields {
                    if let Some(below) = shape.field(field) {
                        self.inside(field, |inside| inside.custom(below, value));
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.inside(&format!("[{index}]"), |inside| inside.custom(shape.items(), item));
                }
            }
            _ => {}
        }
    }

    /// An object of a named schema of a built-in kind.
    fn named(&mut self, name: &str, value: &mut Value) -> Result<(), String> {
        let Some(schema) = definitions().get(name) else {
            return Ok(());
        };
        if name == QUANTITY {
            return self.quantity(value);
        }
        let Some(properties) = schema["properties"].as_object() else {
            return self.any(schema, short(name), value);
        };
        let Value::Object(fields) = value else {
            return Err(self.mistaken(value, "", &format!("v1.{}", short(name))));
        };
        self.fields(name, schema, properties, fields)
    }

    fn fields(
        &mut self,
        name: &str,
        schema: &Value,
        properties: &Map<String, Value>,
        fields: &mut Map<String, Value>,
    ) -> Result<(), String> {
        let unknown: Vec<String> = fields
            .keys()
            .filter(|field| !properties.contains_key(*field))
            .cloned()
            .collect();
        for field in unknown {
            fields.remove(&field);
            self.tell_unknown(&field);
        }
        // Null is absent, and so is what Go leaves out when it is empty.
        let required: Vec<&Value> = schema["required"].as_array().into_iter().flatten().collect();
        fields.retain(|field, value| match value {
            Value::Null => false,
            Value::Array(items) => !items.is_empty() || required.iter().any(|one| *one == field),
            Value::Object(inner) => !inner.is_empty() || reference(&properties[field]).is_some(),
            _ => true,
        });
        for (field, value) in fields {
            self.inside(field, |inside| {
                inside.property(&properties[field], short(name), value)
            })?;
        }
        Ok(())
    }

    fn property(&mut self, schema: &Value, of: &str, value: &mut Value) -> Result<(), String> {
        match reference(schema) {
            Some(name) => match definitions().get(name) {
                Some(inner) if inner["properties"].is_object() && !value.is_object() => {
                    Err(self.mistaken(value, of, &format!("v1.{}", short(name))))
                }
                _ => self.named(name, value),
            },
            None => self.any(schema, of, value),
        }
    }

    /// A value that is no object of a named schema.
    fn any(&mut self, schema: &Value, of: &str, value: &mut Value) -> Result<(), String> {
        let expected = match (schema["type"].as_str(), &*value) {
            _ if schema["format"] == "int-or-string" => return self.int_or_string(of, value),
            (Some("string"), Value::String(_))
            | (Some("boolean"), Value::Bool(_))
            | (Some("number"), Value::Number(_))
            | (None, _)
            | (_, Value::Null) => return Ok(()),
            (Some("integer"), Value::Number(number)) if number.is_i64() => return Ok(()),
            (Some("array"), Value::Array(_)) => return self.items(schema, of, value),
            (Some("object"), Value::Object(_)) => return self.map(schema, of, value),
            (Some("integer"), _) if schema["format"] == "int32" => "int32",
            (Some("integer"), _) => "int64",
            (Some("boolean"), _) => "bool",
            (Some("number"), _) => "float64",
            (Some("array"), _) => match reference(&schema["items"]) {
                Some(name) => return Err(self.mistaken(value, of, &format!("[]v1.{}", short(name)))),
                None => "[]string",
            },
            (Some("object"), _) => "map[string]string",
            (Some(other), _) => other,
        };
        Err(self.mistaken(value, of, expected))
    }

    fn items(&mut self, schema: &Value, of: &str, value: &mut Value) -> Result<(), String> {
        let items = value.as_array_mut().into_iter().flatten();
        items.enumerate().try_for_each(|(index, item)| {
            self.inside(&format!("[{index}]"), |inside| {
                inside.property(&schema["items"], of, item)
            })
        })
    }

    fn map(&mut self, schema: &Value, of: &str, value: &mut Value) -> Result<(), String> {
        let Some(inner) = schema.get("additionalProperties") else {
            return Ok(());
        };
        let fields = value.as_object_mut().into_iter().flatten();
        // Go's path ends at a map of plain values.
        let is_plain = reference(inner).is_none();
        for (name, field) in fields {
            if is_plain {
                self.property(inner, of, field)?;
            } else {
                self.inside(name, |inside| inside.property(inner, of, field))?;
            }
        }
        Ok(())
    }

    fn int_or_string(&self, of: &str, value: &Value) -> Result<(), String> {
        match value {
            Value::Number(_) | Value::String(_) | Value::Null => Ok(()),
            _ => Err(self.mistaken(value, of, "intstr.IntOrString")),
        }
    }

    /// Quantities are written anew, as the server does: `0.5` is `500m`.
    fn quantity(&self, value: &mut Value) -> Result<(), String> {
        let text = match &*value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null => return Ok(()),
            _ => return Err(self.mistaken(value, "", "resource.Quantity")),
        };
        let amount: Amount = text.parse().map_err(|_| {
            "quantities must match the regular expression \
             '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                .to_owned()
        })?;
        *value = amount.to_string().into();
        Ok(())
    }

    /// As Go's decoder says it.
    fn mistaken(&self, value: &Value, of: &str, expected: &str) -> String {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        // Go's path does not count items.
        let mut place = String::new();
        let mut is_index = false;
        for letter in self.place.chars() {
            match letter {
                '[' => is_index = true,
                ']' => is_index = false,
                letter if !is_index => place.push(letter),
                _ => {}
            }
        }
        format!("json: cannot unmarshal {found} into Go struct field {of}.{place} of type {expected}")
    }
}

fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
