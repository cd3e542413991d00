//! What the hub and tenants' owners may do on the hub API, asked of its authorizer.

use serde_json::{Value, json};

use super::rows::{self, Expect, RBAC, Verb, Who};
use super::{apply, send, until};
use crate::harness::Fleet;

const MANIFESTS: [&str; 4] = [
    include_str!("../../../manifests/hub/10-namespace.yaml"),
    include_str!("../../../manifests/hub/20-roles.yaml"),
    include_str!("../../../manifests/hub/30-identity.yaml"),
    include_str!("../../../manifests/hub/40-bindings.yaml"),
];

/// What lets the hub sum a kind.
const GRANT: &str = r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
    "metadata": {"name": "hanse-sums-gears", "labels": {"hanse.dev/aggregate-to-hub": "true"}},
    "rules": [{"apiGroups": ["sums.example.com"], "resources": ["gears/status"], "verbs": ["patch"]}]}"#;

const HUB: &str = "system:serviceaccount:hanse-system:hub-api";
const OWNER: &str = "ana";

/// Who, verb, resource as `group/resource[/subresource]`, namespace, name, allowed.
type Question = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    bool,
);

#[rustfmt::skip] // a table reads best with a row a line
const QUESTIONS: &[Question] = &[
    (HUB, "watch", "/secrets", "shop", "", true), // a Secret can be a template
    (HUB, "watch", "example.com/anything", "", "", true),
    (HUB, "patch", "hanse.dev/workloadbindings/status", "shop", "", true),
    (HUB, "update", "hanse.dev/clusters/finalizers", "", "", true),
    (HUB, "delete", "hanse.dev/workloadbindings", "shop", "", true),
    (HUB, "patch", "apps/deployments/status", "shop", "", true),
    (HUB, "patch", "/services/status", "shop", "", true),
    (HUB, "patch", "sums.example.com/gears/status", "shop", "", true), // granted for the sums of a KindRule
    (HUB, "patch", "sums.example.com/gears", "shop", "", false),
    (HUB, "patch", "argoproj.io/rollouts/status", "shop", "", false),
    (HUB, "create", "/namespaces", "", "", true),
    (HUB, "create", "events.k8s.io/events", "shop", "", true),
    (HUB, "update", "coordination.k8s.io/leases", "hanse-system", "hub-leader", true),
    (HUB, "create", "/configmaps", "hanse-system", "", true),
    (HUB, "update", "/secrets", "hanse-system", "member-eu-1", true),
    (HUB, "create", "rbac.authorization.k8s.io/rolebindings", "shop", "", true),
    (HUB, "bind", "rbac.authorization.k8s.io/clusterroles", "", "hanse:hub-owner", true),
    (HUB, "bind", "rbac.authorization.k8s.io/clusterroles", "", "cluster-admin", false),
    (HUB, "escalate", "rbac.authorization.k8s.io/clusterroles", "", "hanse:hub-api", false),
    (HUB, "create", "rbac.authorization.k8s.io/clusterrolebindings", "", "", false),
    (HUB, "impersonate", "/users", "", "system:admin", false),
    (HUB, "create", "/serviceaccounts/token", "kube-system", "default", false),
    (HUB, "delete", "/namespaces", "", "shop", false), // tenants' namespaces are never deleted
    (HUB, "patch", "apps/deployments", "shop", "", false), // templates are never marked
    (HUB, "create", "apps/deployments", "shop", "", false),
    (HUB, "patch", "/nodes/status", "", "", false),
    (HUB, "update", "/secrets", "shop", "", false),
    (HUB, "update", "coordination.k8s.io/leases", "kube-system", "", false),
    (HUB, "create", "admissionregistration.k8s.io/mutatingwebhookconfigurations", "", "", false),
    (OWNER, "create", "apps/deployments", "NS", "", true),
    (OWNER, "create", "/secrets", "NS", "", true),
    (OWNER, "create", "hanse.dev/propagationpolicies", "NS", "", true),
    (OWNER, "watch", "hanse.dev/workloadbindings", "NS", "", true),
    (OWNER, "patch", "hanse.dev/workloadbindings", "NS", "", false),
    (OWNER, "patch", "hanse.dev/workloadbindings/status", "NS", "", false),
    (OWNER, "create", "rbac.authorization.k8s.io/rolebindings", "NS", "", false),
    (OWNER, "create", "apps/deployments", "default", "", false),
    (OWNER, "get", "/secrets", "hanse-system", "", false),
    (OWNER, "create", "hanse.dev/clusterpropagationpolicies", "", "", false),
    (OWNER, "create", "hanse.dev/overridepolicies", "NS", "", true),
    (OWNER, "create", "hanse.dev/clusteroverridepolicies", "", "", false),
    (OWNER, "create", "hanse.dev/tenants", "", "", false),
    (OWNER, "patch", "/namespaces", "NS", "NS", false),
];

/// The hub writes its own kinds, statuses and its namespace; an owner templates and policies in his namespace.
pub(super) async fn rights_are_bounded(fleet: &Fleet) {
    let admin = fleet.hub().admin();
    for manifest in MANIFESTS {
        apply(&admin, manifest).await;
    }
    apply(&admin, GRANT).await;
    let namespace = fleet.namespace("owned");
    for (path, body) in [
        (
            "/api/v1/namespaces".to_owned(),
            json!({"metadata": {"name": namespace}}),
        ),
        (
            format!("{RBAC}/namespaces/{namespace}/rolebindings"),
            rows::role_binding(
                "hanse-owners",
                "hanse:hub-owner",
                &json!([{"kind": "User", "name": OWNER}]),
            ),
        ),
    ] {
        let (code, message) = send(
            &admin,
            &rows::row("prepare", Who::Owner, Verb::Create, path, body, Expect::Passes),
        )
        .await;
        assert_eq!(code, 201, "failed to prepare: {message}");
    }
    let ask = async |question: Question| {
        let (user, verb, resource, within, name, _) = question;
        let own = |text: &str| {
            if text == "NS" {
                namespace.clone()
            } else {
                text.to_owned()
            }
        };
        let mut parts = resource.split('/');
        let mut part = || parts.next().unwrap_or_default();
        let attributes = json!({"verb": verb, "group": part(), "resource": part(), "subresource": part(),
            "namespace": own(within), "name": own(name)});
        let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": attributes}});
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let (code, reply) = send(
            &admin,
            &rows::row("ask", Who::Owner, Verb::Create, path, body, Expect::Passes),
        )
        .await;
        assert_eq!(code, 201, "failed to ask: {reply}");
        let reply: Value = serde_json::from_str(&reply).expect("a review");
        reply["status"]["allowed"] == true
    };
    until("the owners' role is aggregated", async || {
        ask((OWNER, "create", "apps/deployments", "NS", "", true)).await
            && ask((OWNER, "create", "hanse.dev/propagationpolicies", "NS", "", true)).await
    })
    .await;
    let mut wrong = Vec::new();
    for question in QUESTIONS {
        if ask(*question).await != question.5 {
            wrong.push(question);
        }
    }
    assert!(wrong.is_empty(), "answered otherwise: {wrong:#?}");
}
