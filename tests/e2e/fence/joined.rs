//! The rows for a member as `hub join` leaves it: RBAC and the fence together decide.

use serde_json::{Value, json};

use super::rows::{
    ADMIN, Expect, RBAC, Row, SHOP, Verb, Who, bind, cluster_scoped, config_map, create_namespace, delete,
    deployment, get, identity, labels, ours, patch_namespace, pod, role_binding, row, token, token_for,
};
use Expect::{Passes, Refused};
use Verb::{Create, Delete, Patch};
use Who::{Acting, ActingIn, Hub, Owner};

/// What is in the member before the hub comes, made by its owner.
#[rustfmt::skip] // a table reads best with a row a line
pub(super) fn foreign_things() -> Vec<Row> {
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "hub-claim"},
        "spec": {"holderIdentity": "hub-1"}});
    vec![
        create_namespace("a foreign namespace", Owner, "foreign", &json!({"team": "theirs"}), Passes),
        create_namespace("a namespace to offer", Owner, "offered", &json!({"team": "theirs"}), Passes),
        patch_namespace("the offer", Owner, "offered", &json!({"annotations": {"hanse.dev/adopt": "shop"}}),
            Passes),
        config_map("a foreign ConfigMap", Owner, "foreign", "theirs", Passes),
        pod("a foreign Pod", Owner, "foreign", "theirs", &json!({"serviceAccountName": "default"}), Passes),
        row("a foreign RoleBinding", Owner, Create, format!("{RBAC}/namespaces/offered/rolebindings"),
            role_binding("theirs", "admin", &json!([{"kind": "User", "name": "ana"}])), Passes),
        row("the claim", Owner, Create, "/apis/coordination.k8s.io/v1/namespaces/hanse-system/leases", lease,
            Passes),
    ]
}

/// What the engine does every day, with the rights of join.
#[rustfmt::skip] // a table reads best with a row a line
pub(super) fn legitimate() -> Vec<Row> {
    let claim = "/apis/coordination.k8s.io/v1/namespaces/hanse-system/leases/hub-claim";
    let mut rows = vec![
        create_namespace("makes a tenant's namespace", Hub, "shop", &ours(), Passes),
        create_namespace("makes another tenant's namespace", Hub, "retail", &labels("retail", "restricted"), Passes),
        create_namespace("makes a namespace of administrators", Hub, "platform", &labels("hanse-admin", "baseline"),
            Passes),
        create_namespace("makes a guest namespace", Hub, "hanse-guests-eu-1-shop", &ours(), Passes),
        patch_namespace("stamps its namespace", Hub, "shop", &json!({"annotations": {"hanse.dev/hub": "one"}}),
            Passes),
        patch_namespace("raises pod security", Hub, "shop",
            &json!({"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}), Passes),
        patch_namespace("adopts what was offered", Hub, "offered", &json!({"labels": ours()}), Passes),
        bind("gives the tenant its namespace", Hub, "shop", "hanse:tenant", &identity("shop"), Passes),
        bind("gives another tenant its namespace", Hub, "retail", "hanse:tenant", &identity("retail"), Passes),
        bind("gives the tenant the adopted namespace", Hub, "offered", "hanse:tenant", &identity("offered"),
            Passes),
        bind("gives the owners their namespace", Hub, "shop", "hanse:owner", &json!([{"kind": "User",
            "apiGroup": "rbac.authorization.k8s.io", "name": "ana"}, {"kind": "Group",
            "apiGroup": "rbac.authorization.k8s.io", "name": "shop-devs"}, {"kind": "ServiceAccount",
            "namespace": "ci", "name": "deployer"}]), Passes),
        deployment("applies a Deployment as the tenant", SHOP, "shop", Passes),
        deployment("applies a Deployment in the adopted namespace",
            Acting("system:serviceaccount:hanse-tenants:offered"), "offered", Passes),
        config_map("creates as the tenant", SHOP, "shop", "ours", Passes),
        row("scales as the tenant", SHOP, Patch, "/apis/apps/v1/namespaces/shop/deployments/web/scale",
            json!({"spec": {"replicas": 2}}), Passes),
        get("reads Secrets as the tenant", SHOP, "/api/v1/namespaces/shop/secrets", Passes),
        row("deletes as the tenant", SHOP, Delete, "/api/v1/namespaces/shop/configmaps/ours", Value::Null, Passes),
        delete("deletes a collection as the tenant", SHOP, "/apis/apps/v1/namespaces/shop/deployments", Passes),
        token("renews its own token", Hub, "hanse-system", "hub", Passes),
        get("reads its claim", Hub, claim, Passes),
        get("reads a RoleBinding back", Hub, &format!("{RBAC}/namespaces/shop/rolebindings/hanse-tenant"), Passes),
        row("asks what it may do", Hub, Create, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}), Passes),
        row("asks who it is", Hub, Create, "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}), Passes),
        delete("deletes the namespace it made", Hub, "/api/v1/namespaces/hanse-guests-eu-1-shop", Passes),
    ];
    for path in [
        "/readyz",
        "/version",
        "/openapi/v3",
        "/api/v1/nodes",
        "/api/v1/pods",
        "/api/v1/namespaces",
        "/api/v1/services",
        "/api/v1/configmaps",
        "/api/v1/events",
        "/api/v1/resourcequotas",
        "/apis/apps/v1/deployments",
        "/apis/apps/v1/replicasets",
        "/apis/batch/v1/jobs",
        "/apis/autoscaling/v2/horizontalpodautoscalers",
        "/apis/policy/v1/poddisruptionbudgets",
        "/apis/networking.k8s.io/v1/ingresses",
        "/apis/discovery.k8s.io/v1/endpointslices",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/apiregistration.k8s.io/v1/apiservices",
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        "/apis/storage.k8s.io/v1/storageclasses",
        "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    ] {
        rows.push(get("reads", Hub, path, Passes));
    }
    rows
}

/// What the hub's token must not do with the rights of join. Some of it RBAC refuses, some the fence.
#[rustfmt::skip] // a table reads best with a row a line
pub(super) fn beyond_the_rights() -> Vec<Row> {
    let privileged =
        json!({"containers": [{"name": "c", "image": "x", "securityContext": {"privileged": true}}]});
    let host_path = json!({"volumes": [{"name": "root", "hostPath": {"path": "/"}}]});
    let webhook = json!({"kind": "MutatingWebhookConfiguration", "webhooks": []});
    let cluster_admin = json!({"kind": "ClusterRoleBinding", "subjects": [],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}});
    vec![
        get("reads Secrets as itself", Hub, "/api/v1/secrets", Refused("cannot list")),
        get("reads a tenant's Secrets as itself", Hub, "/api/v1/namespaces/shop/secrets", Refused("cannot list")),
        get("reads Secrets where there is no tenant", SHOP, "/api/v1/namespaces/foreign/secrets",
            Refused("cannot list")),
        get("reads kube-system's Secrets through a tenant", SHOP, "/api/v1/namespaces/kube-system/secrets",
            Refused("cannot list")),
        get("reads another tenant's Secrets", SHOP, "/api/v1/namespaces/retail/secrets", Refused("cannot list")),
        get("reads admission policies", Hub, "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
            Refused("cannot list")),
        deployment("applies a Deployment as itself", Hub, "shop", Refused("cannot patch")),
        config_map("creates as itself", Hub, "shop", "x", Refused("cannot create")),
        config_map("writes in a foreign namespace through a tenant", SHOP, "foreign", "x",
            Refused("cannot create")),
        // Impersonation.
        get("becomes a user", Acting("ana"), "/api/v1/namespaces", Refused("cannot impersonate")),
        get("becomes cluster-admin", Acting("system:admin"), "/api/v1/namespaces", Refused("cannot impersonate")),
        get("becomes system:masters", ActingIn("system:serviceaccount:hanse-tenants:shop", "system:masters"),
            "/api/v1/namespaces", Refused("cannot impersonate")),
        get("becomes a controller", Acting("system:serviceaccount:kube-system:namespace-controller"),
            "/api/v1/namespaces", Refused("cannot impersonate")),
        get("becomes a ServiceAccount of a tenant's namespace", Acting("system:serviceaccount:shop:default"),
            "/api/v1/namespaces", Refused("cannot impersonate")),
        // Tokens.
        token("takes a token in kube-system", Hub, "kube-system", "default", Refused("cannot create")),
        token("takes another token in its own namespace", Hub, "hanse-system", "default", Refused("cannot create")),
        token("takes a token in a tenant's namespace as itself", Hub, "shop", "default", Refused("cannot create")),
        token_for("asks for a token of ten years", Hub, "hanse-system", "hub", 315_360_000, Refused("30 days")),
        // Binding.
        bind("binds in kube-system", Hub, "kube-system", "hanse:tenant", &identity("kube-system"),
            Refused("nothing is written in")),
        bind("binds in hanse-system", Hub, "hanse-system", "hanse:tenant", &identity("hanse-system"),
            Refused("nothing is written in")),
        bind("binds in a foreign namespace", Hub, "foreign", "hanse:tenant", &identity("foreign"),
            Refused("has no label")),
        bind("binds cluster-admin", Hub, "shop", "cluster-admin", &identity("shop"),
            Refused("attempting to grant")),
        bind("binds admin", Hub, "shop", "admin", &identity("shop"), Refused("attempting to grant")),
        bind("binds another tenant's identity", Hub, "shop", "hanse:tenant", &identity("retail"),
            Refused("own identity")),
        bind("binds itself", Hub, "shop", "hanse:tenant", &json!([{"kind": "ServiceAccount",
            "namespace": "hanse-system", "name": "hub"}]), Refused("own identity")),
        bind("binds everybody as owners", Hub, "shop", "hanse:owner", &json!([{"kind": "Group",
            "apiGroup": "rbac.authorization.k8s.io", "name": "system:authenticated"}]), Refused("never system:")),
        // Namespaces.
        create_namespace("makes a namespace without our label", Hub, "bad",
            &json!({"pod-security.kubernetes.io/enforce": "baseline"}),
            Refused("only with the label hanse.dev/tenant")),
        create_namespace("makes a namespace without pod security", Hub, "bad", &json!({"hanse.dev/tenant": "shop"}),
            Refused("baseline or restricted")),
        create_namespace("makes a privileged namespace", Hub, "bad", &labels("shop", "privileged"),
            Refused("baseline or restricted")),
        create_namespace("makes kube-shop", Hub, "kube-shop", &ours(), Refused("never the hub's")),
        create_namespace("makes hanse-shop", Hub, "hanse-shop", &ours(), Refused("never the hub's")),
        row("makes kube-… with a generated name", Hub, Create, "/api/v1/namespaces", json!({"apiVersion": "v1",
            "kind": "Namespace", "metadata": {"generateName": "kube-", "labels": ours()}}),
            Refused("never the hub's")),
        patch_namespace("labels a foreign namespace", Hub, "foreign", &json!({"labels": ours()}),
            Refused("not the hub's")),
        patch_namespace("labels kube-system", Hub, "kube-system", &json!({"labels": ours()}),
            Refused("never the hub's")),
        patch_namespace("offers itself a namespace", Hub, "foreign",
            &json!({"annotations": {"hanse.dev/adopt": "shop"}, "labels": ours()}), Refused("not the hub's")),
        patch_namespace("lowers pod security", Hub, "shop",
            &json!({"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}), Refused("never lowered")),
        patch_namespace("removes pod security", Hub, "shop",
            &json!({"labels": {"pod-security.kubernetes.io/enforce": null}}), Refused("never lowered")),
        patch_namespace("lowers pod security through a tenant", SHOP, "shop",
            &json!({"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}), Refused("cannot patch")),
        delete("deletes a foreign namespace", Hub, "/api/v1/namespaces/foreign",
            Refused("only a namespace with the label")),
        delete("deletes an adopted namespace", Hub, "/api/v1/namespaces/offered",
            Refused("never deleted by the hub")),
        delete("deletes its own fence", Hub,
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/hanse-fence-objects",
            Refused("cannot delete")),
        // Power over nodes.
        pod("runs a privileged pod as itself", Hub, "shop", "x", &privileged, Refused("cannot create")),
        pod("runs a pod with hostPath through a tenant", SHOP, "shop", "x", &host_path, Refused("PodSecurity")),
        pod("runs a pod with the host's network through a tenant", SHOP, "shop", "x", &json!({"hostNetwork": true}),
            Refused("PodSecurity")),
        pod("runs a privileged pod through a tenant", SHOP, "shop", "x", &privileged, Refused("PodSecurity")),
        pod("runs a privileged pod through another tenant", Acting("system:serviceaccount:hanse-tenants:offered"),
            "offered", "x", &privileged, Refused("PodSecurity")),
        // The claim, and administrators without rights.
        row("takes over its claim", Hub, Patch,
            "/apis/coordination.k8s.io/v1/namespaces/hanse-system/leases/hub-claim",
            json!({"spec": {"holderIdentity": "hub-2"}}), Refused("cannot patch")),
        cluster_scoped("makes a webhook as hanse-admin", ADMIN, "admissionregistration.k8s.io/v1",
            "mutatingwebhookconfigurations", webhook, Refused("cannot create")),
        cluster_scoped("makes itself cluster-admin as hanse-admin", ADMIN, "rbac.authorization.k8s.io/v1",
            "clusterrolebindings", cluster_admin, Refused("cannot create")),
        // What the owner may not give to hanse-admin either: Kubernetes hides webhooks from the fence.
        row("the owner gives hanse-admin webhooks", Owner, Create, format!("{RBAC}/clusterroles"),
            admin_role("webhooks", "admissionregistration.k8s.io", "create"), Refused("hanse-admin gets no")),
        row("the owner gives hanse-admin every group", Owner, Create, format!("{RBAC}/clusterroles"),
            admin_role("all", "*", "create"), Refused("hanse-admin gets no")),
        row("the owner gives hanse-admin every verb", Owner, Create, format!("{RBAC}/clusterroles"),
            admin_role("verbs", "apps", "*"), Refused("hanse-admin gets no")),
    ]
}

fn admin_role(name: &str, group: &str, verb: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {"hanse.dev/aggregate-to-admin": "true"}},
        "rules": [{"apiGroups": [group], "resources": ["*"], "verbs": [verb]}]})
}
