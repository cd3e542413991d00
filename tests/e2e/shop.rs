//! A tenant of a scenario: one namespace, one policy that selects everything, and short ways to look and to write.

use std::time::Duration;

use futures::future::try_join_all;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::harness::{Answer, Federation, Fleet, HubCommand, NotYet, eventually};

/// How soon an ordinary change is expected to have reached everything.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// Who edits in members when a scenario does.
pub(crate) const INTRUDER: &str = "intruder";

/// A tenant, its namespace and its policy, all of one name.
pub(crate) struct Shop<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) hub: HubCommand,
    pub(crate) name: String,
}

impl<'a> Shop<'a> {
    /// Opens a shop that everything of which goes everywhere.
    pub(crate) async fn open(fleet: &'a Fleet, federation: &Federation, prefix: &str) -> Self {
        Self::open_with(fleet, &federation.hub, prefix, json!({})).await
    }

    /// Opens a shop; `more` is merged into the spec of its policy.
    pub(crate) async fn open_with(fleet: &'a Fleet, hub: &HubCommand, prefix: &str, more: Value) -> Self {
        let name = fleet.namespace(prefix);
        let shop = Self {
            fleet,
            hub: hub.clone(),
            name,
        };
        let mut spec = json!({"resourceSelectors": [{"apiVersion": "*", "kind": "*"}]});
        json_patch::merge(&mut spec, &more);
        let manifests = [
            json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": shop.name}, "spec": {"namespaces": [shop.name]}}),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shop.name}}),
            json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": shop.name}, "spec": spec}),
        ];
        shop.apply(&manifests).await;
        shop
    }

    /// `hub apply` of these into the shop's namespace.
    pub(crate) async fn apply(&self, manifests: &[Value]) {
        self.try_apply(manifests, &[]).await.success();
    }

    /// `hub apply --wait`.
    pub(crate) async fn apply_and_wait(&self, manifests: &[Value]) {
        self.try_apply(manifests, &["--wait", "--timeout", "60s"])
            .await
            .success();
    }

    pub(crate) async fn try_apply(&self, manifests: &[Value], more: &[&str]) -> Answer {
        let text: Vec<String> = manifests.iter().map(Value::to_string).collect();
        let mut arguments = vec!["apply", "-n", &self.name, "-f", "-"];
        arguments.extend(more);
        self.hub
            .run_with_input(&arguments, &text.join("\n---\n"))
            .await
            .unwrap()
    }

    /// One command in the shop's namespace.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Answer {
        let mut all = arguments.to_vec();
        all.extend(["-n", &self.name]);
        self.hub.run(&all).await.unwrap()
    }

    pub(crate) fn on_hub(&self, kind: &str) -> Api<DynamicObject> {
        objects(self.fleet.hub().admin(), &self.name, kind)
    }

    pub(crate) fn in_member(&self, number: usize, kind: &str) -> Api<DynamicObject> {
        objects(self.fleet.members()[number].admin(), &self.name, kind)
    }

    /// The live object in a member.
    pub(crate) async fn seen(&self, number: usize, kind: &str, name: &str) -> Value {
        value(&self.in_member(number, kind).get(name).await.unwrap())
    }

    /// A merge patch of the template, as its owner.
    pub(crate) async fn edit(&self, kind: &str, name: &str, patch: Value) {
        merge(&self.on_hub(kind), name, "owner", patch).await;
    }

    /// A merge patch in a member, as somebody who is not the hub.
    pub(crate) async fn meddle(&self, number: usize, kind: &str, name: &str, patch: Value) {
        merge(&self.in_member(number, kind), name, INTRUDER, patch).await;
    }

    /// Waits until the object in every member fulfils `holds`.
    pub(crate) async fn everywhere(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) {
        let all: Vec<usize> = (0..self.fleet.members().len()).collect();
        self.within(SOON, &all, kind, name, what, holds).await;
    }

    /// Waits until the object in these members fulfils `holds`.
    pub(crate) async fn within(
        &self,
        bound: Duration,
        members: &[usize],
        kind: &str,
        name: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) {
        eventually(bound, &format!("{name}: {what}"), async || {
            let look = members.iter().map(async |number| {
                let live = self.in_member(*number, kind).get(name).await?;
                let live = value(&live);
                if holds(&live) {
                    Ok(())
                } else {
                    Err(NotYet(format!("member {}: {live}", number + 1)))
                }
            });
            try_join_all(look).await.map(|_| ())
        })
        .await;
    }

    /// Waits until the object is in none of these members.
    pub(crate) async fn nowhere(&self, members: &[usize], kind: &str, name: &str) {
        eventually(SOON, &format!("{name} is gone from {members:?}"), async || {
            for number in members {
                if self.in_member(*number, kind).get_opt(name).await?.is_some() {
                    return Err(NotYet(format!("member {} has it", number + 1)));
                }
            }
            Ok(())
        })
        .await;
    }

    /// The binding of a template.
    pub(crate) async fn binding(&self, kind: &str, name: &str) -> Option<Value> {
        let listed = self
            .on_hub("WorkloadBinding")
            .list(&ListParams::default())
            .await
            .unwrap();
        let of = |binding: &Value| {
            binding["spec"]["template"]["kind"] == kind && binding["spec"]["template"]["name"] == name
        };
        listed.iter().map(value).find(of)
    }

    /// Waits until a condition of the template's binding has this status and reason; its message.
    pub(crate) async fn condition(
        &self,
        kind: &str,
        name: &str,
        condition: &str,
        status: &str,
        reason: &str,
    ) -> String {
        let what = format!("{name} is {condition}={status} ({reason})");
        eventually(SOON, &what, async || {
            let binding = self
                .binding(kind, name)
                .await
                .ok_or_else(|| NotYet::from("it has no binding"))?;
            let found = condition_of(&binding, condition);
            if found["status"] == status && found["reason"] == reason {
                Ok(found["message"].as_str().unwrap_or_default().to_owned())
            } else {
                Err(NotYet(binding["status"]["conditions"].to_string()))
            }
        })
        .await
    }

    /// Waits for an event about the template; its note.
    pub(crate) async fn event(&self, name: &str, reason: &str, part: &str) -> String {
        eventually(
            SOON,
            &format!("event {reason} about {name} says {part:?}"),
            async || {
                let events = self.on_hub("Event").list(&ListParams::default()).await?;
                let notes: Vec<String> = events
                    .iter()
                    .map(value)
                    .filter(|event| event["regarding"]["name"] == name && event["reason"] == reason)
                    .map(|event| event["note"].as_str().unwrap_or_default().to_owned())
                    .collect();
                notes
                    .iter()
                    .find(|note| note.contains(part))
                    .cloned()
                    .ok_or_else(|| NotYet(format!("{notes:?}")))
            },
        )
        .await
    }

    pub(crate) async fn delete(&self, kind: &str, name: &str) {
        self.on_hub(kind)
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    /// Removes the tenant and its hub namespace, so that later scenarios have the room.
    pub(crate) async fn close(self) {
        let tenants = everywhere_kind(self.fleet.hub().admin(), "Tenant");
        let namespaces = everywhere_kind(self.fleet.hub().admin(), "Namespace");
        let _ = namespaces.delete(&self.name, &DeleteParams::default()).await;
        let _ = tenants.delete(&self.name, &DeleteParams::default()).await;
    }
}

/// The field manager's name of the hub's entry in `managedFields`.
pub(crate) fn hub_entry(live: &Value) -> Option<&Value> {
    let entries = live["metadata"]["managedFields"].as_array()?;
    entries.iter().find(|entry| {
        let manager = entry["manager"].as_str().unwrap_or_default();
        manager.starts_with("hanse-") && !manager.ends_with("-ignored")
    })
}

/// Objects of a kind, by the kind's name alone.
pub(crate) fn objects(client: Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &resource(kind))
}

/// Objects of a cluster-scoped kind, or of a namespaced one in all namespaces.
pub(crate) fn everywhere_kind(client: Client, kind: &str) -> Api<DynamicObject> {
    Api::all_with(client, &resource(kind))
}

fn resource(kind: &str) -> ApiResource {
    let (group, version) = match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => ("apps", "v1"),
        "Job" => ("batch", "v1"),
        "HorizontalPodAutoscaler" => ("autoscaling", "v2"),
        "Event" => ("events.k8s.io", "v1"),
        "Lease" => ("coordination.k8s.io", "v1"),
        "Role" | "RoleBinding" | "ClusterRole" => ("rbac.authorization.k8s.io", "v1"),
        "CustomResourceDefinition" => ("apiextensions.k8s.io", "v1"),
        "Widget" => ("example.dev", "v1"),
        "Tenant"
        | "Cluster"
        | "PropagationPolicy"
        | "ClusterPropagationPolicy"
        | "Bundle"
        | "KindRule"
        | "WorkloadBinding"
        | "OverridePolicy"
        | "ClusterOverridePolicy" => ("hanse.dev", "v1alpha1"),
        _ => ("", "v1"),
    };
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    if kind == "Endpoints" {
        resource.plural = "endpoints".to_owned();
    }
    resource
}

pub(crate) fn value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap()
}

/// A condition of an object; null when it has none of this type.
pub(crate) fn condition_of(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let mut found = conditions.filter(|condition| condition["type"] == kind);
    found.next().cloned().unwrap_or_default()
}

pub(crate) async fn merge(api: &Api<DynamicObject>, name: &str, manager: &str, patch: Value) {
    let params = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    api.patch(name, &params, &Patch::Merge(patch)).await.unwrap();
}

/// Creates an object as somebody who is not the hub.
pub(crate) async fn create(api: &Api<DynamicObject>, object: Value) {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let params = kube::api::PostParams {
        field_manager: Some(INTRUDER.to_owned()),
        ..kube::api::PostParams::default()
    };
    api.create(&params, &object)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", object.name_any()));
}

/// A Deployment of one replica.
pub(crate) fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": "example.dev/app:1", "env": [{"name": "A", "value": "1"}]}]},
            },
        },
    })
}

pub(crate) fn config_map(name: &str, text: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": text}})
}

pub(crate) fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    })
}

pub(crate) fn image(name: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": name}]}}}})
}
