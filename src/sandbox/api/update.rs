//! Changed objects.

use std::sync::Arc;

use serde_json::Value;

use super::{Server, Target, Written, admit, allocate, delete, namespaces, payload, scale};
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::kinds::{Origin, Version};
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::Expect;
use crate::sandbox::write::{
    Patch, Writer, apply, decode_patched, default_fields, drop_servers_own, managed_fields, patch as patched,
    prepare_update,
};

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
    pub(crate) fn replace(
        &self,
        writer: &Writer,
        target: &Target,
        mut body: Value,
    ) -> Result<Written, Failure> {
        let _alone = self.write_alone();
        match &*target.subresource {
            "scale" => return scale::replace(self, writer, target, &body),
            "finalize" => return namespaces::finalize(self, writer, target, &body),
            _ => {}
        }
        let version = target.version_served()?;
        let old = self.kept(target).map(|old| target.shown(old));
        let unchanged = take_unchanged(target, old.as_deref(), &mut body);
        let (mut object, warnings) = payload::as_object(body, target, version, writer.validation)?;
        check_name(target, &object)?;
        target.check_namespace(&mut object)?;
        default_fields(&target.resource, version, &mut object);
        if let Value::Object(fields) = &mut object {
            fields.extend(unchanged);
        }
        let made = match old {
            None if is_made_by_replace(target) => {
                let metadata = object::metadata_mut(&mut object);
                drop_servers_own(metadata);
                metadata.remove("resourceVersion");
                self.own(writer, target, version, None, &mut object);
                (self.make(writer, target, version, object)?, true)
            }
            None => return Err(target.not_found()),
            Some(old) => {
                check_uid(target, &old, &object)?;
                self.own(writer, target, version, Some(&old), &mut object);
                (self.change(writer, target, version, &old, object)?, false)
            }
        };
        Ok(Written {
            object: made.0,
            created: made.1,
            warnings,
        })
    }

    /// The same from the bytes of a body.
    pub(crate) fn replace_from(
        &self,
        writer: &Writer,
        target: &Target,
        body: &[u8],
    ) -> Result<Written, Failure> {
        self.replace(writer, target, payload::read(body)?)
    }

    /// Changes some fields of an object, of its status or of its scale; an apply makes what is not there.
    pub(crate) fn patch(&self, writer: &Writer, target: &Target, patch: &Patch) -> Result<Written, Failure> {
        let _alone = self.write_alone();
        if &*target.subresource == "scale" {
            return scale::patch(self, writer, target, patch);
        }
        let version = target.version_served()?;
        let old = self.kept(target).map(|old| target.shown(old));
        let (object, warnings) = match (patch, &old) {
            (Patch::Apply { intent, force }, _) => {
                let object = self.applied(writer, target, version, old.as_deref(), intent, *force)?;
                (object, Vec::new())
            }
            (_, None) => return Err(target.not_found()),
            (_, Some(old)) => {
                let new = patched(&target.resource, version, old, patch)?;
                let (mut new, warnings) = decode_patched(&target.resource, version, new, writer.validation)?;
                default_fields(&target.resource, version, &mut new);
                self.own(writer, target, version, Some(old), &mut new);
                (new, warnings)
            }
        };
        let created = old.is_none();
        let object = match old {
            Some(old) => self.change(writer, target, version, &old, object)?,
            None => self.make(writer, target, version, object)?,
        };
        Ok(Written {
            object,
            created,
            warnings,
        })
    }

    /// The object as an apply makes it. The intent's resourceVersion is a precondition for what is there, and
    /// nothing for what is not.
    fn applied(
        &self,
        writer: &Writer,
        target: &Target,
        version: &Version,
        old: Option<&Value>,
        intent: &Value,
        force: bool,
    ) -> Result<Value, Failure> {
        if old.is_none() && !target.subresource.is_empty() {
            return Err(target.not_found());
        }
        // As it was sent: a decoder would take away what must be refused, and lists that are empty on purpose.
        let mut intent = intent.clone();
        if old.is_some() && object::name(&intent).is_empty() {
            // What is there has its name already.
            object::metadata_mut(&mut intent).insert("name".to_owned(), (*target.name).into());
        }
        check_name(target, &intent)?;
        let now = self.clock().now();
        let endpoint = target.endpoint(version);
        let mut object = apply(endpoint, old, &intent, &writer.manager, force, now)?;
        target.check_namespace(&mut object)?;
        if old.is_none() {
            let uid = object::uid(&object);
            if !uid.is_empty() {
                return Err(target.conflict(&format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                )));
            }
            let metadata = object::metadata_mut(&mut object);
            drop_servers_own(metadata);
            metadata.remove("resourceVersion");
        }
        default_fields(&target.resource, version, &mut object);
        Ok(object)
    }

    /// The writer owns what it changes.
    fn own(&self, writer: &Writer, target: &Target, version: &Version, old: Option<&Value>, new: &mut Value) {
        let now = self.clock().now();
        managed_fields::update(target.endpoint(version), old, new, &writer.manager, now);
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
        check_revision(target, old, &mut new)?;
        prepare_update(target.endpoint(version), old, &mut new);
        allocate::on_update(self, target, old, &mut new)?;
        target.check(version, Some(old), &new)?;
        admit::judge(self, writer, target, Some(old), &new)?;
        managed_fields::keep_times(old, &mut new);
        if new == **old {
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

/// What a new status leaves as it is stored was read and defaulted when it was stored: that is most of a pod.
fn take_unchanged(target: &Target, old: Option<&Value>, body: &mut Value) -> Option<(String, Value)> {
    let spec = body.get("spec").filter(|_| &*target.subresource == "status")?;
    if old?.get("spec") != Some(spec) {
        return None;
    }
    body.as_object_mut()?.remove_entry("spec")
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
            let why = "must be specified for an update";
            let cause = Cause::invalid("metadata.resourceVersion", 0, why);
            Err(Failure::invalid(
                &resource.group,
                &resource.plural,
                &target.name,
                vec![cause],
            ))
        }
        0 => {
            let revision = old["metadata"]["resourceVersion"].clone();
            object::metadata_mut(new).insert("resourceVersion".to_owned(), revision);
            Ok(())
        }
        revision if revision == object::revision(old) => Ok(()),
        _ => Err(target.modified()),
    }
}

fn is_made_by_replace(target: &Target) -> bool {
    target.subresource.is_empty()
        && MADE_BY_REPLACE
            .iter()
            .any(|(group, plural)| target.is(group, plural))
}

fn needs_revision(target: &Target) -> bool {
    let resource = &target.resource;
    matches!(resource.origin, Origin::Custom { .. })
        || CONDITIONAL.iter().any(|(group, plural)| {
            *resource.group == **group && (plural.is_empty() || *resource.plural == **plural)
        })
}
