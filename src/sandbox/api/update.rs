//! Changed objects.

use std::sync::Arc;

use serde_json::Value;

use super::create::wipe_system_fields;
use super::seam::{self, Change};
use super::{Patch, Server, Target, Written, admission, allocate, delete, scale};
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::kinds::{Origin, Version};
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::Expect;
use crate::sandbox::write::Writer;

/// How often an actor's change meets another's before it gives up.
const RETRIES: usize = 5;

/// Kinds that a PUT makes when they are not there.
const MADE_BY_REPLACE: [(&str, &str); 10] = [
    ("", "endpoints"),
    ("", "events"),
    ("events.k8s.io", "events"),
    ("", "limitranges"),
    ("", "services"),
    ("coordination.k8s.io", "leases"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
];

/// Groups and kinds that are only changed with a resourceVersion, besides all custom ones.
const CONDITIONAL: [(&str, &str); 5] = [
    ("admissionregistration.k8s.io", ""),
    ("apiextensions.k8s.io", ""),
    ("apiregistration.k8s.io", ""),
    ("coordination.k8s.io", ""),
    ("policy", "poddisruptionbudgets"),
];

impl Server {
    /// Puts another object in the place of one, or of its status or scale.
    pub(crate) fn replace(&self, writer: &Writer, target: &Target, body: Value) -> Result<Written, Failure> {
        let _alone = self.write_alone();
        if &*target.subresource == "scale" {
            return scale::replace(self, writer, target, &body);
        }
        let version = target.version_served()?;
        target.check_kind(&body)?;
        let (mut object, warnings) = seam::decode(&target.resource, version, body, writer.validation)?;
        check_name(target, &object)?;
        target.check_namespace(&mut object)?;
        seam::default_fields(&target.resource, version, &mut object);
        let old = self.kept(target);
        let made = match old {
            None if is_made_by_replace(target) => {
                wipe_system_fields(&mut object);
                object::metadata_mut(&mut object).remove("resourceVersion");
                seam::managed(&target.resource, version, writer, None, &mut object);
                (self.make(writer, target, version, object)?, true)
            }
            None => return Err(target.not_found()),
            Some(old) => {
                check_uid(target, &old, &object)?;
                let old = target.shown(old);
                seam::managed(&target.resource, version, writer, Some(&old), &mut object);
                (self.change(writer, target, version, &old, object)?, false)
            }
        };
        Ok(Written {
            object: made.0,
            created: made.1,
            warnings,
        })
    }

    /// Changes some fields of an object, of its status or of its scale; an apply makes what is not there.
    pub(crate) fn patch(&self, writer: &Writer, target: &Target, patch: &Patch) -> Result<Written, Failure> {
        let _alone = self.write_alone();
        if &*target.subresource == "scale" {
            return scale::patch(self, writer, target, patch);
        }
        let version = target.version_served()?;
        let old = self.kept(target).ok_or_else(|| target.not_found())?;
        let old = target.shown(old);
        let patched = match patch {
            Patch::Json(patch) => seam::json_patch(&old, patch)?,
            Patch::Merge(patch) => seam::merge_patch(&old, patch)?,
            Patch::Strategic(_) | Patch::Apply { .. } => return Err(Failure::method_not_supported(target)),
        };
        let (mut object, warnings) = seam::decode(&target.resource, version, patched, writer.validation)?;
        seam::default_fields(&target.resource, version, &mut object);
        seam::managed(&target.resource, version, writer, Some(&old), &mut object);
        Ok(Written {
            object: self.change(writer, target, version, &old, object)?,
            created: false,
            warnings,
        })
    }

    /// Reads, changes and replaces an object until nobody was faster. The change answers None when there is nothing
    /// to do; the object as it is then is returned.
    pub(crate) fn update_with(
        &self,
        writer: &Writer,
        target: &Target,
        mut change: impl FnMut(&Value) -> Option<Value>,
    ) -> Result<Object, Failure> {
        let mut tries = 0;
        loop {
            let old = self.get(target)?;
            let Some(mut new) = change(&old) else {
                return Ok(old);
            };
            let revision = old["metadata"]["resourceVersion"].clone();
            object::metadata_mut(&mut new).insert("resourceVersion".to_owned(), revision);
            match self.replace(writer, target, new) {
                Err(failure) if failure.reason == "Conflict" && tries < RETRIES => tries += 1,
                written => return written.map(|written| written.object),
            }
        }
    }

    /// From an old object and a decoded, defaulted and owned new one to the stored one.
    pub(super) fn change(
        &self,
        writer: &Writer,
        target: &Target,
        version: &Version,
        old: &Object,
        mut new: Value,
    ) -> Result<Object, Failure> {
        let resource = &target.resource;
        check_revision(target, old, &mut new)?;
        seam::prepare_update(resource, version, old, &mut new, &target.subresource);
        keep_system_fields(old, &mut new);
        allocate::on_update(self, target, old, &mut new)?;
        let causes = seam::validate(&Change {
            resource,
            version,
            old: Some(old),
            new: &new,
            subresource: &target.subresource,
        });
        if !causes.is_empty() {
            return Err(Failure::invalid(&resource.group, &resource.kind, &target.name, causes));
        }
        admission::judge(self, writer, target, Some(old), &new)?;
        if is_same(old, &new) {
            return Ok(old.clone());
        }
        self.finish(writer, target, old, new)
    }

    /// Stores a new state, or lets the object go when that was all that held it.
    pub(super) fn finish(
        &self,
        writer: &Writer,
        target: &Target,
        old: &Object,
        new: Value,
    ) -> Result<Object, Failure> {
        let key = target.key();
        let revision = object::revision(old);
        let ends = delete::ends_with(old, &new);
        if writer.dry_run {
            return Ok(Arc::new(new));
        }
        if ends {
            let gone = self.store().remove(&key, revision);
            gone.map_err(|_| target.not_found())?;
            return Ok(Arc::new(new));
        }
        let kept = self.put(&key, Expect::At(revision), target.to_kept(new), target)?;
        Ok(target.shown(kept))
    }
}

fn check_name(target: &Target, object: &Value) -> Result<(), Failure> {
    match object::name(object) {
        "" => Err(Failure::bad_request("name must be provided")),
        name if *name != *target.name => Err(Failure::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        ))),
        _ => Ok(()),
    }
}

/// A uid in the body is a precondition.
fn check_uid(target: &Target, old: &Value, new: &Value) -> Result<(), Failure> {
    let (wanted, found) = (object::uid(new), object::uid(old));
    if wanted.is_empty() || wanted == found {
        return Ok(());
    }
    let place = match &target.namespace {
        Some(namespace) => format!("{namespace}/{}", target.name),
        None => target.name.to_string(),
    };
    Err(target.conflict(&format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{}/{place}, ResourceVersion: 0, \
         AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}",
        target.resource.plural
    )))
}

/// A resourceVersion in the body must be the object's; some kinds demand one.
fn check_revision(target: &Target, old: &Value, new: &mut Value) -> Result<(), Failure> {
    let resource = &target.resource;
    match object::revision(new) {
        0 if needs_revision(target) => {
            let cause = Cause {
                reason: "FieldValueInvalid",
                message: "Invalid value: 0: must be specified for an update".to_owned(),
                field: "metadata.resourceVersion".to_owned(),
            };
            Err(Failure::invalid(&resource.group, &resource.plural, &target.name, vec![cause]))
        }
        0 => {
            let revision = old["metadata"]["resourceVersion"].clone();
            object::metadata_mut(new).insert("resourceVersion".to_owned(), revision);
            Ok(())
        }
        revision if revision == object::revision(old) => Ok(()),
        _ => Err(Failure::modified(&resource.group, &resource.plural, &target.name)),
    }
}

fn is_made_by_replace(target: &Target) -> bool {
    target.subresource.is_empty() && MADE_BY_REPLACE.iter().any(|(group, plural)| target.is(group, plural))
}

fn needs_revision(target: &Target) -> bool {
    let resource = &target.resource;
    matches!(resource.origin, Origin::Custom { .. })
        || CONDITIONAL
            .iter()
            .any(|(group, plural)| *resource.group == **group && (plural.is_empty() || *resource.plural == **plural))
}

/// What an update can't say.
fn keep_system_fields(old: &Value, new: &mut Value) {
    let metadata = object::metadata_mut(new);
    for field in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let kept = &old["metadata"][field];
        let may_differ = field == "uid" && metadata.contains_key(field);
        if !kept.is_null() && !may_differ {
            metadata.insert(field.to_owned(), kept.clone());
        }
    }
}

/// Nothing changed but the times of managedFields: there is nothing to write.
fn is_same(old: &Value, new: &Value) -> bool {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return old == new;
    };
    before.len() == after.len()
        && before.iter().all(|(field, value)| match after.get(field) {
            Some(other) if field == "metadata" => is_same_metadata(value, other),
            other => other == Some(value),
        })
}

fn is_same_metadata(old: &Value, new: &Value) -> bool {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return old == new;
    };
    before.len() == after.len()
        && before.iter().all(|(field, value)| match after.get(field) {
            Some(other) if field == "managedFields" => are_same_entries(value, other),
            other => other == Some(value),
        })
}

fn are_same_entries(old: &Value, new: &Value) -> bool {
    let (Value::Array(before), Value::Array(after)) = (old, new) else {
        return old == new;
    };
    let fields = ["manager", "operation", "apiVersion", "subresource", "fieldsV1"];
    before.len() == after.len()
        && before
            .iter()
            .zip(after)
            .all(|(one, other)| fields.iter().all(|field| one[field] == other[field]))
}
