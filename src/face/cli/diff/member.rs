//! Members, asked what runs there and what would.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::{
    Api, Error as KubeError,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde_json::Value;

use super::super::{context::Hub, failure::Failure, member::through_secret};
use super::{
    problem,
    world::{Place, World},
};
use crate::{
    act::{
        fleet::{survey, unsurveyed},
        wire::{ActAs, Stack},
    },
    decide::{
        render::{self, Context, Intent, Replicas, render},
        tenancy::{self, ActsAs},
    },
    model::{
        api::Cluster,
        fleet::{Member, Snapshot},
        manifest::Code,
        mark,
        name::{ClusterName, GroupKind, ObjectKey},
        template::Template,
    },
};

/// The members that were needed so far.
pub(super) struct Members<'a> {
    hub: &'a Hub,
    world: &'a World,
    known: BTreeMap<ClusterName, Result<Connected, Failure>>,
}

struct Connected {
    stack: Stack,
    member: Member,
}

/// An object in a member: what runs, and what would.
pub(super) struct Seen {
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

impl<'a> Members<'a> {
    pub(super) fn new(hub: &'a Hub, world: &'a World) -> Self {
        Self {
            hub,
            world,
            known: BTreeMap::new(),
        }
    }

    /// Connects to a member, unless that was tried already.
    pub(super) async fn connect(&mut self, name: &ClusterName) {
        if self.known.contains_key(name) {
            return;
        }
        let connected = match self.world.clusters.get(name) {
            Some(cluster) => connect(self.hub, name, cluster).await,
            None => Err(problem(format!("there is no Cluster {name}"))),
        };
        self.known.insert(name.clone(), connected);
    }

    /// The fleet as the hub would see it. What can't be reached from here may be where it is, and gets nothing new.
    pub(super) async fn all(&mut self) -> Snapshot {
        let world = self.world;
        for name in world.clusters.keys() {
            self.connect(name).await;
        }
        let of = |(name, cluster): (&ClusterName, &Cluster)| {
            let member = match self.known.get(name) {
                Some(Ok(connected)) => connected.member.clone(),
                _ => unsurveyed(name, cluster),
            };
            (name.clone(), Arc::new(member))
        };
        Snapshot {
            members: world.clusters.iter().map(of).collect(),
        }
    }

    /// What runs at a place and what would, as the member itself says.
    pub(super) async fn compare(&self, place: &Place, template: &Template) -> Result<Seen, Failure> {
        let connected = match self.known.get(&place.cluster) {
            Some(Ok(connected)) => connected,
            Some(Err(failure)) => return Err(failure.clone()),
            None => return Err(problem("nobody has connected to it")),
        };
        let member = &connected.member;
        let kind = template.key.group_kind();
        let key = key_in(member, &template.key);
        let Some(api) = api_of(connected, place, template) else {
            if place.leaves {
                return Ok(Seen {
                    before: None,
                    after: None,
                });
            }
            return Err(problem(format!("the member does not serve {kind}")));
        };
        let api = api?;
        let cluster = place.cluster.as_str();
        let live = api
            .get_opt(&template.key.name)
            .await
            .map_err(|error| Failure::member(cluster, &format!("read {key}"), &error))?;
        let live = live.and_then(|live| serde_json::to_value(live).ok());
        let ours = live.as_ref().is_some_and(|live| self.is_ours(place, &key, live));
        if place.leaves {
            return Ok(Seen {
                before: live.filter(|_| ours),
                after: None,
            });
        }
        let intent = self.intent(place, template, member, live.as_ref())?;
        judge(place, template, member, &kind, &intent)?;
        if live.is_some() && !ours {
            return Err(problem(format!(
                "{key} exists in the member and was not made by this hub; it is left alone"
            )));
        }
        let mut params = PatchParams::apply(&self.world.me.manager);
        params.dry_run = true;
        params.force = live.is_some();
        let after = match api
            .patch(&template.key.name, &params, &Patch::Apply(&*intent.body))
            .await
        {
            Ok(after) => serde_json::to_value(after).ok(),
            // The hub makes it first.
            Err(KubeError::Api(status))
                if status.code == 404 && status.message.starts_with("namespaces ") =>
            {
                Some((*intent.body).clone())
            }
            // So does a member that has the namespace and not yet the tenant's rights in it.
            Err(KubeError::Api(status))
                if status.code == 403 && live.is_none() && place.uid(&key).is_none() =>
            {
                Some((*intent.body).clone())
            }
            Err(error) => return Err(Failure::member(cluster, &format!("try {key}"), &error)),
        };
        Ok(Seen { before: live, after })
    }

    /// By the recorded uid, or by stamp and entry.
    fn is_ours(&self, place: &Place, key: &ObjectKey, live: &Value) -> bool {
        let meta = &live["metadata"];
        let stamp = |name: &str| meta["annotations"].get(name).and_then(Value::as_str);
        let uid = place.uid(key);
        let recorded = uid.is_some() && meta["uid"].as_str() == uid;
        recorded
            || (stamp(mark::OBJECT) == Some(&key.annotation())
                && stamp(mark::HUB) == Some(&self.world.me.id)
                && has_applied(live, &self.world.me.manager))
    }

    fn intent(
        &self,
        place: &Place,
        template: &Template,
        member: &Member,
        live: Option<&Value>,
    ) -> Result<Intent, Failure> {
        let tenant = match &place.acts_as {
            ActsAs::Tenant(tenant) => tenant.name.as_str(),
            _ => tenancy::ADMIN,
        };
        // An autoscaler was given the replicas there: the hub leaves them alone.
        let autoscaled = live.is_some_and(|live| holds_replicas(live, &self.world.me.second_manager()));
        let replicas = match place.replicas {
            _ if autoscaled => Replicas::Autoscaler,
            Some(replicas) => Replicas::Exactly(replicas),
            None => Replicas::Template,
        };
        let context = Context {
            hub: &self.world.me.id,
            binding: &place.binding,
            template: place.bundle.as_ref(),
            tenant,
            member,
            replicas,
            scale: place.scale,
            overrides: &self.world.overrides.of_template(template),
        };
        render(template, &context).map_err(|error| match error {
            render::Error::Override(error) => problem(error.to_string()),
            error => problem(error.to_string()),
        })
    }
}

/// The objects of the template's kind in the member, as whom they are written. None when it does not serve the kind.
fn api_of(
    connected: &Connected,
    place: &Place,
    template: &Template,
) -> Option<Result<Api<DynamicObject>, Failure>> {
    let kind = template.key.group_kind();
    let served = connected.member.apis.kind(&kind)?;
    let version = served.version_or_preferred(&template.gvk.version)?;
    let gvk = kube::core::GroupVersionKind::gvk(&kind.group, version, &kind.kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, &served.plural);
    let namespace = template.namespace()?;
    let identity = match place.acts_as {
        ActsAs::Admin => ActAs::admin(),
        _ => ActAs::tenant(namespace),
    };
    let client = connected.stack.acting_as(&identity).map_err(Failure::from);
    Some(client.map(|client| {
        if served.namespaced {
            Api::namespaced_with(client, namespace, &resource)
        } else {
            Api::all_with(client, &resource)
        }
    }))
}

/// The object as the member has it: what a Bundle carries is read as if every kind had namespaces.
fn key_in(member: &Member, key: &ObjectKey) -> ObjectKey {
    let served = member.apis.kind(&key.group_kind());
    let scoped = served.is_none_or(|served| served.namespaced);
    ObjectKey {
        namespace: key.namespace.clone().filter(|_| scoped),
        ..key.clone()
    }
}

/// Whether the number of replicas was handed over to the manager of what is left to members.
fn holds_replicas(live: &Value, manager: &str) -> bool {
    let entries = live["metadata"]["managedFields"].as_array();
    entries
        .into_iter()
        .flatten()
        .any(|entry| entry["manager"] == manager && entry.pointer("/fieldsV1/f:spec/f:replicas").is_some())
}

fn has_applied(live: &Value, manager: &str) -> bool {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries
        .into_iter()
        .flatten()
        .any(|entry| entry["manager"] == manager && entry["operation"] == "Apply")
}

/// The hub's own guard, on the final object.
fn judge(
    place: &Place,
    template: &Template,
    member: &Member,
    kind: &GroupKind,
    intent: &Intent,
) -> Result<(), Failure> {
    let (Some(served), Some(namespace)) = (member.apis.kind(kind), template.namespace()) else {
        return Ok(());
    };
    tenancy::may_propagate(&place.acts_as, namespace, kind, served, &intent.body)
        .map_err(|refusal| problem(refusal.to_string()))
}

async fn connect(hub: &Hub, name: &ClusterName, cluster: &Cluster) -> Result<Connected, Failure> {
    let stack = through_secret(hub, name).await?;
    let member = survey(&stack.client(), name, cluster).await;
    let member = member.map_err(|error| {
        Failure::new(
            Code::MEMBER_UNREACHABLE,
            format!("failed to look into member {name}: {error}"),
        )
        .with_hint("`hub get clusters` shows whether the hub reaches it")
    })?;
    Ok(Connected { stack, member })
}
