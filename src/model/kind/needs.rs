//! What an object names and cannot run without.

use std::collections::BTreeSet;

use serde_json::Value;

use super::pod_template_pointer;
use crate::model::name::{GroupKind, ObjectName};

/// An object of the same namespace that another one names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dependency {
    /// ConfigMap, Secret, `ServiceAccount`, `PersistentVolumeClaim` or Service of the core group; any that a
    /// `KindRule` names.
    pub kind: GroupKind,
    /// Its name.
    pub name: ObjectName,
}

/// What the rendered object names: `ConfigMaps`, Secrets, `ServiceAccounts` and claims of its pods, Secrets
/// of Ingresses, Gateways and `ServiceAccounts`; Services only by Ingresses, routes and the `serviceName` of a
/// `StatefulSet`. Sorted, each once. What every cluster has itself is left out, and so are names that no
/// object can have.
#[must_use]
pub fn dependencies(kind: &GroupKind, object: &Value) -> Vec<Dependency> {
    named(kind, pod_template_pointer(kind), object)
        .into_iter()
        .collect()
}

/// The same, where it is known where the pod template lies.
pub(super) fn named(kind: &GroupKind, pods: Option<&str>, object: &Value) -> BTreeSet<Dependency> {
    let mut found = Found::default();
    let template = pods.and_then(|pointer| object.pointer(pointer));
    if let Some(pod) = template.and_then(|template| template.get("spec")) {
        of_pod(pod, &mut found);
    }
    match (&*kind.group, &*kind.kind) {
        ("apps", "StatefulSet") => found.add("Service", object.pointer("/spec/serviceName")),
        ("", "ServiceAccount") => {
            for secret in items(object.get("imagePullSecrets")) {
                found.add("Secret", secret.get("name"));
            }
        }
        ("networking.k8s.io" | "extensions", "Ingress") => of_ingress(object, &mut found),
        ("gateway.networking.k8s.io", "Gateway") => {
            for listener in items(object.pointer("/spec/listeners")) {
                for reference in items(listener.pointer("/tls/certificateRefs")) {
                    of_reference(reference, "Secret", &mut found);
                }
            }
        }
        ("gateway.networking.k8s.io", route) if route.ends_with("Route") => of_route(object, &mut found),
        _ => {}
    }
    found.0
}

/// Of what [`dependencies`] finds, that without which no pod starts: `ConfigMaps`, Secrets and claims that are not
/// `optional`, and the `ServiceAccount`. A kubelet goes on without an image pull secret, and an Ingress without its
/// certificate. Sorted, each once.
#[must_use]
pub fn mandatory(kind: &GroupKind, object: &Value) -> Vec<Dependency> {
    let mut found = Found::default();
    let template = pod_template_pointer(kind).and_then(|pointer| object.pointer(pointer));
    if let Some(pod) = template.and_then(|template| template.get("spec")) {
        found.add("ServiceAccount", pod.get("serviceAccountName"));
        of_containers(pod, false, &mut found);
        for volume in items(pod.get("volumes")) {
            of_sources(volume, false, &mut found);
        }
    }
    found.0.into_iter().collect()
}

#[derive(Default)]
struct Found(BTreeSet<Dependency>);

impl Found {
    fn add(&mut self, kind: &str, name: Option<&Value>) {
        let Some(name) = name.and_then(Value::as_str) else {
            return;
        };
        if matches!(
            (kind, name),
            ("ServiceAccount", "default") | ("ConfigMap", "kube-root-ca.crt")
        ) {
            return;
        }
        if let Ok(name) = ObjectName::parse(name) {
            self.0.insert(Dependency {
                kind: GroupKind::new("", kind),
                name,
            });
        }
    }
}

fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

fn of_pod(pod: &Value, found: &mut Found) {
    found.add("ServiceAccount", pod.get("serviceAccountName"));
    for secret in items(pod.get("imagePullSecrets")) {
        found.add("Secret", secret.get("name"));
    }
    of_containers(pod, true, found);
    for volume in items(pod.get("volumes")) {
        of_volume(volume, found);
    }
}

/// What the environment of containers comes from.
fn of_containers(pod: &Value, optional_too: bool, found: &mut Found) {
    let mut add = |kind: &str, reference: Option<&Value>| {
        if let Some(reference) = reference.filter(|reference| optional_too || !is_optional(reference)) {
            found.add(kind, reference.get("name"));
        }
    };
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in items(pod.get(list)) {
            for source in items(container.get("envFrom")) {
                add("ConfigMap", source.get("configMapRef"));
                add("Secret", source.get("secretRef"));
            }
            for variable in items(container.get("env")) {
                add("ConfigMap", variable.pointer("/valueFrom/configMapKeyRef"));
                add("Secret", variable.pointer("/valueFrom/secretKeyRef"));
            }
        }
    }
}

fn is_optional(reference: &Value) -> bool {
    reference.get("optional").and_then(Value::as_bool) == Some(true)
}

/// What the usual kinds of volumes hold.
fn of_sources(volume: &Value, optional_too: bool, found: &mut Found) {
    let mut add = |kind: &str, reference: Option<&Value>, field: &str| {
        if let Some(reference) = reference.filter(|reference| optional_too || !is_optional(reference)) {
            found.add(kind, reference.get(field));
        }
    };
    add("ConfigMap", volume.get("configMap"), "name");
    add("Secret", volume.get("secret"), "secretName");
    add(
        "PersistentVolumeClaim",
        volume.get("persistentVolumeClaim"),
        "claimName",
    );
    for source in items(volume.pointer("/projected/sources")) {
        add("ConfigMap", source.get("configMap"), "name");
        add("Secret", source.get("secret"), "name");
    }
}

fn of_volume(volume: &Value, found: &mut Found) {
    of_sources(volume, true, found);
    found.add("Secret", volume.pointer("/azureFile/secretName"));
    found.add("Secret", volume.pointer("/csi/nodePublishSecretRef/name"));
    // Every older volume plugin calls it the same.
    for plugin in volume.as_object().into_iter().flat_map(|fields| fields.values()) {
        found.add("Secret", plugin.pointer("/secretRef/name"));
    }
}

fn of_ingress(ingress: &Value, found: &mut Found) {
    found.add("Service", ingress.pointer("/spec/defaultBackend/service/name"));
    for rule in items(ingress.pointer("/spec/rules")) {
        for path in items(rule.pointer("/http/paths")) {
            found.add("Service", path.pointer("/backend/service/name"));
        }
    }
    for tls in items(ingress.pointer("/spec/tls")) {
        found.add("Secret", tls.get("secretName"));
    }
}

fn of_route(route: &Value, found: &mut Found) {
    for rule in items(route.pointer("/spec/rules")) {
        for backend in items(rule.get("backendRefs")) {
            of_reference(backend, "Service", found);
        }
        for filter in items(rule.get("filters")) {
            if let Some(mirror) = filter.pointer("/requestMirror/backendRef") {
                of_reference(mirror, "Service", found);
            }
        }
    }
}

/// A Gateway API reference: core group and `kind` unless it says otherwise. Those into other namespaces are
/// somebody else's.
fn of_reference(reference: &Value, kind: &str, found: &mut Found) {
    let text = |field: &str| reference.get(field).and_then(Value::as_str);
    if text("group").unwrap_or("").is_empty()
        && text("kind").unwrap_or(kind) == kind
        && text("namespace").is_none()
    {
        found.add(kind, reference.get("name"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(group: &str, kind: &str, object: &Value) -> Vec<String> {
        let found = dependencies(&GroupKind::new(group, kind), object);
        found
            .iter()
            .map(|need| format!("{}/{}", need.kind, need.name))
            .collect()
    }

    #[test]
    fn everything_a_pod_names_is_found_once_and_in_order() {
        let object = json!({"spec": {"template": {"spec": {
            "serviceAccountName": "web",
            "imagePullSecrets": [{"name": "pull"}],
            "initContainers": [{"envFrom": [{"configMapRef": {"name": "init"}}, {"secretRef": {"name": "s-from"}}]}],
            "containers": [{"env": [
                {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "env", "key": "a"}}},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s-env", "key": "b"}}},
                {"name": "C", "value": "plain"},
            ]}],
            "volumes": [
                {"name": "a", "configMap": {"name": "init"}},
                {"name": "b", "secret": {"secretName": "s-vol"}},
                {"name": "c", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "d", "projected": {"sources": [
                    {"configMap": {"name": "kube-root-ca.crt"}}, {"configMap": {"name": "p"}}, {"secret": {"name": "s-p"}},
                    {"serviceAccountToken": {"path": "token"}},
                ]}},
                {"name": "e", "csi": {"driver": "x", "nodePublishSecretRef": {"name": "s-csi"}}},
                {"name": "f", "cephfs": {"secretRef": {"name": "s-ceph"}}},
            ],
        }}}});
        assert_eq!(
            names("apps", "Deployment", &object),
            [
                "ConfigMap/env",
                "ConfigMap/init",
                "ConfigMap/p",
                "PersistentVolumeClaim/data",
                "Secret/pull",
                "Secret/s-ceph",
                "Secret/s-csi",
                "Secret/s-env",
                "Secret/s-from",
                "Secret/s-p",
                "Secret/s-vol",
                "ServiceAccount/web",
            ]
        );
    }

    #[test]
    fn no_pod_waits_for_what_is_optional() {
        let object = json!({"spec": {"template": {"spec": {
            "serviceAccountName": "web",
            "imagePullSecrets": [{"name": "pull"}],
            "containers": [{
                "envFrom": [{"configMapRef": {"name": "maybe", "optional": true}}, {"secretRef": {"name": "both", "optional": true}}],
                "env": [
                    {"name": "A", "valueFrom": {"secretKeyRef": {"name": "both", "key": "a"}}},
                    {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "key", "key": "a", "optional": false}}},
                ],
            }],
            "volumes": [
                {"name": "a", "configMap": {"name": "maybe-volume", "optional": true}},
                {"name": "b", "secret": {"secretName": "volume"}},
                {"name": "c", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "d", "projected": {"sources": [{"secret": {"name": "maybe", "optional": true}}, {"configMap": {"name": "p"}}]}},
            ],
        }}}});
        let found = mandatory(&GroupKind::new("apps", "Deployment"), &object);
        let found: Vec<String> = found
            .iter()
            .map(|need| format!("{}/{}", need.kind, need.name))
            .collect();
        assert_eq!(
            found,
            [
                "ConfigMap/key",
                "ConfigMap/p",
                "PersistentVolumeClaim/data",
                "Secret/both",
                "Secret/volume",
                "ServiceAccount/web",
            ]
        );
        assert_eq!(names("apps", "Deployment", &object).len(), 10);
    }

    #[test]
    fn services_follow_only_ingresses_routes_and_stateful_sets() {
        let set =
            json!({"spec": {"serviceName": "db", "template": {"spec": {"serviceAccountName": "default"}}}});
        assert_eq!(names("apps", "StatefulSet", &set), ["Service/db"]);
        let ingress = json!({"spec": {
            "defaultBackend": {"service": {"name": "fallback"}},
            "rules": [{"http": {"paths": [{"backend": {"service": {"name": "web"}}}]}}],
            "tls": [{"secretName": "cert"}],
        }});
        assert_eq!(
            names("networking.k8s.io", "Ingress", &ingress),
            ["Secret/cert", "Service/fallback", "Service/web"]
        );
        let route = json!({"spec": {"rules": [{"backendRefs": [
            {"name": "web", "port": 80}, {"name": "far", "namespace": "other"}, {"name": "x", "group": "g", "kind": "Store"},
        ]}]}});
        assert_eq!(
            names("gateway.networking.k8s.io", "HTTPRoute", &route),
            ["Service/web"]
        );
        let deployment = json!({"spec": {"template": {"spec": {"containers": [{"args": ["http://web"]}]}}}});
        assert!(names("apps", "Deployment", &deployment).is_empty());
    }

    #[test]
    fn a_cron_jobs_pods_are_looked_into_as_well() {
        let object = json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {
            "containers": [{"envFrom": [{"secretRef": {"name": "s"}}]}],
        }}}}}});
        assert_eq!(names("batch", "CronJob", &object), ["Secret/s"]);
    }
}
