//! The intent.

use std::sync::Arc;

use serde_json::{Value, json};

use super::overrides::{OverrideError, change};
use super::strip::strip;
use crate::decide::policy::Override;
use crate::model::api::ScaleRange;
use crate::model::fleet::Member;
use crate::model::hash::Hash;
use crate::model::kind;
use crate::model::mark;
use crate::model::name::{ClusterName, GroupKind, GroupVersionKind, ObjectKey, ObjectName};
use crate::model::template::Template;

/// Why there is no intent for a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The member does not serve the kind. With an incomplete discovery it may serve it all the same.
    #[error("failed to render for cluster {cluster}: it does not serve {kind}{}", if *.certain { "" } else { ", as far as its incomplete discovery tells" })]
    KindUnknown {
        /// The member.
        cluster: ClusterName,
        /// The kind.
        kind: GroupKind,
        /// Whether every API group of the member answered.
        certain: bool,
    },
    /// The template's body is not an object.
    #[error("failed to render {key}: its body is not an object")]
    Body {
        /// The template.
        key: ObjectKey,
    },
    /// An override can't be made.
    #[error(transparent)]
    Override(#[from] OverrideError),
}

/// What an intent is made for.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The hub's id.
    pub hub: &'a str,
    /// Name of the binding.
    pub binding: &'a ObjectName,
    /// The template, where that is a Bundle which carries the object.
    pub template: Option<&'a ObjectKey>,
    /// The tenant's name, or `hanse-admin`.
    pub tenant: &'a str,
    /// The member.
    pub member: &'a Member,
    /// Who says how many replicas.
    pub replicas: Replicas,
    /// Of an autoscaler: its part of the range that the template says, if the workload is divided.
    pub scale: Option<ScaleRange>,
    /// What is different in the member, in order: [`Overrides::of_template`](crate::decide::policy::Overrides::of_template).
    pub overrides: &'a [Arc<Override>],
}

/// Who says how many replicas (PROTOCOL §3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// The template: its live number.
    Template,
    /// The plan.
    Exactly(i64),
    /// An autoscaler: the field is left out. Only for objects that are already there, after the live number
    /// was handed over to the second manager.
    Autoscaler,
}

/// The exact object that the hub wants one member to have.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// Which object it is.
    pub key: ObjectKey,
    /// Its kind at a version the member serves.
    pub gvk: GroupVersionKind,
    /// The object, with all marks.
    pub body: Arc<Value>,
    /// Hash of the body without the annotation that holds this hash.
    pub hash: Hash,
}

impl Intent {
    /// Makes an intent of a body: writes its hash into it. What stood in the annotation before does not count.
    pub(super) fn seal(key: ObjectKey, gvk: GroupVersionKind, mut body: Value) -> Self {
        if let Some(Value::Object(annotations)) = body.pointer_mut("/metadata/annotations") {
            annotations.remove(mark::INTENT);
        }
        let hash = Hash::of(&body);
        put(&mut body, "annotations", mark::INTENT, hash.to_string());
        Self {
            key,
            gvk,
            body: Arc::new(body),
            hash,
        }
    }
}

/// What the member shall hold of the template.
pub fn render(template: &Template, context: &Context<'_>) -> Result<Intent, Error> {
    let kind = template.key.group_kind();
    let member = context.member;
    let served = member.apis.kind(&kind);
    let version = served
        .and_then(|served| served.version_or_preferred(&template.gvk.version))
        .ok_or_else(|| Error::KindUnknown {
            cluster: member.name.clone(),
            kind: kind.clone(),
            certain: member.apis.complete,
        })?;
    let gvk = kind.at(version);
    let mut body = template.value();
    if !body.is_object() {
        let key = template.key.clone();
        return Err(Error::Body { key });
    }
    strip(&kind, &mut body);
    body["apiVersion"] = gvk.api_version().into();
    if let Some(range) = context.scale {
        // Before overrides: what one says of a member was meant for that member.
        kind::put_scale_range(&kind, &mut body, range);
    }
    change(context.overrides, template, member, &mut body)?;
    set_replicas(template, context.replicas, &mut body);
    let mut key = template.key.clone();
    if served.is_some_and(|served| !served.namespaced) {
        // Everything in a Bundle is read as if it had a namespace.
        key.namespace = None;
        if let Some(Value::Object(metadata)) = body.get_mut("metadata") {
            metadata.remove("namespace");
        }
    }
    stamp(&key, context, &mut body);
    Ok(Intent::seal(key, gvk, body))
}

fn set_replicas(template: &Template, replicas: Replicas, body: &mut Value) {
    let Some(pointer) = template.replicas_at.as_deref() else {
        return;
    };
    let number = match replicas {
        Replicas::Template => template.replicas,
        Replicas::Exactly(number) => Some(number),
        Replicas::Autoscaler => None,
    };
    match number {
        Some(number) => _ = kind::put_number(body, pointer, number),
        None => _ = kind::take(body, pointer),
    }
}

fn stamp(key: &ObjectKey, context: &Context<'_>, body: &mut Value) {
    let object = key.annotation();
    put(body, "labels", mark::MANAGED_BY, mark::HANSE);
    put(body, "labels", mark::TENANT, context.tenant);
    put(body, "labels", mark::BINDING, context.binding.as_str());
    put(body, "annotations", mark::HUB, context.hub);
    put(
        body,
        "annotations",
        mark::TEMPLATE,
        context
            .template
            .map_or_else(|| object.clone(), ObjectKey::annotation),
    );
    put(body, "annotations", mark::OBJECT, object);
}

/// Sets one label or annotation, also where there was none.
fn put(body: &mut Value, field: &str, key: &str, value: impl Into<String>) {
    let Some(Value::Object(metadata)) = body.get_mut("metadata") else {
        return;
    };
    let marks = metadata.entry(field).or_insert_with(|| json!({}));
    if !marks.is_object() {
        *marks = json!({});
    }
    marks[key] = Value::String(value.into());
}

#[cfg(test)]
mod tests;
