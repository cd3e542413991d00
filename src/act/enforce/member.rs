//! A tenant's namespace in a member: ours, or adopted with its owner's word, with the tenant's rights in it.

use std::{collections::BTreeMap, sync::Arc};

use dashmap::DashMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams},
    core::{GroupVersionKind as KubeKind, PartialObjectMeta},
};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{
    act::{
        fleet::MemberHandle,
        wire::{ActAs, Created, Error, HubIdentity, Observed, Target},
    },
    decide::tenancy::{self, ActsAs},
    model::{
        api::Reason,
        mark,
        name::{ClusterName, GroupKind, NamespaceName, ObjectKey, ObjectName},
    },
};

const RBAC: &str = "rbac.authorization.k8s.io";

/// Why nothing can be written into a namespace of a member yet.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// Something of a person's making stands in the way.
    #[error("{message}")]
    Refused {
        /// For machines.
        reason: Reason,
        /// For people, with what to do.
        message: String,
    },
    /// The member did not do what it was asked. Worth another try.
    #[error(transparent)]
    Wire(#[from] Error),
}

type Ready = Arc<Mutex<Option<ActsAs>>>;

/// Makes namespaces ready in members, once each.
#[derive(Debug)]
pub struct Enforcer {
    hub: HubIdentity,
    ready: DashMap<(ClusterName, NamespaceName), Ready>,
}

impl Enforcer {
    /// An enforcer that has made nothing ready yet.
    #[must_use]
    pub fn new(hub: HubIdentity) -> Self {
        Self {
            hub,
            ready: DashMap::new(),
        }
    }

    /// What was made ready may not be so any more: the next write looks again.
    pub fn doubt(&self, cluster: &ClusterName, namespace: &NamespaceName) {
        self.ready.remove(&(cluster.clone(), namespace.clone()));
    }

    /// As [`Self::doubt`], for all namespaces of a member.
    pub fn doubt_member(&self, cluster: &ClusterName) {
        self.ready.retain(|(member, _), _| member != cluster);
    }

    /// Makes the namespace exist, ours, and with the tenant's rights. Cheap once it is so. `released` says whether
    /// nobody acts under a tenant's name there any more: its namespace goes over to another one as it is.
    pub async fn ensure(
        &self,
        member: &MemberHandle,
        namespace: &NamespaceName,
        acts_as: &ActsAs,
        released: impl Fn(&str) -> bool,
    ) -> Result<(), Obstacle> {
        let gate = self
            .ready
            .entry((member.name().clone(), namespace.clone()))
            .or_default()
            .clone();
        let mut ready = gate.lock().await;
        if ready.as_ref() == Some(acts_as) {
            return Ok(());
        }
        let tenant = match acts_as {
            ActsAs::Nobody { reason } => {
                return Err(Obstacle::Refused {
                    reason: Reason::TenantUnknown,
                    message: reason.clone(),
                });
            }
            ActsAs::Admin => tenancy::admin(),
            ActsAs::Tenant(tenant) => tenant.clone(),
        };
        let wanted = tenancy::member_namespace(namespace, &tenant);
        self.make_namespace(member, namespace, &tenant.name, &wanted, released)
            .await?;
        // Administrators' rights are bound by join.
        if !tenancy::is_admin(&tenant) {
            let key = key(RBAC, "RoleBinding", Some(namespace), tenancy::MEMBER_BINDING);
            let wanted = tenancy::member_role_binding(namespace, &tenant);
            self.write(member, &role_bindings(), &key, &wanted).await?;
        }
        *ready = Some(acts_as.clone());
        Ok(())
    }

    /// Whether this hub made the namespace.
    fn made(&self, live: &Observed) -> bool {
        let labels = live.metadata.labels.as_ref();
        let by = labels.and_then(|labels| labels.get(mark::MANAGED_BY));
        by.map(String::as_str) == Some(mark::HANSE)
            && live.managers.hubs.contains_key(&self.hub.manager)
            && annotation(live, mark::ADOPT).is_none()
    }

    async fn make_namespace(
        &self,
        member: &MemberHandle,
        namespace: &NamespaceName,
        tenant: &str,
        wanted: &Value,
        released: impl Fn(&str) -> bool,
    ) -> Result<(), Obstacle> {
        let key = key("", "Namespace", None, namespace);
        let client = member.stack().client();
        let resource = namespaces();
        let target = Target {
            client: &client,
            resource: &resource,
            key: &key,
        };
        let Some(live) = target.get().await? else {
            return match target.create(&self.hub.manager, wanted).await? {
                Created::New(_) => Ok(()),
                Created::Occupied => Err(Obstacle::Refused {
                    reason: Reason::Pending,
                    message: format!(
                        "namespace {namespace} has just been made by somebody else; looking again"
                    ),
                }),
            };
        };
        if live.metadata.deletion_timestamp.is_some() {
            return Err(Obstacle::Refused {
                reason: Reason::NamespaceTerminating,
                message: format!(
                    "namespace {namespace} is being deleted in this member; it is made again when that has ended"
                ),
            });
        }
        let found = live.metadata.labels.clone().unwrap_or_default();
        let adopted = annotation(&live, mark::ADOPT);
        let owner = found.get(mark::TENANT).map(String::as_str);
        whose(
            namespace,
            tenant,
            owner,
            adopted.as_deref(),
            self.made(&live),
            released,
        )?;
        let wanted = as_found(wanted, &found);
        let labels = wanted["metadata"]["labels"].as_object();
        let as_wanted = labels.is_some_and(|labels| {
            labels
                .iter()
                .all(|(name, value)| found.get(name).map(String::as_str) == value.as_str())
        });
        if as_wanted {
            return Ok(());
        }
        let version = live.metadata.resource_version.unwrap_or_default();
        target.apply_over(&self.hub.manager, &wanted, &version).await?;
        Ok(())
    }

    async fn write(
        &self,
        member: &MemberHandle,
        resource: &ApiResource,
        key: &ObjectKey,
        wanted: &Value,
    ) -> Result<(), Obstacle> {
        let client = member.stack().client();
        let target = Target {
            client: &client,
            resource,
            key,
        };
        let Some(live) = target.get_whole().await? else {
            return match target.create(&self.hub.manager, wanted).await? {
                Created::New(_) => Ok(()),
                Created::Occupied => Err(Obstacle::Refused {
                    reason: Reason::Pending,
                    message: format!("{key} has just been made by somebody else; looking again"),
                }),
            };
        };
        if live["subjects"] == wanted["subjects"] && live["roleRef"] == wanted["roleRef"] {
            return Ok(());
        }
        let version = live["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        target.apply_over(&self.hub.manager, wanted, &version).await?;
        Ok(())
    }

    /// Takes back what [`Self::ensure`] made, once nothing of the tenant is left there: the namespace if the
    /// hub made it and it is empty, else only the rights. Of a namespace that stays only because it can't be seen
    /// whether it is empty the rights stay too, unless the member is leaving: they are what one looks with.
    pub async fn withdraw(
        &self,
        member: &MemberHandle,
        namespace: &NamespaceName,
        tenant: &str,
        leaving: bool,
    ) -> Result<Withdrawn, Error> {
        self.doubt(member.name(), namespace);
        let client = member.stack().client();
        let resource = namespaces();
        let key = key("", "Namespace", None, namespace);
        let target = Target {
            client: &client,
            resource: &resource,
            key: &key,
        };
        let Some(live) = target.get().await? else {
            return Ok(Withdrawn::Done);
        };
        let labels = live.metadata.labels.clone().unwrap_or_default();
        if labels.get(mark::TENANT).map(String::as_str) != Some(tenant) {
            return Ok(Withdrawn::Done);
        }
        if live.metadata.deletion_timestamp.is_some() {
            return Ok(Withdrawn::NotYet);
        }
        let made_by_us = self.made(&live);
        let contents = self.contents(member, namespace).await?;
        if matches!(contents, Contents::Ending | Contents::Unknown) {
            return Ok(Withdrawn::NotYet);
        }
        if made_by_us && contents == Contents::Nothing {
            let uid = live.metadata.uid.unwrap_or_default();
            let version = live.metadata.resource_version.unwrap_or_default();
            return match target.delete_exactly(&uid, &version).await {
                Err(error) if error.code() == Some(409) => Ok(Withdrawn::NotYet),
                Err(error) => Err(error),
                Ok(()) => Ok(match target.get().await? {
                    None => Withdrawn::Done,
                    Some(_) => Withdrawn::NotYet,
                }),
            };
        }
        if let Contents::Unreadable(kind) = &contents
            && made_by_us
            && !leaving
        {
            return Ok(Withdrawn::Kept(kind.clone()));
        }
        let key = self::key(RBAC, "RoleBinding", Some(namespace), tenancy::MEMBER_BINDING);
        let resource = role_bindings();
        let target = Target {
            client: &client,
            resource: &resource,
            key: &key,
        };
        if let Some(binding) = target.get().await?
            && binding.managers.hubs.contains_key(&self.hub.manager)
        {
            let uid = binding.metadata.uid.unwrap_or_default();
            let version = binding.metadata.resource_version.unwrap_or_default();
            target.delete_exactly(&uid, &version).await?;
        }
        Ok(Withdrawn::Done)
    }

    /// What a namespace holds besides what Kubernetes and the hub put there.
    async fn contents(&self, member: &MemberHandle, namespace: &NamespaceName) -> Result<Contents, Error> {
        let apis = member.apis();
        if !apis.complete {
            return Ok(Contents::Unknown);
        }
        let mut contents = Contents::Nothing;
        let mut unreadable = None;
        for (kind, api) in &apis.kinds {
            let listed = api.namespaced && api.verbs.iter().any(|verb| verb == "list") && !is_noise(kind);
            let Some(version) = api.versions.first().filter(|_| listed) else {
                continue;
            };
            let Some(items) = list(member, namespace, &resource(kind, version, &api.plural)).await? else {
                unreadable.get_or_insert_with(|| kind.clone());
                continue;
            };
            for item in items
                .iter()
                .filter(|item| !is_furniture(kind, item.metadata.name.as_deref().unwrap_or_default()))
            {
                // Dependents of what was just deleted are collected in a moment. Of a foreign owner in the
                // namespace the owner itself is found too; one outside it keeps them.
                let owners = item.metadata.owner_references.as_deref().unwrap_or_default();
                let from_here = |owner: &OwnerReference| {
                    let group = owner.api_version.rsplit_once('/').map_or("", |(group, _)| group);
                    let kind = GroupKind::new(group, owner.kind.as_str());
                    apis.kind(&kind).is_some_and(|api| api.namespaced)
                };
                let going = item.metadata.deletion_timestamp.is_some()
                    || (!owners.is_empty() && owners.iter().all(from_here));
                if !going {
                    return Ok(Contents::Somebodys);
                }
                contents = Contents::Ending;
            }
        }
        Ok(match unreadable {
            // What is ending may be all there is; then this is asked again.
            Some(kind) if contents == Contents::Nothing => Contents::Unreadable(kind),
            _ => contents,
        })
    }
}

/// Whether a namespace that is there already may be used for a tenant: `owner` is whose it is by its label, `adopted` to
/// whom its owner in the member gave it, `ours` whether the hub made it.
fn whose(
    namespace: &NamespaceName,
    tenant: &str,
    owner: Option<&str>,
    adopted: Option<&str>,
    ours: bool,
    released: impl Fn(&str) -> bool,
) -> Result<(), Obstacle> {
    let given = adopted == Some(tenant);
    let refused = |reason, message| Err(Obstacle::Refused { reason, message });
    let hint = |overwrite: &str| {
        format!(
            "kubectl annotate {overwrite}namespace {namespace} {}={tenant}",
            mark::ADOPT
        )
    };
    match owner {
        Some(owner) if owner == tenant => Ok(()),
        None if given => Ok(()),
        None => refused(
            Reason::NamespaceNotOurs,
            format!(
                "namespace {namespace} is there already and was not made by this hub; its owner can hand it over: {}",
                hint("")
            ),
        ),
        Some(owner) if !released(owner) => refused(
            Reason::NamespaceClaimed,
            format!("namespace {namespace} belongs to tenant {owner} in this member"),
        ),
        // An administrator took it from one tenant and gave it to another: at the hub it moved with all it holds.
        Some(_) if ours || given => Ok(()),
        // Of an adopted one that is not for the hub to decide.
        Some(owner) => refused(
            Reason::NamespaceClaimed,
            format!(
                "namespace {namespace} was given to tenant {owner} in this member; its owner can hand it over: {}",
                hint("--overwrite ")
            ),
        ),
    }
}

/// How far a namespace is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withdrawn {
    /// There is nothing more to do.
    Done,
    /// Something there is still ending: look again.
    NotYet,
    /// The namespace that the hub made stays, since nobody may look there for objects of this kind.
    Kept(GroupKind),
}

/// What is left in a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Contents {
    Nothing,
    /// Nothing that can be seen; of this kind it can't be told.
    Unreadable(GroupKind),
    /// Only what is on its way out.
    Ending,
    /// At least one object that is not ours to delete.
    Somebodys,
    /// The member's discovery is incomplete.
    Unknown,
}

/// Lists as the hub, else as the tenant. `None` when neither may.
async fn list(
    member: &MemberHandle,
    namespace: &NamespaceName,
    resource: &ApiResource,
) -> Result<Option<Vec<PartialObjectMeta<DynamicObject>>>, Error> {
    let clients = [
        member.stack().client(),
        member.stack().acting_as(&ActAs::tenant(namespace))?,
    ];
    for client in clients {
        let objects: Api<DynamicObject> = Api::namespaced_with(client, namespace, resource);
        match objects.list_metadata(&ListParams::default().limit(500)).await {
            Ok(list) => return Ok(Some(list.items)),
            Err(kube::Error::Api(status)) if matches!(status.code, 403..=405) => {}
            Err(source) => {
                return Err(Error::call(
                    format!("list {} in {namespace}", resource.plural),
                    source,
                ));
            }
        }
    }
    Ok(None)
}

/// Kinds that come and go by themselves. Custom kinds of the same names are somebody's.
fn is_noise(kind: &GroupKind) -> bool {
    matches!(
        (&*kind.group, &*kind.kind),
        ("", "Event" | "Endpoints" | "Binding")
            | ("events.k8s.io", "Event")
            | ("discovery.k8s.io", "EndpointSlice")
            | ("coordination.k8s.io", "Lease")
            | ("metrics.k8s.io", "PodMetrics")
            | ("authorization.k8s.io", "LocalSubjectAccessReview")
    )
}

/// What Kubernetes and the hub put into every namespace.
fn is_furniture(kind: &GroupKind, name: &str) -> bool {
    matches!(
        (&*kind.group, &*kind.kind, name),
        ("", "ConfigMap", "kube-root-ca.crt")
            | ("", "ServiceAccount", "default")
            | (RBAC, "RoleBinding", tenancy::MEMBER_BINDING)
    )
}

const LEVEL: &str = "pod-security.kubernetes.io/enforce";

/// What is wanted of a namespace that is there already: a stricter level stays, and one that the hub did not make
/// is not marked as if it had, or it would be deleted once it is empty and its owner's annotation is gone.
fn as_found(wanted: &Value, found: &BTreeMap<String, String>) -> Value {
    let mut wanted = wanted.clone();
    if let Some(labels) = wanted["metadata"]["labels"].as_object_mut() {
        if found.get(LEVEL).map(String::as_str) == Some("restricted") {
            labels.insert(LEVEL.to_owned(), "restricted".into());
        }
        if found.get(mark::MANAGED_BY).map(String::as_str) != Some(mark::HANSE) {
            labels.remove(mark::MANAGED_BY);
        }
    }
    wanted
}

fn annotation(live: &Observed, name: &str) -> Option<String> {
    live.metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(name))
        .cloned()
}

pub(super) fn resource(kind: &GroupKind, version: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&KubeKind::gvk(&kind.group, version, &kind.kind), plural)
}

pub(super) fn namespaces() -> ApiResource {
    resource(&GroupKind::new("", "Namespace"), "v1", "namespaces")
}

pub(super) fn role_bindings() -> ApiResource {
    resource(
        &GroupKind::new("rbac.authorization.k8s.io", "RoleBinding"),
        "v1",
        "rolebindings",
    )
}

pub(super) fn key(group: &str, kind: &str, namespace: Option<&NamespaceName>, name: &str) -> ObjectKey {
    // Names that come here were parsed before, or are constants.
    let name = ObjectName::parse(name).unwrap_or_else(|_| unreachable!("{name} is a name"));
    ObjectKey::new(&GroupKind::new(group, kind), namespace.cloned(), name)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn wanted() -> Value {
        tenancy::member_namespace(&"shop".parse().unwrap(), &tenancy::admin())
    }

    #[rstest]
    #[case::its_own(Some("shop"), None, false, false, None)]
    #[case::somebodys(None, None, false, false, Some(Reason::NamespaceNotOurs))]
    #[case::given_by_its_owner(None, Some("shop"), false, false, None)]
    #[case::of_another_tenant(Some("bank"), None, true, false, Some(Reason::NamespaceClaimed))]
    #[case::moved_from_another_tenant(Some("bank"), None, true, true, None)]
    #[case::moved_but_given_to_the_other_one(
        Some("bank"),
        Some("bank"),
        false,
        true,
        Some(Reason::NamespaceClaimed)
    )]
    #[case::moved_and_given_anew(Some("bank"), Some("shop"), false, true, None)]
    #[case::given_while_the_other_one_has_it(
        Some("bank"),
        Some("shop"),
        false,
        false,
        Some(Reason::NamespaceClaimed)
    )]
    #[case::labelled_by_somebody_else(Some("bank"), None, false, true, Some(Reason::NamespaceClaimed))]
    fn a_namespace_goes_over_only_when_its_tenant_has_let_it_go(
        #[case] owner: Option<&str>,
        #[case] adopted: Option<&str>,
        #[case] ours: bool,
        #[case] released: bool,
        #[case] refused: Option<Reason>,
    ) {
        let namespace = "shop".parse().unwrap();
        let found = match whose(&namespace, "shop", owner, adopted, ours, |_| released) {
            Ok(()) => None,
            Err(Obstacle::Refused { reason, .. }) => Some(reason),
            Err(Obstacle::Wire(error)) => panic!("{error}"),
        };
        assert_eq!(found, refused);
    }

    #[test]
    fn a_stricter_level_is_never_lowered() {
        let found = BTreeMap::from([(LEVEL.to_owned(), "restricted".to_owned())]);
        assert_eq!(
            as_found(&wanted(), &found)["metadata"]["labels"][LEVEL],
            "restricted"
        );
        let found = BTreeMap::from([(LEVEL.to_owned(), "privileged".to_owned())]);
        assert_eq!(
            as_found(&wanted(), &found)["metadata"]["labels"][LEVEL],
            "baseline"
        );
    }

    #[test]
    fn only_a_namespace_that_the_hub_made_is_marked_as_made_by_it() {
        let mark = |found: &BTreeMap<String, String>| {
            as_found(&wanted(), found)["metadata"]["labels"]
                .get(mark::MANAGED_BY)
                .cloned()
        };
        assert_eq!(mark(&BTreeMap::new()), None);
        let ours = BTreeMap::from([(mark::MANAGED_BY.to_owned(), mark::HANSE.to_owned())]);
        assert_eq!(mark(&ours), Some(mark::HANSE.into()));
    }

    #[rstest]
    #[case::leases("coordination.k8s.io", "Lease", true)]
    #[case::custom_leases("cars.example.com", "Lease", false)]
    #[case::custom_events("calendar.example.com", "Event", false)]
    #[case::custom_bindings("books.example.com", "Binding", false)]
    fn a_custom_kind_is_somebodys_whatever_it_is_called(
        #[case] group: &str,
        #[case] kind: &str,
        #[case] noise: bool,
    ) {
        assert_eq!(is_noise(&GroupKind::new(group, kind)), noise);
        let furniture = is_furniture(&GroupKind::new("example.com", "ConfigMap"), "kube-root-ca.crt");
        assert!(!furniture);
    }
}
