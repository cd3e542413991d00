//! Removals that wait for a member's return: kept in the hub API, so that nothing else has to wait.
//!
//! `ConfigMap hanse-system/removals-<cluster>-<n>`, one entry per binding, at most 512 KiB each.

use std::collections::{BTreeMap, HashSet};

use dashmap::DashSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
};
use serde::{Deserialize, Serialize};

use super::{bundle::stage, engine::Engine, error::Error, remove::inventory};
use crate::{
    act::{
        propagate::{Pruned, orphan, prune},
        wire::{ActAs, Error as WireError, Target},
    },
    model::{
        api::{PlacedObject, WorkloadBinding},
        fleet::BindingKey,
        mark,
        name::{ClusterName, GroupVersionKind, NamespaceName, ObjectName},
    },
};

const LABEL: &str = "hanse.dev/removals";
const FULL: usize = 512 * 1024;

/// What is to be taken away from one member for one binding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Removal {
    namespace: NamespaceName,
    binding: ObjectName,
    api_version: String,
    /// Whether `hanse-admin` wrote it; else the namespace's tenant did.
    admin: bool,
    /// Whether the objects stay without our signs.
    orphan: bool,
    objects: Vec<PlacedObject>,
}

/// What is being removed by a kept removal, per member. A pass that makes objects reads its binding and then looks
/// here; a removal enters here and then looks whether a binding wants the object again. So one of the two sees the
/// other, and nothing is removed that was just made anew.
#[derive(Debug, Default)]
pub(super) struct Removing(DashSet<(ClusterName, BindingKey)>);

/// Ends with the removal.
struct Turn<'a> {
    removing: &'a Removing,
    place: (ClusterName, BindingKey),
}

impl Removing {
    pub(super) fn has(&self, cluster: &ClusterName, key: &BindingKey) -> bool {
        !self.0.is_empty() && self.0.contains(&(cluster.clone(), key.clone()))
    }

    fn begin(&self, cluster: &ClusterName, key: &BindingKey) -> Turn<'_> {
        let place = (cluster.clone(), key.clone());
        self.0.insert(place.clone());
        Turn {
            removing: self,
            place,
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.removing.0.remove(&self.place);
    }
}

impl Engine {
    fn removal_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.hub.client(), mark::SYSTEM_NAMESPACE)
    }

    async fn removals(&self, cluster: &ClusterName) -> Result<Vec<ConfigMap>, Error> {
        let listed = self
            .removal_maps()
            .list(&ListParams::default().labels(&format!("{LABEL}={cluster}")))
            .await;
        let listed = listed.map_err(|source| {
            WireError::call(format!("read the removals that wait for {cluster}"), source)
        })?;
        Ok(listed.items)
    }

    /// Whether removals wait for the member.
    pub(super) async fn has_removals(&self, cluster: &ClusterName) -> Result<bool, Error> {
        Ok(!self.removals(cluster).await?.is_empty())
    }

    /// The namespaces in which removals wait for the member: the rights there are still needed.
    pub(super) async fn namespaces_of_removals(
        &self,
        cluster: &ClusterName,
    ) -> Result<HashSet<NamespaceName>, Error> {
        let maps = self.removals(cluster).await?;
        let entries = maps.iter().flat_map(|map| map.data.iter().flatten());
        Ok(entries.filter_map(|(entry, _)| namespace_of(entry)).collect())
    }

    /// Keeps the removal of one binding's objects for the member's return.
    pub(super) async fn keep_removal(
        &self,
        cluster: &ClusterName,
        key: &BindingKey,
        binding: &WorkloadBinding,
    ) -> Result<(), Error> {
        let unreadable = |why: String| Error::Unreadable {
            what: format!("binding {key}"),
            why,
        };
        let standing = self.ledger.standing(key, cluster);
        if standing.gone || !self.index.clusters.contains_key(cluster) {
            return Ok(());
        }
        let mut objects = inventory(binding, self.fleet.member(cluster).as_deref(), key, standing);
        objects.sort_by_key(|object| std::cmp::Reverse(stage(object)));
        let removal = Removal {
            namespace: key.namespace.clone(),
            binding: key.name.clone(),
            api_version: binding.spec.template.api_version.clone(),
            admin: binding.spec.tenant.is_none(),
            orphan: self.keeps(key, binding),
            objects,
        };
        let entry = format!("{}.{}", key.namespace, key.name);
        let text = serde_json::to_string(&removal).map_err(|error| unreadable(error.to_string()))?;
        let maps = self.removals(cluster).await?;
        let room = maps.iter().find(|map| {
            let data = map.data.iter().flatten();
            map.data.as_ref().is_some_and(|data| data.contains_key(&entry))
                || data.map(|(_, value)| value.len()).sum::<usize>() + text.len() < FULL
        });
        let written = if let Some(map) = room {
            let mut map = map.clone();
            if map
                .data
                .get_or_insert_default()
                .insert(entry, text.clone())
                .as_ref()
                == Some(&text)
            {
                return Ok(());
            }
            self.removal_maps()
                .replace(&map.name_any(), &PostParams::default(), &map)
                .await
        } else {
            let map = ConfigMap {
                metadata: ObjectMeta {
                    name: Some(free_name(cluster, &maps)),
                    labels: Some([(LABEL.to_owned(), cluster.to_string())].into()),
                    ..ObjectMeta::default()
                },
                data: Some([(entry, text)].into()),
                ..ConfigMap::default()
            };
            self.removal_maps().create(&PostParams::default(), &map).await
        };
        written.map_err(|source| WireError::call(format!("keep a removal for {cluster}"), source))?;
        tracing::info!(binding = %key, %cluster, "the member does not answer; its objects are removed when it returns");
        Ok(())
    }

    /// Does what waited for the member, if it answers now.
    pub(super) async fn do_removals(&self, cluster: &ClusterName) -> Result<(), Error> {
        let fleet = self.fleet.snapshot();
        if !fleet
            .members
            .get(cluster)
            .is_some_and(|member| member.is_writable())
        {
            return Ok(());
        }
        for map in self.removals(cluster).await? {
            let entries: BTreeMap<String, String> = map.data.clone().unwrap_or_default();
            let mut left = entries.clone();
            for (entry, text) in &entries {
                match self.do_removal(cluster, text).await {
                    Ok(true) => _ = left.remove(entry),
                    Ok(false) => {}
                    Err(error) if error.is_not_leader() => return Err(error),
                    // One that can't be done, or read, must not keep the others waiting.
                    Err(error) => {
                        let map = map.name_any();
                        tracing::warn!(%cluster, map, entry, %error, "failed to remove; trying again");
                    }
                }
            }
            if left.len() < entries.len() {
                self.keep_left(cluster, map, left).await?;
            }
        }
        Ok(())
    }

    /// Does one. Whether everything of it is gone.
    async fn do_removal(&self, cluster: &ClusterName, text: &str) -> Result<bool, Error> {
        let removal: Removal = serde_json::from_str(text).map_err(|error| Error::Unreadable {
            what: format!("a removal that waits for {cluster}"),
            why: error.to_string(),
        })?;
        let key = BindingKey {
            namespace: removal.namespace.clone(),
            name: removal.binding.clone(),
        };
        let _turn = self.removing.begin(cluster, &key);
        Ok(self.is_wanted_again(cluster, &key) || self.remove_kept(cluster, &removal).await?)
    }

    /// Writes down what is left of a map.
    async fn keep_left(
        &self,
        cluster: &ClusterName,
        mut map: ConfigMap,
        left: BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let name = map.name_any();
        let outcome = if left.is_empty() {
            let params = DeleteParams::default().preconditions(kube::api::Preconditions {
                uid: map.uid(),
                resource_version: map.resource_version(),
            });
            self.removal_maps().delete(&name, &params).await.map(|_| ())
        } else {
            map.data = Some(left);
            let params = PostParams::default();
            self.removal_maps()
                .replace(&name, &params, &map)
                .await
                .map(|_| ())
        };
        outcome
            .map_err(|source| WireError::call(format!("note the removals done in {cluster}"), source).into())
    }

    /// The template was made again meanwhile: its binding takes the object over.
    fn is_wanted_again(&self, cluster: &ClusterName, key: &BindingKey) -> bool {
        self.index
            .binding(key)
            .is_some_and(|binding| binding.spec.clusters.iter().any(|entry| entry.name == *cluster))
    }

    /// Whether everything of it is gone.
    async fn remove_kept(&self, cluster: &ClusterName, removal: &Removal) -> Result<bool, Error> {
        let Some(member) = self.fleet.member(cluster) else {
            return Ok(false);
        };
        let identity = if removal.admin {
            ActAs::admin()
        } else {
            ActAs::tenant(&removal.namespace)
        };
        let client = member.stack().acting_as(&identity)?;
        let binding = BindingKey {
            namespace: removal.namespace.clone(),
            name: removal.binding.clone(),
        };
        let mut gone = true;
        for object in &removal.objects {
            let key = object.key();
            if self.is_wanted_by_another(&binding, cluster, &key) {
                continue; // whoever wants it takes it over as it is
            }
            let version = removal
                .api_version
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned();
            let gvk: GroupVersionKind = key.group_kind().at(version);
            let Some(resource) = member.resource(&gvk) else {
                gone &= member.apis().complete;
                continue;
            };
            let target = Target {
                client: &client,
                resource: &resource,
                key: &key,
            };
            let outcome = if removal.orphan {
                orphan(&self.me, target, object).await
            } else {
                prune(&self.me, target, object).await
            };
            match outcome {
                Ok(outcome) => gone &= outcome == Pruned::Gone,
                // No rights any more: with the namespace gone there is nothing left.
                Err(error) if error.code() == Some(403) => {
                    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> =
                        Api::all(member.stack().client());
                    let live = namespaces.get_metadata_opt(&removal.namespace).await;
                    let live = live.map_err(|source| {
                        WireError::call(format!("read namespace {}", removal.namespace), source)
                    })?;
                    if live.is_some() {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(gone)
    }
}

/// The first name that no map has: those before it may have been emptied and deleted.
fn free_name(cluster: &ClusterName, maps: &[ConfigMap]) -> String {
    let mut number = 0;
    loop {
        let name = format!("removals-{cluster}-{number}");
        if maps.iter().all(|map| map.name_any() != name) {
            return name;
        }
        number += 1;
    }
}

/// The namespace that an entry is about, also when it can't be read.
fn namespace_of(entry: &str) -> Option<NamespaceName> {
    NamespaceName::parse(entry.split_once('.')?.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_made_where_a_removal_is_under_way_until_it_ends() {
        let (removing, cluster) = (Removing::default(), "paris".parse().unwrap());
        let key = BindingKey {
            namespace: "shop".parse().unwrap(),
            name: "configmap-web-0123456789".parse().unwrap(),
        };
        let turn = removing.begin(&cluster, &key);
        assert!(removing.has(&cluster, &key) && !removing.has(&"rome".parse().unwrap(), &key));
        drop(turn);
        assert!(!removing.has(&cluster, &key));
    }

    #[test]
    fn a_new_map_takes_no_name_that_another_has() {
        let cluster: ClusterName = "paris".parse().unwrap();
        let map = |name: &str| ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        };
        assert_eq!(free_name(&cluster, &[]), "removals-paris-0");
        assert_eq!(
            free_name(&cluster, &[map("removals-paris-1")]),
            "removals-paris-0"
        );
        assert_eq!(
            free_name(&cluster, &[map("removals-paris-0")]),
            "removals-paris-1"
        );
    }

    #[test]
    fn an_entry_that_cannot_be_read_still_holds_the_rights_of_its_namespace() {
        let namespace = namespace_of("shop.deployment-web-0123456789");
        assert_eq!(namespace.as_deref(), Some("shop"));
        assert_eq!(namespace_of("nonsense"), None);
    }
}
