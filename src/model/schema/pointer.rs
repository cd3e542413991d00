//! Places that people name in objects: JSON pointers in which `key=value` names an item of a list.

use std::fmt;

use serde_json::Value;

use super::fields::keys_of;
use super::{FieldSet, Merge, Shape, Step};

/// A JSON pointer (RFC 6901). Below a list that knows its items by keys, a token `name=app` is the item with that key:
/// places in lists move, keys don't.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(Vec<String>);

/// Why a place cannot be told apart from what is around it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inseparable {
    /// Without it no object of the kind is whole.
    #[error("{pointer} is required")]
    Required {
        /// The place.
        pointer: Pointer,
    },
    /// A map or list above it is one value to server-side apply.
    #[error("{pointer} lies in {whole}, which is only applied as a whole")]
    Whole {
        /// The place.
        pointer: Pointer,
        /// The map or list.
        whole: Pointer,
    },
    /// An item of a list is named by where it stands.
    #[error("{pointer} names an item of a list by its position; name it by its key, as in {list}/{key}=…")]
    Position {
        /// The place.
        pointer: Pointer,
        /// The list.
        list: Pointer,
        /// By what the list knows its items.
        key: String,
    },
    /// The kind has no such field.
    #[error("{pointer} is no field of the kind")]
    Unknown {
        /// The place.
        pointer: Pointer,
    },
}

impl Pointer {
    /// Reads a pointer; `None` if it does not begin with a slash or names the whole object.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let tokens: Vec<String> = rest
            .split('/')
            .map(|token| token.replace("~1", "/").replace("~0", "~"))
            .collect();
        (!rest.is_empty()).then_some(Self(tokens))
    }

    /// Its tokens, unescaped.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.0
    }

    /// What stands there.
    #[must_use]
    pub fn find<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(object, |at, token| match at {
            Value::Object(fields) => fields.get(token),
            Value::Array(items) => items.iter().find(|item| is_named(item, token)),
            _ => None,
        })
    }

    /// Removes what stands there, and maps and lists that hold nothing else. Whether anything did.
    pub fn remove(&self, object: &mut Value) -> bool {
        remove(object, &self.0)
    }

    /// What a set owns at this place and below it.
    #[must_use]
    pub fn within(&self, set: &FieldSet) -> FieldSet {
        within(set, &self.0)
    }

    /// Whether server-side apply can own the place apart from what is around it, in an object of this shape. Where the
    /// object has nothing there is nothing to tell apart.
    pub fn check(&self, shape: Shape<'_>, object: &Value) -> Result<(), Inseparable> {
        let (mut shape, mut at) = (shape, object);
        for (depth, token) in self.0.iter().enumerate() {
            let here = || Self(self.0[..depth].to_vec());
            let pointer = || self.clone();
            let next = match shape.merge(at) {
                Merge::Fields => {
                    if depth + 1 == self.0.len() && shape.requires(token) {
                        return Err(Inseparable::Required { pointer: pointer() });
                    }
                    shape = shape
                        .field(token)
                        .ok_or_else(|| Inseparable::Unknown { pointer: pointer() })?;
                    at.get(token)
                }
                Merge::Keyed(keys) => {
                    let named = token.split_once('=').map(|(key, _)| key);
                    if !keys.iter().any(|key| named == Some(key)) {
                        return Err(Inseparable::Position {
                            pointer: pointer(),
                            list: here(),
                            key: keys.first().map_or_else(String::new, ToString::to_string),
                        });
                    }
                    shape = shape.items();
                    at.as_array()
                        .and_then(|items| items.iter().find(|item| is_named(item, token)))
                }
                Merge::Set | Merge::Leaf => {
                    return Err(Inseparable::Whole {
                        pointer: pointer(),
                        whole: here(),
                    });
                }
            };
            match next {
                Some(next) => at = next,
                None => return Ok(()),
            }
        }
        Ok(())
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

/// Whether a token `key=value` means this item of a list.
fn is_named(item: &Value, token: &str) -> bool {
    token
        .split_once('=')
        .is_some_and(|(key, value)| item.get(key).is_some_and(|found| is_text(found, value)))
}

fn is_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found == text,
        Value::Number(number) => text
            .parse()
            .is_ok_and(|found: i64| number.as_i64() == Some(found)),
        _ => false,
    }
}

fn remove(object: &mut Value, tokens: &[String]) -> bool {
    let Some((token, rest)) = tokens.split_first() else {
        return false;
    };
    match object {
        Value::Object(fields) if rest.is_empty() => fields.remove(token).is_some(),
        Value::Object(fields) => {
            let Some(below) = fields.get_mut(token) else {
                return false;
            };
            let removed = remove(below, rest);
            if removed && is_empty(below) {
                fields.remove(token);
            }
            removed
        }
        Value::Array(items) => {
            let Some(index) = items.iter().position(|item| is_named(item, token)) else {
                return false;
            };
            if rest.is_empty() {
                items.remove(index);
                return true;
            }
            remove(&mut items[index], rest)
        }
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn within(set: &FieldSet, tokens: &[String]) -> FieldSet {
    let Some((token, rest)) = tokens.split_first() else {
        return set.clone();
    };
    let mut found = FieldSet::default();
    for (step, below) in &set.below {
        let meant = match step {
            Step::Field(name) => name == token,
            Step::Key(keys) => token.split_once('=').is_some_and(|(key, value)| {
                let keys = keys_of(keys);
                keys.is_some_and(|keys| keys.get(key).is_some_and(|found| is_text(found, value)))
            }),
            Step::Value(_) | Step::Index(_) => false,
        };
        if meant {
            found.put(step.clone(), within(below, rest));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::model::schema::builtin;

    fn pointer(text: &str) -> Pointer {
        Pointer::parse(text).unwrap()
    }

    fn deployment() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "annotations": {"a/b": "1"}},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {
                "containers": [
                    {"name": "app", "image": "a:1", "args": ["x"], "env": [{"name": "A", "value": "1"}]},
                    {"name": "side", "image": "b:1"},
                ],
            }}},
        })
    }

    #[rstest]
    #[case::a_field("/spec/replicas", "/spec/replicas")]
    #[case::the_last_of_a_map("/metadata/annotations/a~1b", "/metadata/annotations")]
    #[case::by_key(
        "/spec/template/spec/containers/name=side",
        "/spec/template/spec/containers/1"
    )]
    #[case::below_a_key(
        "/spec/template/spec/containers/name=app/env",
        "/spec/template/spec/containers/0/env"
    )]
    #[case::the_last_item(
        "/spec/template/spec/containers/name=app/env/name=A",
        "/spec/template/spec/containers/0/env"
    )]
    fn a_place_is_removed_with_what_it_leaves_empty(#[case] text: &str, #[case] gone: &str) {
        let mut object = deployment();
        assert!(pointer(text).find(&object).is_some());
        assert!(pointer(text).remove(&mut object));
        assert_eq!(object.pointer(gone), None, "{object}");
        assert!(!pointer(text).remove(&mut object));
        assert_eq!(pointer(text).to_string(), text);
    }

    #[rstest]
    #[case::plain("/spec/replicas", "")]
    #[case::a_map("/metadata/annotations/a~1b", "")]
    #[case::an_item("/spec/template/spec/containers/name=app/image", "")]
    #[case::absent("/spec/template/spec/nodeName", "")]
    #[case::required("/spec/template", "is required")]
    #[case::by_position(
        "/spec/template/spec/containers/0/image",
        "/spec/template/spec/containers/name=…"
    )]
    #[case::in_a_list_without_keys(
        "/spec/template/spec/containers/name=app/args/0",
        "args, which is only applied as a whole"
    )]
    #[case::in_an_atomic_map(
        "/spec/selector/matchLabels",
        "/spec/selector, which is only applied as a whole"
    )]
    #[case::unknown("/spec/colour", "no field of the kind")]
    fn a_place_must_be_separable_for_server_side_apply(#[case] text: &str, #[case] words: &str) {
        let schema = builtin().schemas.kind("apps", "v1", "Deployment").unwrap();
        let found = pointer(text).check(schema.shape(), &deployment());
        match found {
            Ok(()) => assert_eq!(words, ""),
            Err(error) => {
                let error = error.to_string();
                assert!(!words.is_empty() && error.contains(words), "{error}");
            }
        }
    }

    #[test]
    fn what_a_set_owns_within_a_place_is_found_by_key() {
        let set = FieldSet::from_fields_v1(
            &json!({"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
                "k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:name": {}},
            }}}}}),
        );
        let image = pointer("/spec/template/spec/containers/name=app/image").within(&set);
        assert_eq!(
            image.to_fields_v1(),
            json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {"f:image": {}}}}}}})
        );
        assert!(pointer("/spec/paused").within(&set).is_empty());
        assert!(
            set.difference(&image)
                .contains_pointer(&deployment(), "/spec/template/spec/containers/0/name")
        );
        assert!(
            !set.difference(&image)
                .contains_pointer(&deployment(), "/spec/template/spec/containers/0/image")
        );
    }

    #[rstest]
    #[case("")]
    #[case("/")]
    #[case("spec/replicas")]
    fn what_names_no_place_is_no_pointer(#[case] text: &str) {
        assert_eq!(Pointer::parse(text), None);
    }
}
