//! The kinds of the server itself, from the data file.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use super::{Origin, Registry, Resource, Scale, Version};
use crate::model::schema;

/// Reviews that nobody here asks for.
const LEFT_OUT: [&str; 3] = [
    "tokenreviews",
    "localsubjectaccessreviews",
    "selfsubjectrulesreviews",
];

/// All built-in kinds.
pub(crate) fn builtin() -> Registry {
    let is_served = |entry: &&Value| !LEFT_OUT.iter().any(|plural| entry["plural"] == **plural);
    let served = schema::builtin().resources.iter().filter(is_served);
    served.map(resource).fold(Registry::default(), Registry::with)
}

/// The schemas of built-in kinds and their parts, as an OpenAPI v3 document has them, without descriptions.
pub(crate) fn definitions() -> &'static Map<String, Value> {
    schema::builtin().definitions()
}

/// The name of the schema of a kind in [`definitions`].
pub(crate) fn definition_of(group: &str, version: &str, kind: &str) -> Option<&'static str> {
    static NAMES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
        let named = definitions().iter().filter_map(|(name, schema)| {
            let [gvk] = schema["x-kubernetes-group-version-kind"].as_array()?.as_slice() else {
                return None;
            };
            let text = |field: &str| gvk[field].as_str().unwrap_or_default();
            Some((
                format!("{}/{}/{}", text("group"), text("version"), text("kind")),
                name.as_str(),
            ))
        });
        named.collect()
    });
    NAMES.get(&format!("{group}/{version}/{kind}")).copied()
}

fn resource(entry: &Value) -> Resource {
    let text = |field: &str| Arc::<str>::from(entry[field].as_str().unwrap_or_default());
    let (group, version, kind) = (text("group"), text("version"), text("kind"));
    let is_stored = entry["verbs"]
        .as_array()
        .is_some_and(|verbs| verbs.iter().any(|verb| verb == "list"));
    Resource {
        plural: text("plural"),
        singular: text("singular"),
        list_kind: format!("{kind}List").into(),
        short_names: texts(&entry["short"]),
        categories: texts(&entry["categories"]),
        namespaced: entry["namespaced"] == true,
        versions: vec![version_of(entry, &group, version.clone(), &kind)],
        storage: version,
        origin: if is_stored {
            Origin::BuiltIn
        } else {
            Origin::Virtual
        },
        group,
        kind,
    }
}

fn version_of(entry: &Value, group: &str, name: Arc<str>, kind: &str) -> Version {
    let subresources = entry["subresources"].as_object();
    let has = |name: &str| subresources.is_some_and(|all| all.contains_key(name));
    let others = subresources.into_iter().flat_map(Map::keys);
    let others = others.filter(|other| !matches!(other.as_str(), "status" | "scale"));
    Version {
        schema: schema::builtin().schemas.kind(group, &name, kind),
        verbs: texts(&entry["verbs"]),
        status: has("status"),
        scale: has("scale").then(|| Scale {
            replicas: "/spec/replicas".to_owned(),
            status_replicas: "/status/replicas".to_owned(),
            selector: Some("/spec/selector".to_owned()),
        }),
        others: others.map(|other| other.as_str().into()).collect(),
        columns: Vec::new(),
        openapi: None,
        name,
    }
}

fn texts(list: &Value) -> Vec<Arc<str>> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn every_built_in_kind_has_a_schema() {
        let registry = builtin();
        assert_eq!(registry.all().count(), 47);
        for resource in registry.all() {
            let version = resource.version(&resource.storage).unwrap();
            assert!(version.schema.is_some(), "{}", resource.kind);
            assert!(definition_of(&resource.group, &version.name, &resource.kind).is_some());
        }
        let deployment = registry.resource("apps", "deployments").unwrap();
        let version = &deployment.versions[0];
        assert!(version.status && version.scale.is_some() && version.others.is_empty());
        let review = registry
            .kind("authentication.k8s.io", "SelfSubjectReview")
            .unwrap();
        assert_eq!(review.origin, Origin::Virtual);
    }

    #[test]
    fn the_kinds_are_read_soon_enough_for_every_test() {
        let started = Instant::now();
        let count = builtin().all().count();
        assert!(count > 0);
        // 30 ms in a release; a development build on a loaded machine takes its time.
        assert!(started.elapsed().as_millis() < 2_000, "{:?}", started.elapsed());
    }
}
