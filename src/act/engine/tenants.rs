//! Tenants on the hub API, and the finalizers of Tenants and Clusters.

use std::{sync::Arc, time::Duration};

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    engine::{Engine, GATED},
    error::Error,
};
use crate::{
    act::{
        enforce::{enforce_tenant, release_namespace},
        wire::Error as WireError,
    },
    decide::{placement::Choice, tenancy},
    model::{
        api::{Cluster, ConditionStatus, ConditionType, Reason, Tenant, set_condition},
        mark,
        name::{ClusterName, NamespaceName, ObjectName},
    },
};

/// Between two looks at a tenant or member that is waiting to end.
const WAITING: Duration = Duration::from_secs(2);

impl Engine {
    /// Handles tenants until stopped.
    pub(super) async fn tenants_loop(self: Arc<Self>) {
        loop {
            let work = self.tenants.next().await;
            self.until_active().await;
            match self.look_after_tenant(work.key()).await {
                Ok(()) => self.tenants.forget(work.key()),
                Err(error) if error.is_not_leader() => self.tenants.add_after(work.key().clone(), GATED),
                Err(error) => {
                    let delay = self.tenants.retry(work.key().clone());
                    tracing::warn!(tenant = %work.key(), %error, ?delay, "failed to enforce the tenant; trying again");
                }
            }
        }
    }

    async fn look_after_tenant(&self, name: &ObjectName) -> Result<(), Error> {
        let Some(tenant) = self.index.tenant(name) else {
            return Ok(());
        };
        let tenants: Api<Tenant> = Api::all(self.hub.client());
        if tenant.metadata.deletion_timestamp.is_some() {
            if self.is_tenant_in_use(name) {
                self.tenants.add_after(name.clone(), WAITING);
                return Ok(());
            }
            for member in self.fleet.snapshot().members.keys() {
                self.sweeps.add(member.clone());
            }
            self.release_namespaces(name, |_| true).await?;
            return self.set_finalizer(&tenants, &*tenant, false).await;
        }
        self.set_finalizer(&tenants, &*tenant, true).await?;
        let held = self.index.tenants.load_full();
        let losses: Vec<String> = held.losses(name).iter().map(ToString::to_string).collect();
        let mut obstacles = losses;
        if let Ok(tenant_name) = name.as_str().parse() {
            let has = |namespace: &NamespaceName| {
                held.owner(namespace)
                    .is_some_and(|owner| owner.name_any() == name.as_str())
            };
            self.release_namespaces(name, |namespace| !has(namespace)).await?;
            let namespaces: Vec<NamespaceName> = held.namespaces(&tenant_name).cloned().collect();
            obstacles.extend(enforce_tenant(&self.hub, &self.me, &tenant, &namespaces).await?);
        }
        self.write_tenant_status(&tenants, &tenant, &obstacles).await
    }

    /// Takes back the hub namespaces that are labelled as the tenant's and are not its own any more.
    async fn release_namespaces(
        &self,
        name: &ObjectName,
        is_lost: impl Fn(&NamespaceName) -> bool,
    ) -> Result<(), Error> {
        if name.as_str() == tenancy::ADMIN {
            return Ok(()); // administrators label their namespaces themselves
        }
        let lost: Vec<NamespaceName> = self
            .index
            .namespaces
            .iter()
            .filter(|here| here.tenant.as_deref() == Some(name.as_str()) && is_lost(here.key()))
            .map(|here| here.key().clone())
            .collect();
        for namespace in lost {
            tracing::info!(tenant = %name, %namespace, "the tenant has the namespace no more; its owners' rights there go");
            release_namespace(&self.hub, &self.me, name.as_str(), &namespace).await?;
        }
        Ok(())
    }

    async fn write_tenant_status(
        &self,
        tenants: &Api<Tenant>,
        tenant: &Tenant,
        obstacles: &[String],
    ) -> Result<(), Error> {
        let mut status = tenant.status.clone().unwrap_or_default();
        let invalid: Vec<String> = Choice::problems(&tenant.spec.clusters)
            .into_iter()
            .map(|problem| format!("spec.clusters.{problem}"))
            .collect();
        let (ready, reason, message) = if !invalid.is_empty() {
            (ConditionStatus::False, Reason::PolicyInvalid, invalid.join("; "))
        } else if obstacles.is_empty() {
            let count = tenant.spec.namespaces.len();
            (
                ConditionStatus::True,
                Reason::AsDesired,
                format!("{count} namespaces are in place on the hub API"),
            )
        } else {
            (
                ConditionStatus::False,
                Reason::NamespaceClaimed,
                obstacles.join("; "),
            )
        };
        let now = self.clock.now();
        if !set_condition(
            &mut status.conditions,
            ConditionType::Ready,
            ready,
            reason,
            &message,
            tenant.metadata.generation,
            now,
        ) {
            return Ok(());
        }
        let params = PatchParams {
            field_manager: Some(self.me.manager.clone()),
            ..PatchParams::default()
        };
        let patch = json!({"metadata": {"uid": tenant.uid()}, "status": {"conditions": status.conditions}});
        tenants
            .patch_status(&tenant.name_any(), &params, &Patch::Merge(patch))
            .await
            .map_err(|source| {
                WireError::call(
                    format!("write the status of tenant {}", tenant.name_any()),
                    source,
                )
            })?;
        Ok(())
    }

    /// Whether a binding still acts as the tenant.
    fn is_tenant_in_use(&self, name: &ObjectName) -> bool {
        self.index.bindings.iter().any(|binding| {
            binding
                .spec
                .tenant
                .as_ref()
                .is_some_and(|tenant| *tenant.name == **name)
        })
    }

    /// Sees to the finalizer of a Cluster: it goes when nothing of the hub is there any more.
    pub(super) async fn look_after_cluster(&self, name: &ClusterName) -> Result<(), Error> {
        let Some(cluster) = self.index.clusters.get(name).map(|cluster| cluster.clone()) else {
            return Ok(());
        };
        let clusters: Api<Cluster> = Api::all(self.hub.client());
        if cluster.metadata.deletion_timestamp.is_none() {
            return self.set_finalizer(&clusters, &*cluster, true).await;
        }
        let in_use = self
            .index
            .bindings
            .iter()
            .any(|binding| binding.spec.clusters.iter().any(|entry| entry.name == *name));
        // Swept once more: what was in use until now was passed over.
        if in_use || self.has_removals(name).await? || !self.sweep(name).await? {
            self.sweeps.add_after(name.clone(), WAITING);
            return Ok(());
        }
        self.set_finalizer(&clusters, &*cluster, false).await
    }

    async fn set_finalizer<K>(&self, api: &Api<K>, object: &K, hold: bool) -> Result<(), Error>
    where
        K: Resource + Clone + DeserializeOwned + Serialize + std::fmt::Debug,
    {
        let mut finalizers = object.finalizers().to_vec();
        let has = finalizers.iter().any(|finalizer| finalizer == mark::FINALIZER);
        if has == hold {
            return Ok(());
        }
        finalizers.retain(|finalizer| finalizer != mark::FINALIZER);
        if hold {
            finalizers.push(mark::FINALIZER.to_owned());
        }
        let patch = json!({"metadata": {
            "uid": object.uid(), "resourceVersion": object.resource_version(), "finalizers": finalizers,
        }});
        let params = PatchParams {
            field_manager: Some(self.me.manager.clone()),
            ..PatchParams::default()
        };
        match api
            .patch_metadata(&object.name_any(), &params, &Patch::Merge(patch))
            .await
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(source) => {
                Err(WireError::call(format!("set the finalizer of {}", object.name_any()), source).into())
            }
        }
    }

    /// Whether nobody acts under that name in that namespace any more.
    pub(super) fn is_unclaimed(&self, tenant: &str, namespace: &NamespaceName) -> bool {
        if tenant == tenancy::ADMIN {
            return self
                .index
                .namespaces
                .get(namespace)
                .is_none_or(|here| here.tenant.as_deref() != Some(tenancy::ADMIN));
        }
        self.index
            .tenants
            .load()
            .owner(namespace)
            .is_none_or(|owner| owner.name_any() != tenant)
    }
}
