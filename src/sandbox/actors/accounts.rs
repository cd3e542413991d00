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

/// Makes the ServiceAccount `default`.
#[derive(Debug)]
pub(super) struct Accounts;

/// Makes `kube-root-ca.crt`, and keeps it.
#[derive(Debug)]
pub(super) struct RootCa {
    data: Value,
}

impl RootCa {
    pub(super) fn new(certificate: &str) -> Self {
        Self {
            data: json!({"ca.crt": certificate}),
        }
    }
}

impl Actor for Accounts {
    fn writer(&self) -> Writer {
        Writer::controller("service-account-controller")
    }

    fn observe(&mut self, change: &Change, _: &Desk<'_>, wake: &mut Wake<'_>) {
        observe(change, SERVICE_ACCOUNTS, "default", wake);
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": &*key.name},
        });
        keep(key, SERVICE_ACCOUNTS, account, desk)
    }
}

impl Actor for RootCa {
    fn writer(&self) -> Writer {
        Writer::controller("root-ca-certificate-publisher")
    }

    fn observe(&mut self, change: &Change, _: &Desk<'_>, wake: &mut Wake<'_>) {
        observe(change, CONFIG_MAPS, "kube-root-ca.crt", wake);
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "kube-root-ca.crt", "namespace": &*key.name,
                "annotations": {"kubernetes.io/description": DESCRIPTION},
            },
            "data": self.data,
        });
        keep(key, CONFIG_MAPS, map, desk)
    }
}

/// The namespace is the key, whether it or the object in it changed.
fn observe(change: &Change, kind: Kind, name: &str, wake: &mut Wake<'_>) {
    if NAMESPACES.is(&change.key) && change.new.is_some() {
        wake.add(change.key.clone());
    } else if kind.is(&change.key) && *change.key.name == *name {
        wake.add(Key::new(NAMESPACES.stored, None, &change.key.namespace));
    }
}

/// The object is made when it's missing; its data is put back when it was changed.
fn keep(namespace: &Key, kind: Kind, wanted: Value, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
    let alive = desk
        .get(namespace)
        .is_some_and(|namespace| !object::is_deleting(&namespace));
    if !alive {
        return Ok(None);
    }
    let key = kind.key(&namespace.name, object::name(&wanted));
    let act = match desk.get(&key) {
        None => Act::Create(kind, wanted),
        Some(found) if found["data"] != wanted["data"] => {
            let mut new = (*found).clone();
            new["data"] = wanted["data"].clone();
            Act::Replace(kind, "", new)
        }
        Some(_) => return Ok(None),
    };
    match desk.perform(&act) {
        Err(failure) if super::is_namespace_ending(&failure) => Ok(None),
        done => done.map(|()| None),
    }
}
