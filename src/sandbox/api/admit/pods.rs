//! What a new pod is given: an identity and its token, a priority, patience with broken nodes.

use serde_json::{Value, json};

use crate::sandbox::api::{Server, Target};
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::Key;

/// Where containers find the API's address and their token.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const TOKEN_VOLUME: &str = "kube-api-access-";

pub(super) fn shape(server: &Server, target: &Target, pod: &mut Value) -> Result<(), Failure> {
    give_priority(server, target, pod)?;
    give_identity(server, target, pod)?;
    tolerate_broken_nodes(pod);
    Ok(())
}

fn give_identity(server: &Server, target: &Target, pod: &mut Value) -> Result<(), Failure> {
    let spec = object::field_mut(pod, "spec");
    let account = match spec.get("serviceAccountName").and_then(Value::as_str) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => "default".to_owned(),
    };
    spec.insert("serviceAccountName".to_owned(), account.as_str().into());
    spec.insert("serviceAccount".to_owned(), account.as_str().into());
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let key = Key::new("serviceaccounts", Some(namespace), &account);
    let Some(found) = server.store().get(&key) else {
        return Err(target.forbidden(&format!(
            "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
        )));
    };
    let automount = |of: &Value| of["automountServiceAccountToken"].as_bool();
    if automount(&pod["spec"])
        .or_else(|| automount(&found))
        .unwrap_or(true)
    {
        mount_token(server, pod);
    }
    let spec = object::field_mut(pod, "spec");
    let pulls = spec.get("imagePullSecrets").and_then(Value::as_array);
    if pulls.is_none_or(Vec::is_empty) && found["imagePullSecrets"].is_array() {
        spec.insert("imagePullSecrets".to_owned(), found["imagePullSecrets"].clone());
    }
    Ok(())
}

fn mount_token(server: &Server, pod: &mut Value) {
    let spec = object::field_mut(pod, "spec");
    let named = |volume: &Value| {
        let name = volume["name"].as_str()?;
        name.starts_with(TOKEN_VOLUME).then(|| name.to_owned())
    };
    let present = spec.get("volumes").and_then(Value::as_array);
    let present = present.and_then(|volumes| volumes.iter().find_map(named));
    let name = present
        .clone()
        .unwrap_or_else(|| server.identities().name(TOKEN_VOLUME));
    let mut mounted = false;
    for field in ["initContainers", "containers"] {
        let containers = spec.get_mut(field).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let mounts = &mut container["volumeMounts"];
            if mounts.is_null() {
                *mounts = json!([]);
            }
            let Value::Array(mounts) = mounts else { continue };
            if mounts.iter().all(|mount| mount["mountPath"] != TOKEN_PATH) {
                mounts.push(json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH}));
                mounted = true;
            }
        }
    }
    if mounted && present.is_none() {
        let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
        if let Value::Array(volumes) = volumes {
            volumes.push(token_volume(&name));
        }
    }
}

fn token_volume(name: &str) -> Value {
    let namespace =
        json!({"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}});
    json!({
        "name": name,
        "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ]},
    })
}

/// As long as a node is not ready or not reachable, its pods stay for five minutes.
pub(super) fn tolerate_broken_nodes(pod: &mut Value) {
    let spec = object::field_mut(pod, "spec");
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    let Value::Array(tolerations) = tolerations else {
        return;
    };
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covered = tolerations.iter().any(|toleration| {
            let field = |field: &str| toleration[field].as_str().unwrap_or_default();
            (field("key") == key || field("key").is_empty())
                && (field("effect") == "NoExecute" || field("effect").is_empty())
        });
        if !covered {
            tolerations.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
            }));
        }
    }
}

fn give_priority(server: &Server, target: &Target, pod: &mut Value) -> Result<(), Failure> {
    let spec = object::field_mut(pod, "spec");
    let asked = spec
        .get("priorityClassName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let class = if asked.is_empty() {
        default_class(server)
    } else {
        let key = Key::new("priorityclasses.scheduling.k8s.io", None, asked);
        let class = system_class(asked).or_else(|| server.store().get(&key));
        if class.is_none() {
            return Err(target.forbidden(&format!("no PriorityClass with name {asked} was found")));
        }
        class
    };
    let (name, priority, preemption) = match &class {
        Some(class) => (
            object::name(class).to_owned(),
            class["value"].as_i64().unwrap_or(0),
            class["preemptionPolicy"]
                .as_str()
                .unwrap_or("PreemptLowerPriority"),
        ),
        None => (String::new(), 0, "PreemptLowerPriority"),
    };
    if let Some(given) = spec
        .get("priority")
        .and_then(Value::as_i64)
        .filter(|given| *given != priority)
    {
        return Err(target.forbidden(&format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {priority} from the given PriorityClass name"
        )));
    }
    let given = spec.get("preemptionPolicy").and_then(Value::as_str);
    if let Some(given) = given.filter(|given| *given != preemption) {
        return Err(target.forbidden(&format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {preemption} from the given PriorityClass name"
        )));
    }
    if !name.is_empty() {
        spec.insert("priorityClassName".to_owned(), name.into());
    }
    spec.insert("priority".to_owned(), priority.into());
    spec.insert("preemptionPolicy".to_owned(), preemption.into());
    Ok(())
}

fn default_class(server: &Server) -> Option<Object> {
    let (classes, _) = server.store().list("priorityclasses.scheduling.k8s.io", None);
    let defaults = classes.into_iter().filter(|class| class["globalDefault"] == true);
    // Of several the lowest wins, as upstream has it.
    defaults.min_by_key(|class| class["value"].as_i64().unwrap_or(0))
}

/// The two that every cluster has.
fn system_class(name: &str) -> Option<Object> {
    let value: i64 = match name {
        "system-cluster-critical" => 2_000_000_000,
        "system-node-critical" => 2_000_001_000,
        _ => return None,
    };
    Some(json!({"metadata": {"name": name}, "value": value}).into())
}
