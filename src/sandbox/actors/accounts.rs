//! What each namespace has from the start: the ServiceAccount `default`, and the ConfigMap `kube-root-ca.crt`.

use std::time::Duration;

use serde_json::{Value, json};

use super::act::{Act, CONFIG_MAPS, Desk, Kind, NAMESPACES, SERVICE_ACCOUNTS};
use super::engine::{Actor, Wake};
use crate::sandbox::failure::Failure;
use crate::sandbox::object;
use crate::sandbox::store::{Change, Key};
use crate::sandbox::write::Writer;

const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
     endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
     distributions of Kubernetes clusters.";

/// Makes an object in each namespace, and keeps its data.
#[derive(Debug)]
pub(super) struct Furnish {
    name: &'static str,
    kind: Kind,
    object: Value,
}

/// The ServiceAccount `default`.
pub(super) fn account() -> Furnish {
    Furnish {
        name: "service-account-controller",
        kind: SERVICE_ACCOUNTS,
        object: json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}),
    }
}

/// `kube-root-ca.crt`.
pub(super) fn root_ca(certificate: &str) -> Furnish {
    Furnish {
        name: "root-ca-certificate-publisher",
        kind: CONFIG_MAPS,
        object: json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "kube-root-ca.crt",
                "annotations": {"kubernetes.io/description": DESCRIPTION},
            },
            "data": {"ca.crt": certificate},
        }),
    }
}

impl Actor for Furnish {
    fn writer(&self) -> Writer {
        Writer::controller(self.name)
    }

    /// The namespace is the key, whether it or the object in it changed.
    fn observe(&mut self, change: &Change, _: &Desk<'_>, wake: &mut Wake<'_>) {
        if NAMESPACES.is(&change.key) && change.new.is_some() {
            wake.add(change.key.clone());
        } else if self.kind.is(&change.key) && *change.key.name == *object::name(&self.object) {
            wake.add(Key::new(NAMESPACES.stored, None, &change.key.namespace));
        }
    }

    fn reconcile(&mut self, namespace: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        let alive = desk
            .get(namespace)
            .is_some_and(|namespace| !object::is_deleting(&namespace));
        if !alive {
            return Ok(None);
        }
        let (kind, data) = (self.kind, &self.object["data"]);
        let act = match desk.get(&kind.key(&namespace.name, object::name(&self.object))) {
            None => {
                let mut new = self.object.clone();
                new["metadata"]["namespace"] = (*namespace.name).into();
                Act::Create(kind, new)
            }
            Some(found) if found["data"] != *data => {
                let mut new = (*found).clone();
                new["data"] = data.clone();
                Act::Replace(kind, "", new)
            }
            Some(_) => return Ok(None),
        };
        match desk.perform(&act) {
            Err(failure) if super::is_namespace_ending(&failure) => Ok(None),
            done => done.map(|()| None),
        }
    }
}
