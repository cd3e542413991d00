//! The actors together, on a server, under a paused clock.

mod namespaces;
mod nodes;
mod volumes;
mod workloads;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Actors, Levers, nodes as make_nodes, run};
use crate::model::clock::{Clock, Timestamp};
use crate::sandbox::access::Access;
use crate::sandbox::api::{DeleteOptions, Propagation, Server, Settings};
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::builtin;
use crate::sandbox::object::Object;
use crate::sandbox::store::{Key, Store};
use crate::sandbox::task::Tasks;
use crate::sandbox::write::Writer;

/// A cluster whose time is tokio's.
struct World {
    server: Server,
    levers: Levers,
    tasks: Tasks,
}

const START: i64 = 1_767_225_600;

/// A clock that moves with tokio's.
fn clock() -> Clock {
    let start = Instant::now();
    Clock::from_fn(move || Timestamp::from_second(START).unwrap() + start.elapsed())
}

impl World {
    fn with(actors: &Actors, nodes: usize) -> Self {
        let (store, clock, tasks) = (Store::default(), clock(), Tasks::default());
        let access = Access::new(store.clone(), clock.clone());
        let server = Server::with_settings(store, builtin(), clock.clone(), access, Settings::default());
        let levers = run(&server, &tasks, actors);
        let world = Self {
            server,
            levers,
            tasks,
        };
        for node in make_nodes::make("m", "eu", nodes, &make_nodes::NodeSize::default(), clock.now()) {
            world.create("", "nodes", node);
        }
        world.namespace("shop");
        world
    }

    fn new(nodes: usize) -> Self {
        Self::with(&Actors::all(), nodes)
    }

    fn namespace(&self, name: &str) {
        self.create(
            "",
            "namespaces",
            json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
            }),
        );
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name},
        });
        self.create("", "serviceaccounts", account);
    }

    fn try_create(&self, group: &str, plural: &str, object: Value) -> Result<Object, Failure> {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let target = self.server.target(group, plural, namespace, "").unwrap();
        let written = self.server.create(&Writer::controller("test"), &target, object)?;
        Ok(written.object)
    }

    fn create(&self, group: &str, plural: &str, object: Value) -> Object {
        self.try_create(group, plural, object).unwrap()
    }

    fn get(&self, resource: &str, name: &str) -> Option<Object> {
        let namespace = if ["nodes", "namespaces"].contains(&resource) {
            None
        } else {
            Some("shop")
        };
        self.server.store().get(&Key::new(resource, namespace, name))
    }

    fn list(&self, resource: &str) -> Vec<Object> {
        self.server.store().list(resource, None).0
    }

    fn pods(&self) -> Vec<Object> {
        self.list("pods")
    }

    fn ready_pods(&self) -> usize {
        let pods = self.pods();
        pods.iter()
            .filter(|pod| super::conditions::is_true(pod, "Ready"))
            .count()
    }

    fn update(&self, group: &str, plural: &str, name: &str, change: impl Fn(&mut Value)) {
        let namespace = if ["nodes", "namespaces"].contains(&plural) {
            ""
        } else {
            "shop"
        };
        let target = self.server.target(group, plural, namespace, name).unwrap();
        let changed = |old: &Value| {
            let mut new = old.clone();
            change(&mut new);
            Some(new)
        };
        let writer = Writer::controller("test");
        self.server.update_with(&writer, &target, changed).unwrap();
    }

    fn delete(&self, group: &str, plural: &str, name: &str, propagation: Propagation) {
        let namespace = if ["nodes", "namespaces"].contains(&plural) {
            ""
        } else {
            "shop"
        };
        let target = self.server.target(group, plural, namespace, name).unwrap();
        let options = DeleteOptions {
            propagation,
            ..DeleteOptions::default()
        };
        self.server
            .delete(&Writer::controller("test"), &target, &options)
            .unwrap();
    }

    async fn after(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
                    "containers": [{"name": "web", "image": "nginx:1", "resources": {"requests": {"cpu": "10m"}}}],
                },
            },
        },
    })
}

fn bare_pod(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    if spec["containers"].is_null() {
        spec["containers"] = json!([{"name": "web", "image": "nginx:1"}]);
    }
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": spec,
    })
}
