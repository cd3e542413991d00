//! What runs in the member, and what of it is a template.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, Error as KubeError, ResourceExt,
    api::{DynamicObject, ListParams},
};
use serde_json::Value;

use super::super::{context::Hub, failure::Failure, kinds::Kind, kinds::Kinds, member::through_secret};
use super::shown;
use crate::{
    act::{fleet::Claim, wire::ActAs},
    decide::{render, tenancy::Tenants},
    model::{
        api::Tenant,
        kind::{self, replicas_pointer},
        manifest::Code,
        mark,
        name::{ClusterName, GroupKind, NamespaceName, ObjectKey, TenantName},
        template::Template,
    },
};

/// The member, as the hub reaches it.
pub(super) struct Running {
    cluster: ClusterName,
    pub(super) namespace: NamespaceName,
    pub(super) tenant: TenantName,
    /// As the tenant, who may read everything in its namespace once the hub has taken that there.
    tenants: Client,
    /// As the hub itself, which may read no Secrets.
    hubs: Client,
    kinds: Kinds,
    /// Field managers of the hub.
    manager: String,
}

/// An object that is there.
pub(super) struct Found {
    pub(super) key: ObjectKey,
    pub(super) version: String,
    /// `None` of a Secret that may not be read yet.
    pub(super) live: Option<Value>,
}

impl Running {
    pub(super) async fn connect(hub: &Hub, cluster: &ClusterName) -> Result<Self, Failure> {
        let namespace = hub.namespace.clone();
        let tenant = tenant_of(hub, &namespace).await?;
        let maps: Api<ConfigMap> = Api::namespaced(hub.client.clone(), mark::SYSTEM_NAMESPACE);
        let map = maps
            .get(mark::HUB_IDENTITY)
            .await
            .map_err(|error| Failure::hub("read the hub's identity", &error))?;
        let id = map
            .data
            .and_then(|mut data| data.remove("id"))
            .unwrap_or_default();
        let claim = Claim {
            hub: id,
            api: String::new(),
        };
        let stack = through_secret(hub, cluster).await?;
        let hubs = stack.client();
        let kinds = Kinds::discover(&hubs)
            .await
            .map_err(|error| Failure::member(cluster.as_str(), "read its kinds", &error))?;
        let running = Self {
            cluster: cluster.clone(),
            tenants: stack.acting_as(&ActAs::tenant(&namespace))?,
            namespace,
            tenant,
            hubs,
            kinds,
            manager: claim.manager(),
        };
        running.may_be_used().await?;
        Ok(running)
    }

    /// A namespace that somebody else made is the hub's only with its owner's word.
    async fn may_be_used(&self) -> Result<(), Failure> {
        let namespaces: Api<Namespace> = Api::all(self.hubs.clone());
        let (name, cluster, tenant) = (&self.namespace, &self.cluster, &self.tenant);
        let found = namespaces
            .get_metadata_opt(name)
            .await
            .map_err(|error| Failure::member(cluster.as_str(), &format!("read namespace {name}"), &error))?;
        let Some(found) = found else {
            return Err(Failure::new(
                Code::NOT_FOUND,
                format!("there is no namespace {name} in {cluster}"),
            )
            .with_hint("name the namespace in which it runs with -n; a tenant has the same one at the hub"));
        };
        let ours = found.labels().get(mark::TENANT).map(String::as_str) == Some(tenant.as_str());
        let lent = found.annotations().get(mark::ADOPT).map(String::as_str) == Some(tenant.as_str());
        if ours || lent {
            return Ok(());
        }
        Err(Failure::new(
            Code::NOT_APPLICABLE,
            format!("namespace {name} in {cluster} is not the hub's, so nothing in it would be taken over"),
        )
        .with_hint(format!(
            "its owner gives it to the tenant, in {cluster}: kubectl annotate namespace {name} {}={tenant}",
            mark::ADOPT
        )))
    }

    /// The object, and what it names if that is wanted, each once.
    pub(super) async fn find(&self, word: &str, name: &str, deps: bool) -> Result<Vec<Found>, Failure> {
        let kind = self.kinds.called(word)?;
        if !kind.namespaced {
            return Err(Failure::usage(format!(
                "{} is cluster-scoped, and templates are in namespaces",
                kind.full_name()
            ))
            .with_hint("administrators put it into a Bundle"));
        }
        let group_kind = GroupKind::new(kind.resource.group.as_str(), kind.resource.kind.as_str());
        let key = ObjectKey::parse(&group_kind, &self.namespace, name)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let (mut found, mut known) = (Vec::new(), BTreeSet::from([key.clone()]));
        let mut waiting = vec![(key, kind.clone())];
        while let Some((key, kind)) = waiting.pop() {
            let version = kind.resource.version.clone();
            let live = match self.read(&key, &kind).await? {
                Read::Whole(live) => Some(live),
                Read::Later => None,
                Read::Missing if found.is_empty() => {
                    return Err(Failure::new(
                        Code::NOT_FOUND,
                        format!(
                            "there is no {} in namespace {} of {}",
                            shown(&key),
                            self.namespace,
                            self.cluster
                        ),
                    )
                    .with_hint("`hub get KIND --cluster NAME` lists what runs there"));
                }
                // What is optional need not be there, and what is not says so in the member.
                Read::Missing => continue,
            };
            if let Some(live) = &live {
                match self.judge(&key, live) {
                    Ok(()) => {}
                    Err(failure) if found.is_empty() => return Err(failure),
                    Err(_) => continue, // every cluster makes its own
                }
                let needs = if deps {
                    kind::dependencies(&key.group_kind(), live)
                } else {
                    Vec::new()
                };
                for need in needs {
                    let needed = ObjectKey::new(&need.kind, key.namespace.clone(), need.name);
                    let kind = self.kinds.of_manifest(&needed.group, "v1", &needed.kind);
                    if let Some(kind) = kind.filter(|_| known.insert(needed.clone())) {
                        waiting.push((needed, kind));
                    }
                }
            }
            found.push(Found { key, version, live });
        }
        Ok(found)
    }

    async fn read(&self, key: &ObjectKey, kind: &Kind) -> Result<Read, Failure> {
        for client in [&self.tenants, &self.hubs] {
            let api: Api<DynamicObject> = kind.api(client, Some(&self.namespace));
            match api.get_opt(&key.name).await {
                Ok(Some(mut live)) => {
                    live.types = Some(kube::core::TypeMeta {
                        api_version: kind.resource.api_version.clone(),
                        kind: kind.resource.kind.clone(),
                    });
                    return Ok(Read::Whole(serde_json::to_value(live).unwrap_or_default()));
                }
                Ok(None) => return Ok(Read::Missing),
                Err(KubeError::Api(status)) if status.code == 403 => {}
                Err(error) => {
                    let what = format!("read {}", shown(key));
                    return Err(Failure::member(self.cluster.as_str(), &what, &error));
                }
            }
        }
        if key.group.is_empty() && *key.kind == *"Secret" {
            return Ok(Read::Later);
        }
        Err(Failure::new(
            Code::MEMBER_FORBIDDEN,
            format!("the hub may not read {} in {}", shown(key), self.cluster),
        )
        .with_hint(
            "let it: a ClusterRole there with the labels hanse.dev/aggregate-to-tenant: \"true\" and \
             rbac.authorization.k8s.io/aggregate-to-view: \"true\" that grants the kind",
        ))
    }

    /// The object once more, as the tenant.
    pub(super) async fn read_again(&self, key: &ObjectKey, kind: &Kind) -> Result<Option<Value>, Failure> {
        match self.read(key, kind).await? {
            Read::Whole(live) => Ok(Some(live)),
            Read::Later => Ok(None),
            Read::Missing => Err(Failure::new(
                Code::NOT_FOUND,
                format!("{} is no longer in {}", shown(key), self.cluster),
            )),
        }
    }

    /// What nobody may take is not promoted.
    fn judge(&self, key: &ObjectKey, live: &Value) -> Result<(), Failure> {
        let template = self.read_template(live)?;
        let refused = |why: String, hint: &str| {
            Err(Failure::new(
                Code::NOT_APPLICABLE,
                format!("{} can't be promoted: {why}", shown(key)),
            )
            .with_hint(hint))
        };
        if let Some(refusal) = template.never_selected(true) {
            return refused(refusal.to_string(), "promote what makes it instead");
        }
        let entries = live["metadata"]["managedFields"].as_array().into_iter().flatten();
        let mut others = entries.filter_map(|entry| entry["manager"].as_str());
        let another = others.find(|manager| manager.starts_with("hanse-") && !self.is_hubs(manager));
        match another {
            Some(_) => refused(
                "another hub keeps it".to_owned(),
                "that hub lets go of it with deletion.template: Orphan in its policy",
            ),
            None => Ok(()),
        }
    }

    fn is_hubs(&self, manager: &str) -> bool {
        manager.starts_with(&self.manager)
    }

    fn read_template(&self, live: &Value) -> Result<Template, Failure> {
        Template::from_object(live, &|manager| self.is_hubs(manager))
            .map_err(|error| Failure::new(Code::NOT_APPLICABLE, error.to_string()))
    }

    /// What people set in it, for the hub API: without what its own servers allocated or filled in.
    pub(super) fn template(&self, live: &Value) -> Result<Value, Failure> {
        let template = self.read_template(live)?;
        let kind = template.key.group_kind();
        let mut body = template.certain();
        render::strip(&kind, &mut body);
        // Who scaled it wrote to a subresource, so the number seems nobody's: without it the hub API would say 1.
        if let (Some(pointer), Some(replicas)) = (replicas_pointer(&kind), template.replicas) {
            kind::put_number(&mut body, pointer, replicas);
        }
        Ok(body)
    }
}

enum Read {
    Whole(Value),
    Missing,
    /// It may not be read yet.
    Later,
}

/// Whose the namespace is at the hub.
async fn tenant_of(hub: &Hub, namespace: &NamespaceName) -> Result<TenantName, Failure> {
    let tenants = Api::<Tenant>::all(hub.client.clone())
        .list(&ListParams::default())
        .await
        .map_err(|error| Failure::hub("list tenants", &error))?;
    let tenants = Tenants::new(tenants.into_iter().map(std::sync::Arc::new));
    let owner = tenants
        .owner(namespace)
        .and_then(|tenant| tenant.metadata.name.as_deref()?.parse().ok());
    owner.ok_or_else(|| {
        Failure::new(
            Code::TENANT_UNKNOWN,
            format!("namespace {namespace} belongs to no Tenant, so nothing in it would be placed"),
        )
        .with_hint(format!("add {namespace} to spec.namespaces of a Tenant"))
    })
}
