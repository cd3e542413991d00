//! The few ways in which the hub writes and deletes: create-only, over what is ours, and exactly this object.

use kube::{
    Api, Client, Error as KubeError,
    api::{ApiResource, DeleteParams, Patch, PatchParams, Preconditions, PropagationPolicy},
};
use serde_json::{Value, json};

use super::{Error, Observed};
use crate::model::name::ObjectKey;

/// An object of one kind at one API server, reached as one identity.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Who reaches it.
    pub client: &'a Client,
    /// Its kind there.
    pub resource: &'a ApiResource,
    /// Its name there.
    pub key: &'a ObjectKey,
}

impl std::fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("key", self.key)
            .finish_non_exhaustive()
    }
}

/// What a create-only apply found.
#[derive(Debug)]
pub enum Created {
    /// It did not exist, and now does.
    New(Box<Observed>),
    /// Something of this name is already there; nothing was written.
    Occupied,
}

impl Target<'_> {
    fn api(&self) -> Api<Observed> {
        match &self.key.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace.as_str(), self.resource),
            None => Api::all_with(self.client.clone(), self.resource),
        }
    }

    fn whole_api(&self) -> Api<kube::api::DynamicObject> {
        match &self.key.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace.as_str(), self.resource),
            None => Api::all_with(self.client.clone(), self.resource),
        }
    }

    /// A live read. `None` only when the server says that there is no such object.
    pub async fn get(&self) -> Result<Option<Observed>, Error> {
        self.api()
            .get_opt(&self.key.name)
            .await
            .map_err(|source| Error::request("read", self.key, source))
    }

    /// Server-side apply that creates and never merges: a body with resourceVersion "1" is refused with 409
    /// when anything of that name is there.
    pub async fn create(&self, manager: &str, intent: &Value) -> Result<Created, Error> {
        let mut body = intent.clone();
        body["metadata"]["resourceVersion"] = json!("1");
        match self
            .api()
            .patch(&self.key.name, &PatchParams::apply(manager), &Patch::Apply(&body))
            .await
        {
            Ok(observed) => Ok(Created::New(Box::new(observed))),
            Err(KubeError::Api(status)) if status.code == 409 => Ok(Created::Occupied),
            Err(source) => Err(Error::request("create", self.key, source)),
        }
    }

    /// Forced server-side apply over the version that was compared, of an object proven ours. 409 when it
    /// has changed since.
    pub async fn apply_over(
        &self,
        manager: &str,
        intent: &Value,
        resource_version: &str,
    ) -> Result<Observed, Error> {
        let mut body = intent.clone();
        body["metadata"]["resourceVersion"] = json!(resource_version);
        self.api()
            .patch(
                &self.key.name,
                &PatchParams::apply(manager).force(),
                &Patch::Apply(&body),
            )
            .await
            .map_err(|source| Error::request("apply", self.key, source))
    }

    /// What [`Self::apply_over`] would make of the whole object. Nothing is written; what the server would refuse is
    /// refused.
    pub async fn rehearse(
        &self,
        manager: &str,
        intent: &Value,
        resource_version: &str,
    ) -> Result<Value, Error> {
        let mut body = intent.clone();
        body["metadata"]["resourceVersion"] = json!(resource_version);
        let params = PatchParams::apply(manager).force().dry_run();
        let object = self
            .whole_api()
            .patch(&self.key.name, &params, &Patch::Apply(&body))
            .await
            .map_err(|source| Error::request("apply", self.key, source))?;
        Ok(serde_json::to_value(object).unwrap_or_default())
    }

    /// Deletes exactly the object that was looked at, and what it owns after it. 409 when it is another one or has
    /// changed, `Ok` when it was already gone.
    pub async fn delete_exactly(&self, uid: &str, resource_version: &str) -> Result<(), Error> {
        self.delete(uid, resource_version, PropagationPolicy::Background)
            .await
    }

    /// As [`Self::delete_exactly`], and it is gone only when everything that it owns is: what is made under the same
    /// name afterwards meets none of it.
    pub async fn delete_with_all(&self, uid: &str, resource_version: &str) -> Result<(), Error> {
        self.delete(uid, resource_version, PropagationPolicy::Foreground)
            .await
    }

    async fn delete(
        &self,
        uid: &str,
        resource_version: &str,
        propagation: PropagationPolicy,
    ) -> Result<(), Error> {
        let params = DeleteParams {
            propagation_policy: Some(propagation),
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: Some(resource_version.to_owned()),
            }),
            ..DeleteParams::default()
        };
        match self.api().delete(&self.key.name, &params).await {
            Ok(_) => Ok(()),
            Err(KubeError::Api(status)) if status.code == 404 => Ok(()),
            Err(source) => Err(Error::request("delete", self.key, source)),
        }
    }

    /// A JSON patch, for what server-side apply can't say (giving up fields).
    pub async fn patch_json(&self, patch: json_patch::Patch) -> Result<Observed, Error> {
        self.api()
            .patch(&self.key.name, &PatchParams::default(), &Patch::<()>::Json(patch))
            .await
            .map_err(|source| Error::request("patch", self.key, source))
    }

    /// The whole object, as JSON. For the rare passes that need all of it.
    pub async fn get_whole(&self) -> Result<Option<Value>, Error> {
        let object = self
            .whole_api()
            .get_opt(&self.key.name)
            .await
            .map_err(|source| Error::request("read", self.key, source))?;
        Ok(object.and_then(|object| serde_json::to_value(object).ok()))
    }
}
