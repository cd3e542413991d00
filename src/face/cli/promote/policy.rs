//! The policy that has what is promoted adopted where it runs, and placed nowhere else.

use std::collections::BTreeSet;

use kube::{
    Api, Error as KubeError, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::super::{apply::MANAGER, context::Hub, failure::Failure};
use super::{Promoted, running::Running, shown};
use crate::{
    decide::policy::{Policies, Policy},
    model::{
        api::{
            ClusterPropagationPolicy, ConflictMode, PropagationPolicy, ResourceSelector, TemplateDeletion,
        },
        manifest::Code,
        name::{ClusterName, NamespaceName},
    },
};

/// The policies of the hub API, as far as they reach the namespace.
pub(super) struct Governing {
    policies: Policies,
    namespace: NamespaceName,
    own: Vec<PropagationPolicy>,
}

/// A policy that is to be written.
pub(super) struct Wanted {
    pub(super) name: String,
    /// Else one of this name is there and gets more selectors.
    pub(super) is_new: bool,
    namespace: NamespaceName,
    selectors: Vec<ResourceSelector>,
    cluster: ClusterName,
}

impl Governing {
    pub(super) async fn read(hub: &Hub, running: &Running) -> Result<Self, Failure> {
        let namespace = running.namespace.clone();
        let everything = ListParams::default();
        let own: Api<PropagationPolicy> = Api::namespaced(hub.client.clone(), &namespace);
        let own = own
            .list(&everything)
            .await
            .map_err(|error| Failure::hub("list policies", &error))?
            .items;
        let mut policies = Policies::default();
        for policy in own.iter().filter_map(|policy| Policy::of(policy).ok()) {
            policies.upsert(policy);
        }
        match Api::<ClusterPropagationPolicy>::all(hub.client.clone())
            .list(&everything)
            .await
        {
            Ok(wide) => {
                for policy in wide.iter().filter_map(|policy| Policy::of_cluster(policy).ok()) {
                    policies.upsert(policy);
                }
            }
            // A tenant's owner; his own come first anyway.
            Err(KubeError::Api(status)) if status.code == 403 => {}
            Err(error) => return Err(Failure::hub("list cluster policies", &error)),
        }
        Ok(Self {
            policies,
            namespace,
            own,
        })
    }

    /// The policy that is still needed for all of these; an error when one is there already under which the running object
    /// would be in the way.
    pub(super) fn policy_for(
        &self,
        all: &[Promoted],
        cluster: &ClusterName,
    ) -> Result<Option<Wanted>, Failure> {
        let mut selectors = Vec::new();
        for promoted in all {
            let key = &promoted.key;
            let Some(template) = promoted.template() else {
                continue;
            };
            let Some(governed) = self.policies.govern(&template, None) else {
                selectors.push(ResourceSelector {
                    api_version: template.gvk.api_version(),
                    kind: key.kind.to_string(),
                    name: Some(key.name.clone()),
                    label_selector: None,
                });
                continue;
            };
            let policy = &governed.policy;
            let adopts = policy.spec.conflict == ConflictMode::Adopt;
            // What is a template already is governed as its owner wants it.
            if promoted.there || adopts && policy.spec.deletion.template == TemplateDeletion::Orphan {
                continue;
            }
            let lacks = if adopts {
                "deletion.template: Orphan"
            } else {
                "conflict: Adopt"
            };
            return Err(Failure::new(
                Code::NOT_APPLICABLE,
                format!("{} selects {} already, without {lacks}", policy.id, shown(key)),
            )
            .with_hint(
                "give that policy conflict: Adopt and deletion: {template: Orphan}, or have it not select this, then \
                 promote again; nothing was written",
            ));
        }
        let Some(main) = all.first().filter(|_| !selectors.is_empty()) else {
            return Ok(None);
        };
        let main = &main.key;
        let name = format!("promoted-{}-{}", main.kind.to_lowercase(), main.name);
        let had = self.own.iter().find(|policy| policy.name_any() == name);
        let mut all: Vec<ResourceSelector> = had
            .map(|policy| policy.spec.resource_selectors.clone())
            .unwrap_or_default();
        all.extend(selectors);
        let mut seen = BTreeSet::new();
        all.retain(|selector| seen.insert(json!(selector).to_string()));
        Ok(Some(Wanted {
            name,
            is_new: had.is_none(),
            namespace: self.namespace.clone(),
            selectors: all,
            cluster: cluster.clone(),
        }))
    }
}

impl Wanted {
    /// As it is written, or as it would be.
    pub(super) fn object(&self) -> Value {
        json!({
            "apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "resourceSelectors": self.selectors,
                "placement": {"terms": [{"clusters": {"names": [self.cluster]}}]},
                "conflict": "Adopt",
                "deletion": {"template": "Orphan", "policy": "Orphan"},
            },
        })
    }

    /// One that is there only gets more selectors: the rest may be somebody's by now.
    pub(super) async fn write(&self, hub: &Hub) -> Result<(), Failure> {
        let api: Api<PropagationPolicy> = Api::namespaced(hub.client.clone(), &self.namespace);
        let answer = if self.is_new {
            let params = PatchParams::apply(MANAGER);
            api.patch(&self.name, &params, &Patch::Apply(self.object())).await
        } else {
            let patch = json!({"spec": {"resourceSelectors": self.selectors}});
            api.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch))
                .await
        };
        let what = format!("write PropagationPolicy {}", self.name);
        answer.map(|_| ()).map_err(|error| Failure::hub(&what, &error))
    }
}
