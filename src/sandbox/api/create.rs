//! New objects.

use std::sync::Arc;

use serde_json::Value;

use super::{Server, Target, Written, admit, allocate, payload, pods};
use crate::sandbox::crd;
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::Version;
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::{Expect, Key};
use crate::sandbox::write::{
    Change, Endpoint, Writer, default_fields, drop_servers_own, managed_fields, prepare_create, validate,
};

/// How many generated names are tried.
const NAMES_TRIED: usize = 8;

impl Server {
    /// Makes an object, or acts through a subresource that is created (`pods/binding`, `pods/eviction`).
    pub(crate) fn create(&self, writer: &Writer, target: &Target, body: Value) -> Result<Written, Failure> {
        let _alone = self.write_alone();
        let version = target.version_served()?;
        match &*target.subresource {
            "" => {}
            "binding" => return pods::bind(self, writer, target, &body),
            "eviction" => return pods::evict(self, writer, target, &body),
            _ => return Err(Failure::method_not_supported()),
        }
        let (mut object, warnings) = payload::as_object(body, target, version, writer.validation)?;
        if object::revision(&object) != 0 {
            return Err(Failure::new(
                500,
                "",
                "resourceVersion should not be set on objects to be created",
            ));
        }
        target.check_namespace(&mut object)?;
        let generated = object::name(&object).is_empty() && !object::meta(&object, "generateName").is_empty();
        default_fields(&target.resource, version, &mut object);
        drop_servers_own(object::metadata_mut(&mut object));
        managed_fields::update(
            target.endpoint(version),
            None,
            &mut object,
            &writer.manager,
            self.clock().now(),
        );
        let at_most = if generated { NAMES_TRIED } else { 1 };
        let mut tried = 1;
        loop {
            match self.make(writer, target, version, object.clone()) {
                Err(failure) if failure.reason == "AlreadyExists" && tried < at_most => tried += 1,
                made => {
                    return made.map(|object| Written {
                        object,
                        created: true,
                        warnings,
                    });
                }
            }
        }
    }

    /// The same from the bytes of a body.
    pub(crate) fn create_from(
        &self,
        writer: &Writer,
        target: &Target,
        body: &[u8],
    ) -> Result<Written, Failure> {
        self.create(writer, target, payload::read(body)?)
    }

    /// From a decoded, defaulted and owned object to the stored one.
    pub(super) fn make(
        &self,
        writer: &Writer,
        target: &Target,
        version: &Version,
        mut object: Value,
    ) -> Result<Object, Failure> {
        admit::shape(self, target, &mut object)?;
        prepare_create(target.endpoint(version), &mut object);
        self.fill_system_fields(&mut object);
        let target = &target.named(object::name(&object));
        allocate::on_create(self, target, &mut object)?;
        target.check(version, None, &object)?;
        admit::judge(self, writer, target, None, &object)?;
        let object = target.to_kept(object);
        let key = target.key();
        if let Some(there) = self.store().get(&key) {
            return Err(target.already_there(&there));
        }
        if writer.dry_run {
            return Ok(target.shown(Arc::new(object)));
        }
        let object = self.put(&key, Expect::Absent, object, target)?;
        Ok(target.shown(object))
    }

    pub(super) fn put(
        &self,
        key: &Key,
        expect: Expect,
        object: Value,
        target: &Target,
    ) -> Result<Object, Failure> {
        self.store().put(key, expect, object).map_err(|_| {
            let resource = &target.resource;
            match expect {
                Expect::Absent => Failure::already_exists(&resource.group, &resource.plural, &target.name),
                Expect::At(_) => target.modified(),
            }
        })
    }

    fn fill_system_fields(&self, object: &mut Value) {
        let prefix = object::meta(object, "generateName").to_owned();
        let metadata = object::metadata_mut(object);
        metadata.insert("uid".to_owned(), self.identities().uid().into());
        metadata.insert("creationTimestamp".to_owned(), self.now().into());
        if !prefix.is_empty()
            && metadata
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or("")
                .is_empty()
        {
            metadata.insert("name".to_owned(), self.identities().name(&prefix).into());
        }
    }
}

impl Target {
    pub(super) fn endpoint<'a>(&'a self, version: &'a Version) -> Endpoint<'a> {
        Endpoint {
            resource: &self.resource,
            version,
            subresource: &self.subresource,
        }
    }

    /// The new object must be valid, also as what becomes of the old one.
    pub(super) fn check(&self, version: &Version, old: Option<&Value>, new: &Value) -> Result<(), Failure> {
        let resource = &self.resource;
        let mut causes = validate(&Change {
            resource,
            version,
            subresource: &self.subresource,
            old,
            new,
        });
        if self.is(crd::GROUP, crd::PLURAL) && self.subresource.is_empty() {
            causes.extend(crd::validate(new, old));
        }
        if causes.is_empty() {
            return Ok(());
        }
        Err(self.invalid(causes))
    }

    fn already_there(&self, there: &Object) -> Failure {
        let resource = &self.resource;
        let mut failure = Failure::already_exists(&resource.group, &resource.plural, &self.name);
        if object::is_deleting(there) {
            failure.message = format!("object is being deleted: {}", failure.message);
        }
        failure
    }

    pub(super) fn version_served(&self) -> Result<&Version, Failure> {
        self.served().ok_or_else(|| self.not_found())
    }

    /// The object's namespace is the path's; one without gets it.
    pub(super) fn check_namespace(&self, object: &mut Value) -> Result<(), Failure> {
        let expected = self.namespace.as_deref().unwrap_or_default();
        match object::namespace(object) {
            Some(namespace) if namespace != expected => Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            )),
            None if !expected.is_empty() => {
                let metadata = object::metadata_mut(object);
                metadata.insert("namespace".to_owned(), expected.into());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Failure {
    /// The endpoint is there, the verb is not.
    pub(crate) fn method_not_supported() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message)
    }
}
