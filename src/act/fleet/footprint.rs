//! What `hub join` makes in a member, in order: `manifests/member/` as it was when this hub was built.

use kube::{
    Api, Client, Error as KubeError,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
    core::GroupVersionKind,
};

use crate::model::{manifest, mark};

/// The version of what this hub makes; older ones are brought up to date by `hub join --refresh`.
pub const JOIN_VERSION: u32 = 1;
/// Field manager of what join makes.
pub(super) const MANAGER: &str = "hub-join";

/// One part of what join makes. The order of the variants is the order of making; leaving goes backwards, but
/// the fence goes last: as long as the hub has a right, the fence bounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Namespaces,
    Fence,
    Roles,
    Identity,
    Rights,
}

impl Part {
    fn texts(self) -> &'static [(&'static str, &'static str)] {
        macro_rules! texts {
            ($($file:literal),*) => {
                &[$(($file, include_str!(concat!("../../../manifests/member/", $file)))),*]
            };
        }
        match self {
            Self::Namespaces => texts!["10-namespaces.yaml"],
            Self::Fence => texts![
                "20-fence-namespaces.yaml",
                "21-fence-objects.yaml",
                "22-fence-rbac.yaml",
                "23-fence-admin-roles.yaml"
            ],
            Self::Roles => texts!["30-roles.yaml"],
            Self::Identity => texts!["40-identity.yaml"],
            Self::Rights => texts!["50-bindings.yaml"],
        }
    }

    /// Its objects, in order.
    pub(super) fn objects(self) -> Vec<DynamicObject> {
        self.texts()
            .iter()
            .flat_map(|(file, text)| manifest::read(file, text).0)
            .filter_map(|document| serde_json::from_value(document.object).ok())
            .collect()
    }
}

/// The place of an object that is embedded here.
pub(super) fn api_of(client: &Client, object: &DynamicObject) -> Api<DynamicObject> {
    let types = object.types.clone().unwrap_or_default();
    let (group, version) = types
        .api_version
        .split_once('/')
        .unwrap_or(("", &types.api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind));
    match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// `ClusterRole hanse:hub`, for people.
pub(super) fn describe(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("", |types| types.kind.as_str());
    format!("{kind} {}", object.metadata.name.as_deref().unwrap_or_default())
}

/// Makes an object as it is written here, or brings it back to that.
pub(super) async fn put(client: &Client, object: &DynamicObject) -> Result<(), KubeError> {
    let name = object.metadata.name.clone().unwrap_or_default();
    api_of(client, object)
        .patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(object))
        .await
        .map(drop)
}

/// Deletes an object that join made, exactly the one that was looked at. False when it is somebody else's.
pub(super) async fn take_away(client: &Client, object: &DynamicObject) -> Result<bool, KubeError> {
    let api = api_of(client, object);
    let name = object.metadata.name.clone().unwrap_or_default();
    let Some(found) = api.get_metadata_opt(&name).await? else {
        return Ok(true);
    };
    let labels = found.metadata.labels.unwrap_or_default();
    if labels.get(mark::MANAGED_BY).is_none_or(|by| by != mark::HANSE)
        || !labels.contains_key(mark::JOIN_VERSION)
    {
        return Ok(false);
    }
    let exactly = Preconditions {
        uid: found.metadata.uid,
        resource_version: found.metadata.resource_version,
    };
    match api
        .delete(
            &name,
            &DeleteParams {
                preconditions: Some(exactly),
                ..DeleteParams::background()
            },
        )
        .await
    {
        Err(KubeError::Api(status)) if status.code == 404 => Ok(true),
        Err(error) => Err(error),
        Ok(_) => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_manifest_is_read_and_carries_the_join_version() {
        for part in [
            Part::Namespaces,
            Part::Fence,
            Part::Roles,
            Part::Identity,
            Part::Rights,
        ] {
            for (file, text) in part.texts() {
                let (documents, diagnostics) = manifest::read(file, text);
                assert!(
                    diagnostics.is_empty() && !documents.is_empty(),
                    "{file}: {diagnostics:?}"
                );
                for document in documents {
                    let version = &document.object["metadata"]["labels"][mark::JOIN_VERSION];
                    assert_eq!(version, &JOIN_VERSION.to_string(), "{file}: {}", document.name());
                }
            }
            assert!(!part.objects().is_empty());
        }
    }
}
