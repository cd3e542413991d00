//! Values between JSON and CEL. Integers become signed: through serde they would be unsigned, and then
//! `object.spec.replicas == 3` is silently false.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::Value as CelValue;
use kube_cel::cel::objects::{Key, Map};
use serde_json::{Number, Value};

use super::Error;

/// A JSON value for CEL. With `skip_null` fields that are null are left out.
pub(super) fn to_cel(value: &Value, skip_null: bool) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(value) => CelValue::Bool(*value),
        Value::Number(number) => number_to_cel(number),
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(items) => CelValue::List(Arc::new(
            items.iter().map(|item| to_cel(item, skip_null)).collect(),
        )),
        Value::Object(fields) => {
            let fields: HashMap<Key, CelValue> = fields
                .iter()
                .filter(|(_, field)| !(skip_null && field.is_null()))
                .map(|(name, field)| (Key::String(Arc::new(name.clone())), to_cel(field, skip_null)))
                .collect();
            CelValue::Map(Map {
                map: Arc::new(fields),
            })
        }
    }
}

fn number_to_cel(number: &Number) -> CelValue {
    if let Some(value) = number.as_i64() {
        CelValue::Int(value)
    } else if let Some(value) = number.as_u64() {
        CelValue::UInt(value)
    } else {
        CelValue::Float(number.as_f64().unwrap_or(f64::NAN))
    }
}

/// A result as JSON. Durations, timestamps and quantities have no JSON form and are an error.
pub(super) fn from_cel(value: &CelValue) -> Result<Value, Error> {
    Ok(match value {
        CelValue::Null => Value::Null,
        CelValue::Bool(value) => Value::Bool(*value),
        CelValue::Int(value) => (*value).into(),
        CelValue::UInt(value) => (*value).into(),
        CelValue::Float(value) => Number::from_f64(*value)
            .map(Value::Number)
            .ok_or_else(|| no_json(value))?,
        CelValue::String(text) => Value::String(text.to_string()),
        CelValue::List(items) => Value::Array(items.iter().map(from_cel).collect::<Result<_, _>>()?),
        CelValue::Map(map) => {
            let field = |(key, value): (&Key, &CelValue)| Ok((key.to_string(), from_cel(value)?));
            Value::Object(map.map.iter().map(field).collect::<Result<_, Error>>()?)
        }
        other => return Err(no_json(kind_of(other))),
    })
}

fn no_json(what: impl std::fmt::Display) -> Error {
    Error::Evaluate {
        message: format!("the result {what} has no counterpart in JSON"),
    }
}

pub(super) fn kind_of(value: &CelValue) -> &'static str {
    match value {
        CelValue::Null => "null",
        CelValue::Bool(_) => "boolean",
        CelValue::Int(_) | CelValue::UInt(_) | CelValue::Float(_) => "number",
        CelValue::String(_) => "string",
        CelValue::List(_) => "list",
        CelValue::Map(_) => "map",
        CelValue::Bytes(_) => "bytes value",
        _ => "value of another type",
    }
}
