//! Nodes that a scripted kubelet plays.

use serde_json::{Value, json};

use super::conditions::{self, Condition};
use crate::model::clock::Timestamp;

/// The label of nodes that the kubelet plays; it leaves all others alone.
pub(crate) const PLAYED: (&str, &str) = ("type", "sandbox");

/// What one node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSize {
    /// `8`
    pub cpu: String,
    /// `32Gi`
    pub memory: String,
    pub pods: u32,
}

impl Default for NodeSize {
    fn default() -> Self {
        Self {
            cpu: "8".to_owned(),
            memory: "32Gi".to_owned(),
            pods: 110,
        }
    }
}

/// The nodes `NAME-node-1` … of a region, spread over its zones a, b and c. They are Ready, and say so once.
pub(crate) fn make(name: &str, region: &str, count: usize, size: &NodeSize, now: Timestamp) -> Vec<Value> {
    (1..=count)
        .map(|number| node(name, region, number, size, now))
        .collect()
}

fn node(cluster: &str, region: &str, number: usize, size: &NodeSize, now: Timestamp) -> Value {
    let name = format!("{cluster}-node-{number}");
    let zone = ["a", "b", "c"][(number - 1) % 3];
    let amounts = json!({
        "cpu": size.cpu, "memory": size.memory, "pods": size.pods.to_string(), "ephemeral-storage": "100Gi",
    });
    let address = format!("172.18.{}.{}", number / 254, number % 254 + 1);
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                PLAYED.0: PLAYED.1,
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/region": region,
                "topology.kubernetes.io/zone": format!("{region}-{zone}"),
            },
        },
        "spec": {},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": name},
            ],
            "conditions": conditions(now),
            "nodeInfo": {
                "kubeletVersion": "v1.37.2", "kubeProxyVersion": "", "operatingSystem": "linux",
                "architecture": "amd64", "containerRuntimeVersion": "sandbox", "kernelVersion": "sandbox",
                "osImage": "sandbox", "machineID": "", "systemUUID": "", "bootID": "",
            },
        },
    })
}

fn conditions(now: Timestamp) -> Vec<Value> {
    let mut all = Vec::new();
    for (kind, reason, message) in [
        (
            "MemoryPressure",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        (
            "DiskPressure",
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
        ),
        (
            "PIDPressure",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
    ] {
        let wanted = Condition {
            kind,
            status: "False",
            reason,
            message,
        };
        conditions::put_in_place(&mut all, wanted, now);
    }
    conditions::put_in_place(&mut all, READY, now);
    all
}

const READY: Condition<'_> = Condition {
    kind: "Ready",
    status: "True",
    reason: "KubeletReady",
    message: "kubelet is posting ready status",
};

const SILENT: Condition<'_> = Condition {
    kind: "Ready",
    status: "Unknown",
    reason: "NodeStatusUnknown",
    message: "Kubelet stopped posting node status.",
};

pub(super) fn is_played(node: &Value) -> bool {
    node["metadata"]["labels"][PLAYED.0] == PLAYED.1
}

/// The status of a node, by whether its kubelet speaks. None: it says so already.
pub(super) fn status(node: &Value, silent: bool, now: Timestamp) -> Option<Value> {
    let mut conditions = conditions::of(node).to_vec();
    let said =
        conditions::find(&conditions, "Ready").map_or("", |ready| ready["status"].as_str().unwrap_or(""));
    let wanted = if silent { SILENT } else { READY };
    if said == wanted.status {
        return None;
    }
    conditions::put_in_place(&mut conditions, wanted, now);
    let mut status = node["status"].clone();
    status["conditions"] = conditions.into();
    Some(status)
}

/// The node lifecycle controller's taint on nodes that say nothing. None: it is as it should be.
pub(super) fn tainted(node: &Value, silent: bool, now: Timestamp) -> Option<Value> {
    const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
    let old = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let mut taints: Vec<Value> = old
        .iter()
        .filter(|taint| silent || taint["key"] != UNREACHABLE)
        .cloned()
        .collect();
    if silent && !taints.iter().any(|taint| taint["key"] == UNREACHABLE) {
        let since = crate::model::clock::format_seconds(now);
        taints.push(json!({"key": UNREACHABLE, "effect": "NoSchedule", "timeAdded": since}));
    }
    if taints == old {
        return None;
    }
    let mut new = node.clone();
    let spec = crate::sandbox::object::field_mut(&mut new, "spec");
    if taints.is_empty() {
        spec.remove("taints");
    } else {
        spec.insert("taints".to_owned(), taints.into());
    }
    Some(new)
}
