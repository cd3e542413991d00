//! Nodes that a scripted kubelet plays.

use serde_json::{Value, json};

use super::conditions;
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

/// The nodes `NAME-node-1` … of a region, spread over its zones a, b and c. They are Ready, and stay so.
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
    let (memory, disk, pids) = (
        "kubelet has sufficient memory available",
        "kubelet has no disk pressure",
        "kubelet has sufficient PID available",
    );
    conditions::put_all(
        &mut all,
        [
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", memory),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", disk),
            ("PIDPressure", "False", "KubeletHasSufficientPID", pids),
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        now,
    );
    all
}

pub(super) fn is_played(node: &Value) -> bool {
    node["metadata"]["labels"][PLAYED.0] == PLAYED.1
}
