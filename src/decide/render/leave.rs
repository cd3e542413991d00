//! Leaving fields to members: what an autoscaler sets, and what a policy ignores (PROTOCOL §3.6).

use super::Intent;
use crate::model::api::IgnoreFields;
use crate::model::mark;
use crate::model::name::GroupKind;
use crate::model::schema::{Inseparable, Pointer, SchemaRef};

/// Why a field cannot be left to members.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLeft {
    /// Server-side apply cannot own it apart from what is around it.
    #[error("failed to leave a field to the member: {0}")]
    Inseparable(#[from] Inseparable),
    /// It says which object it is, or that it is the hub's.
    #[error("failed to leave a field to the member: {pointer} is the hub's own")]
    Own {
        /// The field.
        pointer: Pointer,
    },
    /// It is no JSON pointer.
    #[error("failed to leave a field to the member: {text:?} is no JSON pointer")]
    Pointer {
        /// As it was written.
        text: String,
    },
}

/// The fields of a kind that members own: those that the policy ignores, and `replicas`, the place of their number, where
/// an autoscaler says it.
pub fn left_to_members(
    kind: &GroupKind,
    ignored: &[IgnoreFields],
    replicas: Option<&str>,
) -> Result<Vec<Pointer>, NotLeft> {
    let ignored = ignored
        .iter()
        .filter(|fields| *fields.kind == *kind.kind)
        .flat_map(|fields| fields.pointers.iter().map(String::as_str));
    let mut pointers = ignored
        .chain(replicas)
        .map(|text| {
            let pointer = Pointer::parse(text).ok_or_else(|| NotLeft::Pointer {
                text: text.to_owned(),
            })?;
            if is_own(&pointer) {
                return Err(NotLeft::Own { pointer });
            }
            Ok(pointer)
        })
        .collect::<Result<Vec<_>, _>>()?;
    pointers.sort();
    pointers.dedup();
    Ok(pointers)
}

/// The intent without the fields that are left to members. With a schema, a field that can't be left alone is refused.
/// `whole` is what the first create writes.
pub fn leave(whole: &Intent, left: &[Pointer], schema: Option<&SchemaRef>) -> Result<Intent, NotLeft> {
    if left.is_empty() {
        return Ok(whole.clone());
    }
    let mut body = (*whole.body).clone();
    for pointer in left {
        if let Some(schema) = schema {
            pointer.check(schema.shape(), &whole.body)?;
        }
        pointer.remove(&mut body);
    }
    Ok(Intent::seal(whole.key.clone(), whole.gvk.clone(), body))
}

fn is_own(pointer: &Pointer) -> bool {
    let tokens: Vec<&str> = pointer.tokens().iter().map(String::as_str).collect();
    match tokens[..] {
        ["metadata", "labels" | "annotations", key, ..] => key.starts_with(mark::PREFIX),
        ["apiVersion" | "kind" | "status" | "metadata", ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::name::{GroupVersionKind, ObjectKey};

    fn intent(body: &Value) -> Intent {
        let gvk = GroupVersionKind::from_api_version("apps/v1", "Deployment").unwrap();
        let key = ObjectKey::parse(&gvk.group_kind(), "shop", "web").unwrap();
        Intent::seal(key, gvk, body.clone())
    }

    fn ignoring(pointers: &[&str]) -> Vec<IgnoreFields> {
        vec![
            IgnoreFields {
                kind: "Deployment".to_owned(),
                pointers: pointers.iter().map(|text| (*text).to_owned()).collect(),
            },
            IgnoreFields {
                kind: "Service".to_owned(),
                pointers: vec!["/spec/type".to_owned()],
            },
        ]
    }

    fn left(pointers: &[&str], replicas: Option<&str>) -> Result<Vec<String>, NotLeft> {
        let found = left_to_members(
            &GroupKind::new("apps", "Deployment"),
            &ignoring(pointers),
            replicas,
        )?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_autoscalers_replicas_are_left_like_what_the_policy_ignores() {
        assert_eq!(left(&["/spec/paused"], None).unwrap(), ["/spec/paused"]);
        assert_eq!(
            left(&["/spec/replicas", "/spec/paused"], Some("/spec/replicas")).unwrap(),
            ["/spec/paused", "/spec/replicas"]
        );
        assert_eq!(
            left_to_members(&GroupKind::new("", "ConfigMap"), &ignoring(&["/x"]), None).unwrap(),
            []
        );
    }

    #[rstest]
    #[case("/kind")]
    #[case("/metadata/name")]
    #[case("/metadata/labels")]
    #[case("/metadata/annotations/hanse.dev~1hub")]
    #[case("/status/replicas")]
    #[case("spec")]
    fn what_the_hub_knows_an_object_by_is_never_left(#[case] pointer: &str) {
        assert!(left(&[pointer], None).is_err());
    }

    #[test]
    fn what_is_left_is_not_in_the_intent_and_moves_its_hash() {
        let whole = intent(&json!({
            "metadata": {"name": "web", "annotations": {"team": "blue"}},
            "spec": {"replicas": 3, "paused": true},
        }));
        let pointers = left_to_members(
            &GroupKind::new("apps", "Deployment"),
            &ignoring(&["/metadata/annotations/team"]),
            Some("/spec/replicas"),
        )
        .unwrap();
        let intent = leave(&whole, &pointers, None).unwrap();
        assert_eq!(intent.body["spec"], json!({"paused": true}));
        let annotations = intent.body["metadata"]["annotations"].as_object().unwrap();
        assert_eq!(annotations.keys().collect::<Vec<_>>(), ["hanse.dev/intent"]);
        assert_ne!(intent.hash, whole.hash);
        assert_eq!(leave(&whole, &[], None).unwrap(), whole);
    }
}
