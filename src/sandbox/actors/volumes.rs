//! Volumes for claims: one that is there and fits, or one that is made for the claim where its class says so.
//!
//! A class of [`PROVISIONER`] makes volumes: at once, or when the first pod that names the claim waits for a node
//! (`WaitForFirstConsumer`). A volume that was made goes with its claim; one that was there is Released and stays.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::act::{self, Act, Desk, Kind, PODS};
use super::engine::{Actor, CONTROLLER, Wake};
use crate::model::quantity::Amount;
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::{Change, Key};
use crate::sandbox::write::Writer;

pub(super) const CLAIMS: Kind = Kind::new("persistentvolumeclaims");
const VOLUMES: Kind = Kind::new("persistentvolumes");
const CLASSES: Kind = Kind::new("storageclasses.storage.k8s.io");

/// Who makes volumes here.
const PROVISIONER: &str = "sandbox.hanse.dev/volumes";
/// Says so on a volume.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// The classes of a cluster that runs pods. The first is the default; the second waits for a pod.
pub(crate) fn classes() -> [Value; 2] {
    let class = |name: &str, mode: &str, default: bool| {
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {
                "name": name,
                "annotations": {"storageclass.kubernetes.io/is-default-class": default.to_string()},
            },
            "provisioner": PROVISIONER,
            "volumeBindingMode": mode,
        })
    };
    [
        class("standard", "Immediate", true),
        class("late", "WaitForFirstConsumer", false),
    ]
}

/// The controller of claims.
#[derive(Debug)]
pub(super) struct Volumes;

impl Actor for Volumes {
    fn writer(&self) -> Writer {
        Writer::controller("persistent-volume-binder")
    }

    fn reaction(&self) -> Duration {
        CONTROLLER
    }

    fn observe(&mut self, change: &Change, desk: &Desk<'_>, wake: &mut Wake<'_>) {
        if CLAIMS.is(&change.key) {
            wake.add(change.key.clone());
        } else if PODS.is(&change.key) {
            if let Some(pod) = change.new.as_deref().filter(|pod| !is_placed(pod)) {
                let namespace = &*change.key.namespace;
                wake.add_all(claims_of(pod).map(|name| CLAIMS.key(namespace, name)));
            }
        } else if (VOLUMES.is(&change.key) || CLASSES.is(&change.key)) && change.new.is_some() {
            if VOLUMES.is(&change.key) {
                wake.add(change.key.clone());
            }
            let waiting = desk
                .list(CLAIMS, None)
                .into_iter()
                .filter(|claim| !is_bound(claim));
            wake.add_all(waiting.map(|claim| act::key_of(CLAIMS, &claim)));
        }
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        if VOLUMES.is(key) {
            return offer(key, desk).map(|()| None);
        }
        let Some(claim) = desk.get(key) else {
            return let_go(key, desk).map(|()| None);
        };
        if is_bound(&claim) || object::is_deleting(&claim) {
            return Ok(None);
        }
        let class = claim["spec"]["storageClassName"].as_str().unwrap_or_default();
        let class = desk.get(&CLASSES.key("", class));
        let waits = class
            .as_ref()
            .is_some_and(|class| class["volumeBindingMode"] == "WaitForFirstConsumer");
        if waits && !is_consumed(&claim, desk) {
            return Ok(None);
        }
        let volumes = desk.list(VOLUMES, None);
        let volume = match volume_for(&claim, &volumes) {
            Some(volume) => take(&volume, &claim, desk)?,
            None => match class.filter(|class| class["provisioner"] == PROVISIONER) {
                Some(class) => make(&claim, &class, desk)?,
                None => return Ok(None),
            },
        };
        bind(&claim, &volume, desk).map(|()| None)
    }
}

/// The names of the claims of a pod.
pub(super) fn claims_of(pod: &Value) -> impl Iterator<Item = &str> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
}

fn is_placed(pod: &Value) -> bool {
    pod["spec"]["nodeName"]
        .as_str()
        .is_some_and(|node| !node.is_empty())
}

pub(super) fn is_bound(claim: &Value) -> bool {
    claim["status"]["phase"] == "Bound"
}

fn is_consumed(claim: &Value, desk: &Desk<'_>) -> bool {
    let pods = desk.list(PODS, object::namespace(claim));
    pods.iter()
        .any(|pod| !object::is_deleting(pod) && claims_of(pod).any(|name| name == object::name(claim)))
}

/// What a claim asks for, or a volume has.
fn size(object: &Value, pointer: &str) -> Option<Amount> {
    object.pointer(pointer)?.as_str()?.parse().ok()
}

/// One that is kept for the claim before all others; then, as upstream's index gives them, the one with the fewest
/// access modes, and of those the smallest.
fn volume_for(claim: &Value, volumes: &[Object]) -> Option<Object> {
    let spec = &claim["spec"];
    let wanted = size(claim, "/spec/resources/requests/storage")?;
    let modes = spec["accessModes"].as_array();
    let name = spec["volumeName"].as_str().filter(|name| !name.is_empty());
    let labels = &spec["selector"]["matchLabels"];
    let fits = |volume: &&Object| {
        let has = &volume["spec"];
        let kept_for = &has["claimRef"];
        let is_free = kept_for.is_null()
            || (kept_for["name"] == claim["metadata"]["name"]
                && kept_for["namespace"] == claim["metadata"]["namespace"]
                && (kept_for["uid"].is_null() || kept_for["uid"] == claim["metadata"]["uid"]));
        let mut modes = modes.into_iter().flatten();
        let labelled = |(label, value): (&String, &Value)| volume["metadata"]["labels"][label] == *value;
        is_free
            && !object::is_deleting(volume)
            && name.is_none_or(|name| name == object::name(volume))
            && has["storageClassName"].as_str().unwrap_or_default()
                == spec["storageClassName"].as_str().unwrap_or_default()
            && has["volumeMode"] == spec["volumeMode"]
            && modes.all(|mode| {
                has["accessModes"]
                    .as_array()
                    .is_some_and(|has| has.contains(mode))
            })
            && labels.as_object().into_iter().flatten().all(labelled)
            && size(volume, "/spec/capacity/storage").is_some_and(|size| size >= wanted)
    };
    volumes
        .iter()
        .filter(fits)
        .min_by_key(|volume| {
            (
                volume["spec"]["claimRef"].is_null(),
                volume["spec"]["accessModes"].as_array().map_or(0, Vec::len),
                size(volume, "/spec/capacity/storage"),
                object::name(volume).to_owned(),
            )
        })
        .cloned()
}

fn reference(claim: &Value) -> Value {
    let metadata = &claim["metadata"];
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": metadata["name"], "namespace": metadata["namespace"],
        "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"],
    })
}

/// A volume that is nobody's says so.
fn offer(key: &Key, desk: &Desk<'_>) -> Result<(), Failure> {
    let Some(volume) = desk.get(key) else {
        return Ok(());
    };
    let is_new = matches!(volume["status"]["phase"].as_str(), None | Some("Pending"));
    if is_new && volume["spec"]["claimRef"].is_null() && !object::is_deleting(&volume) {
        tell(&key.name, "Available", desk)?;
    }
    Ok(())
}

/// Marks a volume as the claim's.
fn take(volume: &Object, claim: &Value, desk: &Desk<'_>) -> Result<Object, Failure> {
    if volume["spec"]["claimRef"]["uid"] != claim["metadata"]["uid"] {
        let mut new = (**volume).clone();
        let found = new["spec"]["claimRef"].is_null();
        new["spec"]["claimRef"] = reference(claim);
        if found {
            let annotations = object::field_mut(&mut new["metadata"], "annotations");
            annotations.insert("pv.kubernetes.io/bound-by-controller".to_owned(), "yes".into());
        }
        desk.perform(&Act::Replace(VOLUMES, "", new))?;
    }
    tell(object::name(volume), "Bound", desk)
}

fn make(claim: &Value, class: &Value, desk: &Desk<'_>) -> Result<Object, Failure> {
    let name = format!("pvc-{}", object::uid(claim));
    if desk.get(&VOLUMES.key("", &name)).is_none() {
        let spec = &claim["spec"];
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}},
            "spec": {
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "accessModes": spec["accessModes"],
                "volumeMode": spec["volumeMode"],
                "storageClassName": class["metadata"]["name"],
                "persistentVolumeReclaimPolicy": class["reclaimPolicy"].as_str().unwrap_or("Delete"),
                "hostPath": {"path": format!("/var/lib/sandbox/{name}"), "type": ""},
                "claimRef": reference(claim),
            },
        });
        desk.perform(&Act::Create(VOLUMES, volume))?;
    }
    tell(&name, "Bound", desk)
}

/// The volume says how it is.
fn tell(volume: &str, phase: &str, desk: &Desk<'_>) -> Result<Object, Failure> {
    let key = VOLUMES.key("", volume);
    let missing = || Failure::not_found("", "persistentvolumes", volume);
    let found = desk.get(&key).ok_or_else(missing)?;
    if found["status"]["phase"] != phase {
        let mut new = (*found).clone();
        new["status"]["phase"] = phase.into();
        desk.perform(&Act::Replace(VOLUMES, "status", new))?;
    }
    desk.get(&key).ok_or_else(missing)
}

/// The claim has its volume.
fn bind(claim: &Value, volume: &Value, desk: &Desk<'_>) -> Result<(), Failure> {
    let mut new = claim.clone();
    let chosen = claim["spec"]["volumeName"]
        .as_str()
        .is_some_and(|name| !name.is_empty());
    new["spec"]["volumeName"] = object::name(volume).into();
    let annotations = object::field_mut(&mut new["metadata"], "annotations");
    annotations.insert("pv.kubernetes.io/bind-completed".to_owned(), "yes".into());
    if !chosen {
        annotations.insert("pv.kubernetes.io/bound-by-controller".to_owned(), "yes".into());
    }
    desk.perform(&Act::Replace(CLAIMS, "", new))?;
    let key = act::key_of(CLAIMS, claim);
    let Some(found) = desk.get(&key) else {
        return Ok(());
    };
    let mut new = (*found).clone();
    let mut status = Map::new();
    status.insert("phase".to_owned(), "Bound".into());
    status.insert("accessModes".to_owned(), volume["spec"]["accessModes"].clone());
    status.insert("capacity".to_owned(), volume["spec"]["capacity"].clone());
    new["status"] = Value::Object(status);
    desk.perform(&Act::Replace(CLAIMS, "status", new))
}

/// The claim is gone: what was made for it goes too.
fn let_go(claim: &Key, desk: &Desk<'_>) -> Result<(), Failure> {
    for volume in desk.list(VOLUMES, None) {
        let of = &volume["spec"]["claimRef"];
        if of["name"] != *claim.name || of["namespace"] != *claim.namespace || of["uid"].is_null() {
            continue;
        }
        let made = volume["metadata"]["annotations"][PROVISIONED_BY] == PROVISIONER;
        if made && volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete" {
            desk.perform(&Act::Delete(VOLUMES, volume.clone(), act::just(&volume)))?;
        } else if volume["status"]["phase"] != "Released" {
            let mut new = (*volume).clone();
            new["status"]["phase"] = "Released".into();
            desk.perform(&Act::Replace(VOLUMES, "status", new))?;
        }
    }
    Ok(())
}

/// The class of a claim that names none: an admission plugin of upstream's API server.
pub(crate) fn default_class(classes: &[Object]) -> Option<&str> {
    let is_default = |class: &&Object| {
        class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    };
    classes.iter().find(is_default).map(|class| object::name(class))
}
