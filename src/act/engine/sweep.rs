//! Sweeping a member: namespaces of tenants that are no longer there go, and the rights in them. They go last.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, api::ListParams};

use super::{
    engine::{Engine, GATED},
    error::Error,
};
use crate::{
    act::{
        enforce::Withdrawn,
        fleet::{MemberHandle, WatchScope},
        wire::{ActAs, Error as WireError},
    },
    model::{
        mark,
        name::{ClusterName, GroupKind, NamespaceName},
    },
};

const AGAIN: Duration = Duration::from_secs(2);
const KEPT_AGAIN: Duration = Duration::from_mins(1);

impl Engine {
    /// Handles members until stopped.
    pub(super) async fn sweep_loop(self: Arc<Self>) {
        loop {
            let work = self.sweeps.next().await;
            self.until_active().await;
            let name = work.key();
            let outcome = async {
                self.do_removals(name).await?;
                let clean = self.sweep(name).await?;
                self.look_after_cluster(name).await?;
                Ok::<bool, Error>(clean)
            };
            match outcome.await {
                Ok(true) => self.sweeps.forget(name),
                Ok(false) => self.sweeps.add_after(name.clone(), AGAIN),
                Err(error) if error.is_not_leader() => self.sweeps.add_after(name.clone(), GATED),
                Err(error) => {
                    let delay = self.sweeps.retry(name.clone());
                    tracing::debug!(cluster = %name, %error, ?delay, "failed to sweep the member; trying again");
                }
            }
        }
    }

    /// Has each member watched for exactly the kinds, and in the namespaces, that bindings put there.
    pub(super) fn arrange_watches(&self) {
        let mut wanted: BTreeMap<ClusterName, BTreeMap<GroupKind, BTreeMap<NamespaceName, ActAs>>> =
            BTreeMap::new();
        for binding in &self.index.bindings {
            let namespace = &binding.key().namespace;
            let objects = binding.objects(namespace);
            let who = match binding.spec.tenant {
                Some(_) => ActAs::tenant(namespace),
                None => ActAs::admin(),
            };
            for cluster in &binding.spec.clusters {
                let kinds = wanted.entry(cluster.name.clone()).or_default();
                for object in &objects {
                    kinds
                        .entry(object.group_kind())
                        .or_default()
                        .insert(namespace.clone(), who.clone());
                }
            }
        }
        for name in self.fleet.snapshot().members.keys() {
            let Some(member) = self.fleet.member(name) else {
                continue;
            };
            let kinds = wanted.remove(name).unwrap_or_default();
            member.retain_kinds(
                kinds
                    .into_iter()
                    .map(|(kind, places)| (kind, WatchScope::Namespaces(places)))
                    .collect(),
            );
        }
    }

    /// Withdraws from every namespace that nobody claims any more. Whether nothing is left to withdraw from.
    /// A member that does not answer is swept when it returns. Where removals still wait, rights are needed.
    pub(super) async fn sweep(&self, name: &ClusterName) -> Result<bool, Error> {
        let fleet = self.fleet.snapshot();
        let (Some(seen), Some(member)) = (fleet.members.get(name), self.fleet.member(name)) else {
            return Ok(true);
        };
        if !seen.is_writable() {
            return Ok(!seen.leaving);
        }
        let namespaces: Api<Namespace> = Api::all(member.stack().client());
        let ours = ListParams::default().labels(mark::TENANT);
        let listed = namespaces
            .list_metadata(&ours)
            .await
            .map_err(|source| WireError::call(format!("list namespaces in {name}"), source))?;
        // Read only now that the member answers: it may have come back since removals were last tried.
        let waiting = self.namespaces_of_removals(name).await?;
        let mut clean = waiting.is_empty();
        let mut kept = BTreeMap::new();
        for namespace in listed.items {
            let Ok(key) = NamespaceName::parse(&namespace.name_any()) else {
                continue;
            };
            let Some(tenant) = namespace.labels().get(mark::TENANT) else {
                continue;
            };
            let in_use = self.index.bindings.iter().any(|binding| {
                binding.key().namespace == key
                    && binding.spec.clusters.iter().any(|entry| entry.name == *name)
            });
            if in_use || waiting.contains(&key) || !(seen.leaving || self.is_unclaimed(tenant, &key)) {
                continue;
            }
            match self
                .enforcer
                .withdraw(&member, &key, tenant, seen.leaving)
                .await?
            {
                Withdrawn::Done => {}
                Withdrawn::NotYet => clean = false,
                Withdrawn::Kept(kind) => {
                    let help = how_to_see(&member, &key, &kind);
                    kept.insert(key, help);
                }
            }
        }
        if !kept.is_empty() {
            // Nobody tells the hub that it may look now.
            self.sweeps.add_after(name.clone(), KEPT_AGAIN);
        }
        member.note_kept(kept);
        Ok(clean)
    }
}

/// What keeps a namespace, and what its member's owner can do about it.
fn how_to_see(member: &MemberHandle, namespace: &NamespaceName, kind: &GroupKind) -> String {
    if kind.group.is_empty() && &*kind.kind == "Secret" {
        // The hub itself must not see them, and who may has no rights there any more.
        return format!(
            "nobody may look there for Secrets any more; if it is empty: kubectl delete namespace {namespace}"
        );
    }
    let apis = member.apis();
    let plural = apis
        .kind(kind)
        .map_or_else(|| kind.kind.to_lowercase(), |api| api.plural.clone());
    let resource = if kind.group.is_empty() {
        plural
    } else {
        format!("{plural}.{}", kind.group)
    };
    format!(
        "the hub may not list {resource}, so it can't tell whether it is empty; let it: kubectl create clusterrole \
         hanse:view:{resource} --verb=get,list,watch --resource={resource} && kubectl label clusterrole \
         hanse:view:{resource} rbac.authorization.k8s.io/aggregate-to-view=true"
    )
}
