//! The examples of the API document, with every field: read, written again, and nothing lost.

use rstest::rstest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;

const CLUSTER: &str = r#"
apiVersion: hanse.dev/v1alpha1
kind: Cluster
metadata: {name: eu-1, labels: {env: prod}}
spec:
  connection:
    kubeconfigSecret: {namespace: hanse-system, name: member-eu-1, key: kubeconfig}
  region: eu-west
  zone: a
  provider: aws
  taints: [{key: maintenance, value: x, effect: NoExecute, timeAdded: "2026-01-31T12:00:00Z"}]
  lending: {enabled: true, reserve: {cpu: "2", memory: 4Gi}, maxGuests: 200, graceCap: 30s}
  cordoned: true
status:
  conditions:
  - {type: Ready, status: "True", reason: AsDesired, message: "", lastTransitionTime: "2026-01-31T12:00:00Z", observedGeneration: 2}
  kubernetesVersion: v1.37.2
  uid: 3c1a
  nodes: {ready: 3, total: 3}
  allocatable: {cpu: "12", memory: 48Gi, pods: "330"}
  requested: {cpu: 2500m}
  idle: {cpu: 9500m}
  largestGap: {cpu: "4", memory: 16Gi}
  guests: 4
  since: "2026-01-31T12:00:00Z"
  tokenExpires: "2026-03-02T12:00:00Z"
  tokenLifetime: 720h
  joinVersion: 1
"#;

const TENANT: &str = r#"
apiVersion: hanse.dev/v1alpha1
kind: Tenant
metadata: {name: shop}
spec:
  owners: [{kind: User, name: ana}, {kind: Group, name: shop-devs}, {kind: ServiceAccount, namespace: ci, name: deployer}]
  namespaces: [shop, shop-staging]
  clusters: {selector: {matchLabels: {env: prod}}}
  quota:
    cohort: retail
    weight: 2
    enforcement: Exact
    resources:
    - {name: requests.cpu, nominal: "40", borrowingLimit: "20", lendingLimit: "10"}
    - {name: requests.memory, nominal: 160Gi}
    - {name: requests.nvidia.com/gpu, nominal: "0"}
    objects: {pods: 500, services.loadbalancers: 2, count/jobs.batch: 1000}
  defaults: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 512Mi}}
  isolation: {podSecurity: restricted, network: Tenant}
  guardrails: {registries: ["ghcr.io/shop/"], priorityClasses: [], storageClasses: [fast], nodePorts: false, loadBalancers: true, hostnames: ["*.shop.example"]}
  cordoned: true
  overflow: {borrow: true}
status:
  clusters: [{name: eu-1, enforcedGeneration: 3, condition: Stale, since: "2026-01-31T12:00:00Z", lease: {requests.cpu: "18"}, used: {requests.cpu: "12"}}]
  quota: [{name: requests.cpu, nominal: "40", borrowed: "2", lent: "0", used: "12", available: "28"}]
"#;

const POLICY: &str = r#"
apiVersion: hanse.dev/v1alpha1
kind: PropagationPolicy
metadata: {name: web, namespace: shop}
spec:
  priority: 5
  takeover: Always
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web, labelSelector: {matchExpressions: [{key: a, operator: In, values: [b]}]}}]
  placement:
    terms:
    - clusters: {names: [eu-1, eu-2], exclude: [eu-3], selector: {matchLabels: {env: prod}}, cel: "cluster.status.nodes.ready >= 3"}
    - clusters: {selector: {matchLabels: {env: spare}}}
    fallback: Spill
    return: WhenRoom
    tolerations: [{key: maintenance, operator: Exists}]
    spread: [{by: region, minGroups: 2, maxGroups: 3}, {by: cluster, minGroups: 2}]
    replicas: {mode: Divided, divide: {weighted: [{clusters: {names: [eu-1]}, weight: 2}]}, minPerCluster: 1, maxPerCluster: 20}
  dependencies: Follow
  conflict: Adopt
  drift: {mode: Report, scope: Whole}
  deletion: {template: Orphan, policy: Orphan}
  ignoreFields: [{kind: Deployment, pointers: [/spec/template/metadata/annotations/x]}]
  failover: {after: 2m, keepReplicasUntilReady: true, stateful: Never}
  suspend: {scheduling: true, applying: true, clusters: [eu-1]}
status: {bindings: 3}
"#;

const BINDING: &str = r#"
apiVersion: hanse.dev/v1alpha1
kind: WorkloadBinding
metadata: {name: deployment-web-902c5083e5, namespace: shop}
spec:
  template: {apiVersion: apps/v1, kind: Deployment, name: web, uid: 9a}
  tenant: {name: shop, uid: 1f}
  policy: {kind: PropagationPolicy, name: web, generation: 4}
  clusters: [{name: eu-1, replicas: 6, revision: "7"}, {name: eu-2, replicas: 4}, {name: us-1, removing: true}]
  requiredBy: [{binding: deployment-api-0123456789, clusters: [eu-1]}]
  conflict: Adopt
  inputsHash: 44136fa355b3678a1146ad16f7e8649e
status:
  placed: 1/2
  clusters:
  - name: eu-1
    applied: true
    generation: 7
    readyReplicas: 6
    health: Healthy
    message: all is well
    since: "2026-01-31T12:00:00Z"
    objects:
    - {group: apps, kind: Deployment, namespace: shop, name: web, uid: "77", hash: 44136fa355b3678a1146ad16f7e8649e, owned: 44136fa355b3678a1146ad16f7e8649e, health: Healthy}
  reasons: [{cluster: us-1, filter: TaintToleration, message: "taint maintenance is not tolerated"}]
"#;

fn read_and_write<T: Serialize + DeserializeOwned>(text: &str) -> Value {
    let value: T = serde_saphyr::from_str(text).unwrap();
    serde_json::to_value(&value).unwrap()
}

#[rstest]
#[case(CLUSTER, read_and_write::<Cluster>)]
#[case(TENANT, read_and_write::<Tenant>)]
#[case(POLICY, read_and_write::<PropagationPolicy>)]
#[case(BINDING, read_and_write::<WorkloadBinding>)]
fn the_documented_examples_lose_nothing_when_read_and_written(
    #[case] text: &str,
    #[case] read_and_write: fn(&str) -> Value,
) {
    let expected: Value = serde_saphyr::from_str(text).unwrap();
    assert_eq!(read_and_write(text), expected);
}

/// The spec of the two kinds of policy is the same text at the same place.
#[test]
fn a_cluster_policy_has_the_fields_of_a_policy() {
    let mut expected: Value = serde_saphyr::from_str(POLICY).unwrap();
    expected["kind"] = "ClusterPropagationPolicy".into();
    expected["metadata"] = serde_json::json!({"name": "web"});
    let policy: ClusterPropagationPolicy = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(policy.spec.policy.priority, 5);
    assert_eq!(serde_json::to_value(&policy).unwrap(), expected);
}

/// What the hub writes must not grow by what it did not decide.
#[test]
fn what_is_default_is_not_written() {
    let text = "{resourceSelectors: [{apiVersion: v1, kind: ConfigMap}], deletion: {}, drift: {}, placement: {}, \
                suspend: {}, priority: 0, takeover: WhenUnclaimed}";
    let spec: PropagationPolicySpec = serde_saphyr::from_str(text).unwrap();
    assert_eq!(spec.deletion.policy, PolicyDeletion::Keep);
    let written = serde_json::to_value(&spec).unwrap();
    assert_eq!(
        written,
        serde_json::json!({"resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}]})
    );
}

#[test]
fn placed_counts_wanted_members_only() {
    let binding: WorkloadBinding = serde_saphyr::from_str(BINDING).unwrap();
    let mut clusters = binding.status_or_default().clusters;
    clusters.push(BindingClusterStatus {
        applied: true,
        ..BindingClusterStatus::new("us-1".parse().unwrap())
    });
    assert_eq!(binding.placed(&clusters), "1/2");
    let object = &clusters[0].objects[0];
    assert_eq!(object.key().annotation(), "apps/Deployment/shop/web");
    assert_eq!(PlacedObject::new(&object.key()).key(), object.key());
}
