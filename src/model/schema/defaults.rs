//! The defaults that the API server fills in before validation rules run.

use serde_json::Value;

use super::SchemaRef;
use super::node::{Additional, Id};

/// A copy of the value with the schema's defaults in absent fields, as the API server has it before it runs
/// validation rules. Only schemas of CRDs carry them.
pub(super) fn with_defaults(schema: &SchemaRef, value: &Value) -> Value {
    let mut value = value.clone();
    fill(schema, schema.id, &mut value);
    value
}

pub(super) fn fill(schema: &SchemaRef, id: Id, value: &mut Value) {
    let node = schema.node(id);
    match value {
        Value::Object(fields) => {
            for (name, of) in &node.properties {
                let property = schema.node(*of);
                let default = property
                    .limits
                    .as_ref()
                    .and_then(|limits| limits.default.as_ref());
                if let Some(default) = default
                    && fields
                        .get(&**name)
                        .is_none_or(|field| field.is_null() && !property.nullable)
                {
                    fields.insert(name.to_string(), default.clone());
                }
            }
            for (name, field) in fields {
                let of = node.property(name).or(match node.additional {
                    Additional::Of(of) => Some(of),
                    _ => None,
                });
                if let Some(of) = of {
                    fill(schema, of, field);
                }
            }
        }
        Value::Array(items) => {
            if let Some(of) = node.items {
                for item in items {
                    fill(schema, of, item);
                }
            }
        }
        _ => {}
    }
}
