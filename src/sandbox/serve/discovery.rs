//! Which kinds the server says it has: legacy discovery, one document per group and version, and the aggregated one.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::model::schema;
use crate::sandbox::kinds::{Origin, Registry, Resource, Version};
use crate::sandbox::object::Object;

/// `GET /api` and `GET /apis` are two documents, also when aggregated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// `/api`: the core group.
    Core,
    /// `/apis`: all others.
    Groups,
}

/// Groups of the server itself in the order it lists them, which decides what `kubectl get` means by a name that
/// two groups have. Others follow by name.
const GROUPS: [&str; 19] = [
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
];

/// A subresource as discovery shows it.
struct Subresource<'a> {
    name: &'a str,
    /// Group, version, kind.
    answer: [&'a str; 3],
    verbs: Value,
}

/// One group: its name, its versions with the preferred one first, and the resources each has.
type Group<'a> = (&'a str, Vec<(&'a str, Kinds<'a>)>);
type Kinds<'a> = Vec<(&'a Resource, &'a Version)>;

/// `GET /api`. `address` is where the client reached the server, `127.0.0.1:6443`.
pub(crate) fn api_versions(address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// `GET /apis`
pub(crate) fn legacy_groups(registry: &Registry) -> Value {
    let groups = groups(registry, Root::Groups);
    let groups: Vec<Value> = groups.iter().map(group_value).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `GET /apis/GROUP`
pub(crate) fn legacy_group(registry: &Registry, name: &str) -> Option<Value> {
    let groups = groups(registry, Root::Groups);
    let mut value = group_value(groups.iter().find(|(group, _)| *group == name)?);
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    Some(value)
}

/// `GET /api/v1` (the group is empty then) and `GET /apis/GROUP/VERSION`
pub(crate) fn legacy_resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut resources: Vec<Value> = Vec::new();
    for resource in registry.all().filter(|resource| *resource.group == *group) {
        let Some(version) = resource.version(version) else {
            continue;
        };
        resources.push(resource_value(resource, version));
        for sub in subresources(resource, version) {
            let mut value = json!({
                "name": format!("{}/{}", resource.plural, sub.name), "singularName": "",
                "namespaced": resource.namespaced, "kind": sub.answer[2], "verbs": sub.verbs,
            });
            if sub.answer[..2] != [&*resource.group, &*version.name] {
                value["group"] = sub.answer[0].into();
                value["version"] = sub.answer[1].into();
            }
            resources.push(value);
        }
    }
    if resources.is_empty() {
        return None;
    }
    // Upstream's two servers: one sorts by name, the one of custom kinds leaves them as they were made.
    if !registry
        .all()
        .any(|resource| *resource.group == *group && matches!(resource.origin, Origin::Custom { .. }))
    {
        resources.sort_by(|one, other| one["name"].as_str().cmp(&other["name"].as_str()));
    }
    let group_version = join(group, version);
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": group_version, "resources": resources,
    }))
}

/// `GET /api` or `/apis` for clients that accept `application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`
pub(crate) fn aggregated(registry: &Registry, root: Root) -> Value {
    let items: Vec<Value> = groups(registry, root)
        .into_iter()
        .map(|(name, versions)| {
            let versions: Vec<Value> = versions
                .into_iter()
                .map(|(version, resources)| {
                    let resources: Vec<Value> = resources
                        .into_iter()
                        .map(|(resource, version)| aggregated_resource(resource, version))
                        .collect();
                    json!({"version": version, "freshness": "Current", "resources": resources})
                })
                .collect();
            let mut metadata = json!({"creationTimestamp": null});
            if !name.is_empty() {
                metadata["name"] = name.into();
            }
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {}, "items": items,
    })
}

/// Adds the groups and versions of `APIServices` of other servers: nobody asks those.
pub(crate) fn add_stale(document: &mut Value, services: &[Object]) {
    let Some(items) = document["items"].as_array_mut() else {
        return;
    };
    for spec in services.iter().map(|service| &service["spec"]) {
        if !spec["service"].is_object() {
            continue;
        }
        let (group, version) = (&spec["group"], &spec["version"]);
        let stale = json!({"version": version, "freshness": "Stale"});
        let found = items.iter_mut().find(|item| item["metadata"]["name"] == *group);
        match found.and_then(|item| item["versions"].as_array_mut()) {
            Some(versions) if versions.iter().any(|one| one["version"] == *version) => {}
            Some(versions) => versions.push(stale),
            None => items.push(json!({
                "metadata": {"name": group, "creationTimestamp": null}, "versions": [stale],
            })),
        }
    }
}

fn aggregated_resource(resource: &Resource, version: &Version) -> Value {
    let scope = if resource.namespaced {
        "Namespaced"
    } else {
        "Cluster"
    };
    let mut value = json!({
        "resource": &*resource.plural,
        "responseKind": kind_value([&resource.group, &version.name, &resource.kind]),
        "scope": scope,
        "singularResource": &*resource.singular,
        "verbs": texts(&version.verbs),
    });
    put_names(&mut value, resource);
    let subresources: Vec<Value> = subresources(resource, version)
        .into_iter()
        .map(|sub| json!({"subresource": sub.name, "responseKind": kind_value(sub.answer), "verbs": sub.verbs}))
        .collect();
    if !subresources.is_empty() {
        value["subresources"] = subresources.into();
    }
    value
}

fn kind_value([group, version, kind]: [&str; 3]) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}

fn resource_value(resource: &Resource, version: &Version) -> Value {
    let mut value = json!({
        "name": &*resource.plural, "singularName": &*resource.singular,
        "namespaced": resource.namespaced, "kind": &*resource.kind, "verbs": texts(&version.verbs),
    });
    put_names(&mut value, resource);
    if resource.origin != Origin::Virtual {
        value["storageVersionHash"] = storage_hash(resource).into();
    }
    value
}

/// Short names and categories are left out when there are none.
fn put_names(value: &mut Value, resource: &Resource) {
    let names: [(&str, &[Arc<str>]); 2] = [
        ("shortNames", &resource.short_names),
        ("categories", &resource.categories),
    ];
    for (field, names) in names {
        if !names.is_empty() {
            value[field] = texts(names);
        }
    }
}

fn texts(texts: &[Arc<str>]) -> Value {
    texts.iter().map(|text| Value::from(&**text)).collect()
}

/// As upstream computes it: clients see by it that objects are kept in another version than before.
fn storage_hash(resource: &Resource) -> String {
    let name = format!("{}/{}/{}", resource.group, resource.storage, resource.kind);
    base64::engine::general_purpose::STANDARD.encode(&Sha256::digest(name)[..8])
}

fn subresources<'a>(resource: &'a Resource, version: &'a Version) -> Vec<Subresource<'a>> {
    let own = [&*resource.group, &*version.name, &*resource.kind];
    if let Some(all) = built_in(resource) {
        let all = all.iter().map(|(name, found)| {
            let part = |field: &str| found[field].as_str().unwrap_or_default();
            // No version: the resource's own.
            let answer = match part("version") {
                "" => [own[0], own[1], part("kind")],
                version => [part("group"), version, part("kind")],
            };
            let verbs = found["verbs"].clone();
            Subresource { name, answer, verbs }
        });
        return all.collect();
    }
    let status = version.status.then_some(("status", own));
    let scale = version
        .scale
        .as_ref()
        .map(|_| ("scale", ["autoscaling", "v1", "Scale"]));
    let all = status.into_iter().chain(scale).map(|(name, answer)| {
        let verbs = json!(["get", "patch", "update"]);
        Subresource { name, answer, verbs }
    });
    all.collect()
}

/// What the generated file knows of the subresources of a built-in kind.
fn built_in(resource: &Resource) -> Option<&'static Map<String, Value>> {
    if matches!(resource.origin, Origin::Custom { .. }) {
        return None;
    }
    let mut all = schema::builtin().resources.iter();
    let entry = all.find(|entry| entry["group"] == *resource.group && entry["plural"] == *resource.plural)?;
    entry["subresources"].as_object()
}

fn group_value((name, versions): &Group<'_>) -> Value {
    let versions = versions.iter();
    let versions: Vec<Value> = versions
        .map(|(version, _)| json!({"groupVersion": join(name, version), "version": version}))
        .collect();
    json!({"name": name, "preferredVersion": versions.first(), "versions": versions})
}

fn groups(registry: &Registry, root: Root) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<&str, BTreeMap<&str, Kinds<'_>>> = BTreeMap::new();
    for resource in registry.all() {
        if resource.group.is_empty() != (root == Root::Core) {
            continue;
        }
        let versions = groups.entry(&resource.group).or_default();
        for version in &resource.versions {
            versions
                .entry(&version.name)
                .or_default()
                .push((resource, version));
        }
    }
    let mut groups: Vec<Group<'_>> = groups
        .into_iter()
        .map(|(name, versions)| {
            let mut versions: Vec<_> = versions.into_iter().collect();
            versions.sort_by_key(|(version, _)| Reverse(Version::rank(version)));
            (name, versions)
        })
        .collect();
    // Stable: those that are not listed stay ordered by name.
    groups.sort_by_key(|(name, _)| {
        GROUPS
            .iter()
            .position(|known| known == name)
            .unwrap_or(GROUPS.len())
    });
    groups
}

/// `apps/v1`, or `v1`.
fn join(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}
