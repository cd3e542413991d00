//! The kinds a member serves. What could not be asked is kept as it was: a failed or partial discovery never
//! means that a kind is gone (PROTOCOL, rule 7 of the design).

use std::collections::{BTreeMap, BTreeSet};

use http::Request;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::{
    Client,
    client::{APIGroupDiscovery, APIGroupDiscoveryList},
};

use super::Error;
use crate::{
    act::wire,
    model::{
        fleet::{ApiKind, Apis},
        name::GroupKind,
    },
};

/// Asks what is served and folds it into what was known.
///
/// A server that is starting answers before it has taken up its CRDs, and does not say that they are missing: one
/// that is not ready is not asked.
pub async fn discover(client: &Client, known: &Apis) -> Result<Apis, Error> {
    let failed = |source| wire::Error::call("discover kinds", source);
    let ready = Request::get("/readyz").body(Vec::new());
    let ready = ready.map_err(|error| failed(kube::Error::HttpError(error)))?;
    client.request_text(ready).await.map_err(failed)?;
    let core = client.list_core_api_versions_aggregated().await.map_err(failed)?;
    let groups = client.list_api_groups_aggregated().await.map_err(failed)?;
    if core.items.is_empty() || groups.items.is_empty() {
        return legacy(client, known).await;
    }
    Ok(fold(core, groups, known))
}

/// Groups that answered replace what was known of them; the stale ones keep it.
fn fold(core: APIGroupDiscoveryList, groups: APIGroupDiscoveryList, known: &Apis) -> Apis {
    let mut apis = Apis {
        kinds: BTreeMap::new(),
        complete: true,
    };
    for group in core.items.into_iter().chain(groups.items) {
        let name = group
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.name.clone())
            .unwrap_or_default();
        let is_stale = |freshness: &Option<String>| freshness.as_deref() == Some("Stale");
        if group.versions.iter().any(|version| is_stale(&version.freshness)) {
            apis.complete = false;
            keep(&mut apis, known, |group| group == name);
        }
        add(&mut apis, &name, group);
    }
    apis
}

fn keep(apis: &mut Apis, known: &Apis, is_missing: impl Fn(&str) -> bool) {
    for (kind, served) in known.kinds.iter().filter(|(kind, _)| is_missing(&kind.group)) {
        apis.kinds.entry(kind.clone()).or_insert_with(|| served.clone());
    }
}

fn add(apis: &mut Apis, group: &str, discovered: APIGroupDiscovery) {
    let mut seen = BTreeSet::new();
    for version in discovered.versions {
        let Some(number) = version.version else { continue };
        for resource in version.resources {
            let (Some(plural), Some(kind)) = (
                resource.resource,
                resource.response_kind.and_then(|kind| kind.kind),
            ) else {
                continue;
            };
            let kind = GroupKind::new(group, kind);
            // What was kept of a stale version gives way to what is served.
            if seen.insert(kind.clone()) {
                apis.kinds.remove(&kind);
            }
            let served = apis.kinds.entry(kind).or_insert_with(|| ApiKind {
                versions: Vec::new(),
                plural,
                namespaced: resource.scope.as_deref() == Some("Namespaced"),
                verbs: resource.verbs,
                status: resource
                    .subresources
                    .iter()
                    .any(|sub| sub.subresource.as_deref() == Some("status")),
            });
            served.versions.push(number.clone());
        }
    }
}

/// Servers before 1.26, and proxies that answer in the old form: one request per group version.
async fn legacy(client: &Client, known: &Apis) -> Result<Apis, Error> {
    let failed = |source| wire::Error::call("discover kinds", source);
    let mut apis = Apis {
        kinds: BTreeMap::new(),
        complete: true,
    };
    let mut missing = BTreeSet::new();
    for version in client.list_core_api_versions().await.map_err(failed)?.versions {
        match client.list_core_api_resources(&version).await {
            Ok(list) => add_legacy(&mut apis, "", &version, list),
            Err(_) => _ = missing.insert(String::new()),
        }
    }
    for group in client.list_api_groups().await.map_err(failed)?.groups {
        let mut versions = group.versions;
        let preferred = group.preferred_version.map(|preferred| preferred.version);
        versions.sort_by_key(|version| Some(&version.version) != preferred.as_ref());
        for version in versions {
            match client.list_api_group_resources(&version.group_version).await {
                Ok(list) => add_legacy(&mut apis, &group.name, &version.version, list),
                Err(_) => _ = missing.insert(group.name.clone()),
            }
        }
    }
    apis.complete = missing.is_empty();
    keep(&mut apis, known, |group| missing.contains(group));
    Ok(apis)
}

fn add_legacy(apis: &mut Apis, group: &str, version: &str, list: APIResourceList) {
    let with_status: BTreeSet<_> = list
        .resources
        .iter()
        .filter_map(|resource| resource.name.strip_suffix("/status"))
        .map(str::to_owned)
        .collect();
    for resource in list
        .resources
        .into_iter()
        .filter(|resource| !resource.name.contains('/'))
    {
        let served = apis
            .kinds
            .entry(GroupKind::new(group, resource.kind))
            .or_insert_with(|| ApiKind {
                versions: Vec::new(),
                status: with_status.contains(&resource.name),
                plural: resource.name,
                namespaced: resource.namespaced,
                verbs: resource.verbs,
            });
        served.versions.push(version.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn group(name: &str, version: &str, freshness: &str, kinds: &[&str]) -> APIGroupDiscovery {
        let resources: Vec<_> = kinds
            .iter()
            .map(|kind| {
                json!({"resource": format!("{}s", kind.to_lowercase()), "scope": "Namespaced", "verbs": ["list"],
                    "responseKind": {"kind": kind}, "subresources": [{"subresource": "status"}]})
            })
            .collect();
        serde_json::from_value(json!({"metadata": {"name": name},
            "versions": [{"version": version, "freshness": freshness, "resources": resources}]}))
        .unwrap()
    }

    fn discovered(groups: Vec<APIGroupDiscovery>, known: &Apis) -> Apis {
        let list = |items| APIGroupDiscoveryList {
            metadata: None,
            items,
        };
        fold(
            list(vec![group("", "v1", "Current", &["Pod"])]),
            list(groups),
            known,
        )
    }

    #[test]
    fn a_group_that_does_not_answer_keeps_its_kinds() {
        let known = discovered(
            vec![group("metrics.k8s.io", "v1", "Current", &["PodMetrics"])],
            &Apis::default(),
        );
        assert!(known.complete);
        let now = discovered(vec![group("metrics.k8s.io", "v1", "Stale", &[])], &known);
        assert_eq!(now.kinds, known.kinds);
        assert!(!now.complete);
    }

    #[test]
    fn a_kind_that_is_removed_from_a_group_that_answers_is_gone() {
        let known = discovered(
            vec![group("a.io", "v1", "Current", &["A", "B"])],
            &Apis::default(),
        );
        let now = discovered(vec![group("a.io", "v1", "Current", &["A"])], &known);
        assert!(now.complete && now.kind(&GroupKind::new("a.io", "B")).is_none());
        assert!(
            now.kind(&GroupKind::new("a.io", "A"))
                .is_some_and(|kind| kind.status && kind.namespaced)
        );
    }
}
