//! The rows for an owner who has given the hub and all tenants nearly every right: the fence alone decides.

use serde_json::{Value, json};

use super::rows::{
    ADMIN, Expect, RBAC, Row, SHOP, Verb, Who, bind, cluster_scoped, config_map, create_namespace, delete,
    get, identity, labels, ours, patch_namespace, pod, role_binding, row, token,
};
use Expect::{Passes, Refused};
use Verb::{Apply, Create, Delete, Patch};
use Who::{Acting, Hub, Owner};

/// What must still work, and what is possible only now.
#[rustfmt::skip] // a table reads best with a row a line
pub(super) fn legitimate() -> Vec<Row> {
    let crd = json!({"kind": "CustomResourceDefinition", "metadata": {"name": "fences.test.dev"}, "spec": {
        "group": "test.dev", "scope": "Namespaced", "names": {"kind": "Fence", "plural": "fences"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
    let class = json!({"kind": "PriorityClass", "value": 1});
    vec![
        config_map("hanse-admin writes in its own namespace", ADMIN, "platform", "ours", Passes),
        cluster_scoped("hanse-admin makes a PriorityClass", ADMIN, "scheduling.k8s.io/v1", "priorityclasses", class,
            Passes),
        cluster_scoped("hanse-admin makes a custom kind", ADMIN, "apiextensions.k8s.io/v1",
            "customresourcedefinitions", crd, Passes),
        delete("hanse-admin deletes it again", ADMIN, "/apis/scheduling.k8s.io/v1/priorityclasses/fence-test",
            Passes),
        delete("hanse-admin deletes the kind again", ADMIN,
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/fences.test.dev", Passes),
        config_map("a tenant writes in its namespace", SHOP, "shop", "ours", Passes),
        row("the hub writes its claim", Hub, Patch,
            "/apis/coordination.k8s.io/v1/namespaces/hanse-system/leases/hub-claim",
            json!({"spec": {"holderIdentity": "hub-1"}}), Passes),
        token("the hub renews its token", Hub, "hanse-system", "hub", Passes),
        // The owner's acts, which the next rows try to use.
        patch_namespace("the owner labels kube-public as ours", Owner, "kube-public", &json!({"labels": ours()}),
            Passes),
        patch_namespace("the owner exempts a namespace elsewhere", Owner, "offered",
            &json!({"labels": {"admission.example/exempt": "no"}}), Passes),
        create_namespace("the owner offers a privileged namespace", Owner, "loose",
            &json!({"pod-security.kubernetes.io/enforce": "privileged"}), Passes),
        patch_namespace("the offer", Owner, "loose", &json!({"annotations": {"hanse.dev/adopt": "shop"}}), Passes),
        patch_namespace("the owner lowers pod security", Owner, "retail",
            &json!({"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}), Passes),
        patch_namespace("the hub leaves what the owner lowered", Hub, "retail",
            &json!({"annotations": {"hanse.dev/hub": "one"}}), Passes),
        patch_namespace("the hub raises what the owner lowered", Hub, "retail",
            &json!({"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}), Passes),
    ]
}

pub(super) fn beyond() -> Vec<Row> {
    let mut rows = namespaces();
    rows.extend(foreign_writes());
    rows.extend(cluster_scope());
    rows.extend(bindings());
    rows
}

#[rustfmt::skip] // a table reads best with a row a line
fn namespaces() -> Vec<Row> {
    let finalize = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}, "spec": {"finalizers": []}});
    let pinned = json!({"labels": {"pod-security.kubernetes.io/enforce-version": "v1.0"}});
    vec![
        patch_namespace("takes our label off", Hub, "shop", &json!({"labels": {"hanse.dev/tenant": null}}),
            Refused("stays as long")),
        patch_namespace("empties our label", Hub, "shop", &json!({"labels": {"hanse.dev/tenant": ""}}),
            Refused("stays as long")),
        patch_namespace("lowers pod security", Hub, "shop",
            &json!({"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}), Refused("never lowered")),
        patch_namespace("pins an old version of pod security", Hub, "shop", &pinned, Refused("does not pin")),
        patch_namespace("adopts for another tenant than offered", Hub, "loose", &json!({"labels": labels("retail",
            "baseline")}), Refused("only to the tenant")),
        patch_namespace("adopts a namespace and leaves it privileged", Hub, "loose",
            &json!({"labels": {"hanse.dev/tenant": "shop"}}), Refused("never lowered")),
        patch_namespace("offers its own namespace to itself", Hub, "shop",
            &json!({"annotations": {"hanse.dev/adopt": "shop"}}), Refused("owner's word")),
        patch_namespace("takes an offer off", Hub, "offered", &json!({"annotations": {"hanse.dev/adopt": null}}),
            Refused("owner's word")),
        patch_namespace("adds an exemption from other policies", Hub, "shop",
            &json!({"labels": {"admission.example/exempt": "yes"}}), Refused("writes only labels")),
        patch_namespace("changes an exemption from other policies", Hub, "offered",
            &json!({"labels": {"admission.example/exempt": "yes"}}), Refused("writes only labels")),
        patch_namespace("removes a foreign label", Hub, "offered", &json!({"labels": {"team": null}}),
            Refused("writes only labels")),
        patch_namespace("adds a node selector by annotation", Hub, "shop",
            &json!({"annotations": {"scheduler.alpha.kubernetes.io/node-selector": "a=b"}}),
            Refused("writes only annotations")),
        patch_namespace("labels a namespace as a tenant", SHOP, "foreign", &json!({"labels": ours()}),
            Refused("writes no namespaces")),
        patch_namespace("lowers pod security as the tenant", SHOP, "shop",
            &json!({"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}),
            Refused("writes no namespaces")),
        patch_namespace("lowers pod security as hanse-admin", ADMIN, "platform",
            &json!({"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}),
            Refused("writes no namespaces")),
        create_namespace("makes a namespace as hanse-admin", ADMIN, "bad", &labels("hanse-admin", "baseline"),
            Refused("writes no namespaces")),
        row("writes the status of a namespace", Hub, Patch, "/api/v1/namespaces/shop/status",
            json!({"metadata": {"labels": {"hanse.dev/tenant": null}}}), Refused("status and finalize")),
        row("finalizes a namespace", Hub, Verb::Replace, "/api/v1/namespaces/shop/finalize", finalize,
            Refused("status and finalize")),
        delete("deletes a namespace the owner labelled, but reserved", Hub, "/api/v1/namespaces/kube-node-lease",
            Refused("never the hub's")),
        delete("deletes a namespace as a tenant", SHOP, "/api/v1/namespaces/shop", Refused("writes no namespaces")),
    ]
}

#[rustfmt::skip] // a table reads best with a row a line
fn foreign_writes() -> Vec<Row> {
    let theirs = "/api/v1/namespaces/foreign/configmaps/theirs";
    let pods = "/api/v1/namespaces/foreign/pods/theirs";
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "theirs"}});
    let debug = json!({"spec": {"ephemeralContainers": [{"name": "d", "image": "x"}]}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "x", "annotations": {"kubernetes.io/service-account.name": "default"}}});
    let lease = "/apis/coordination.k8s.io/v1/namespaces/hanse-system/leases";
    let node_binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "theirs"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "n"}});
    let mut rows = Vec::new();
    for (who, words) in [
        (Hub, "has no label"),
        (SHOP, "has no label"),
        (ADMIN, "has no label"),
    ] {
        rows.extend([
            config_map("creates in a foreign namespace", who, "foreign", "x", Refused(words)),
            row("changes in a foreign namespace", who, Patch, theirs, json!({"data": {"a": "c"}}), Refused(words)),
            row("applies in a foreign namespace", who, Apply, theirs,
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {"x": "y"}}), Refused(words)),
            delete("deletes in a foreign namespace", who, theirs, Refused(words)),
            row("deletes a collection in a foreign namespace", who, Delete, "/api/v1/namespaces/foreign/configmaps", Value::Null,
                Refused(words)),
            row("adds an ephemeral container in a foreign namespace", who, Patch, format!("{pods}/ephemeralcontainers"),
                debug.clone(), Refused(words)),
            row("writes a pod's status in a foreign namespace", who, Patch, format!("{pods}/status"),
                json!({"status": {"phase": "Failed"}}), Refused(words)),
            row("evicts in a foreign namespace", who, Create, format!("{pods}/eviction"), eviction.clone(), Refused(words)),
            row("places a foreign pod", who, Create, format!("{pods}/binding"), node_binding.clone(), Refused(words)),
            row("runs a command in a foreign pod", who, Create, format!("{pods}/exec?command=id&stdout=true"), Value::Null,
                Refused(words)),
            row("attaches to a foreign pod", who, Create, format!("{pods}/attach?stdout=true"), Value::Null, Refused(words)),
            row("forwards a port of a foreign pod", who, Create, format!("{pods}/portforward?ports=80"), Value::Null, Refused(words)),
            get("goes through the proxy to a foreign pod", who, &format!("{pods}/proxy/"), Refused(words)),
            token("takes a token of a foreign namespace", who, "foreign", "default", Refused(words)),
        ]);
    }
    for (namespace, words) in [
        ("kube-system", "nothing is written in"),
        ("default", "nothing is written in"),
        ("kube-public", "nothing is written in"),
        ("hanse-tenants", "nothing is written in"),
    ] {
        rows.push(config_map(
            "creates in a reserved namespace",
            Hub,
            namespace,
            "x",
            Refused(words),
        ));
        rows.push(config_map(
            "creates in a reserved namespace as a tenant",
            SHOP,
            namespace,
            "x",
            Refused(words),
        ));
        rows.push(config_map(
            "creates in a reserved namespace as hanse-admin",
            ADMIN,
            namespace,
            "x",
            Refused(words),
        ));
    }
    rows.extend([
        row("makes a token Secret in kube-system", Hub, Create, "/api/v1/namespaces/kube-system/secrets", secret,
            Refused("nothing is written in")),
        token("takes a token in kube-system", Hub, "kube-system", "default", Refused("nothing is written in")),
        token("takes another token in hanse-system", Hub, "hanse-system", "default",
            Refused("nothing is written in")),
        token("takes the hub's token as a tenant", SHOP, "hanse-system", "hub", Refused("nothing is written in")),
        row("makes the ServiceAccount of a tenant", Hub, Create, "/api/v1/namespaces/hanse-tenants/serviceaccounts",
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "shop"}}),
            Refused("nothing is written in")),
        row("makes another Lease in hanse-system", Hub, Create, lease, json!({"apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease", "metadata": {"name": "x"}}), Refused("nothing is written in")),
        delete("deletes its claim", Hub, &format!("{lease}/hub-claim"), Refused("nothing is written in")),
        row("writes the claim as a tenant", SHOP, Patch, format!("{lease}/hub-claim"),
            json!({"spec": {"holderIdentity": "x"}}), Refused("nothing is written in")),
        config_map("writes in another tenant's namespace", SHOP, "retail", "x", Refused("named after")),
        config_map("writes in a tenant's namespace as hanse-admin", ADMIN, "shop", "x", Refused("named after")),
        config_map("writes in the administrators' namespace as a tenant", SHOP, "platform", "x",
            Refused("named after")),
        config_map("writes as an identity of no namespace", Acting("system:serviceaccount:hanse-tenants:nobody"),
            "shop", "x", Refused("named after")),
        pod("runs a pod with the host's processes through a tenant", SHOP, "shop", "x", &json!({"hostPID": true}),
            Refused("PodSecurity")),
    ]);
    rows
}

#[rustfmt::skip] // a table reads best with a row a line
fn cluster_scope() -> Vec<Row> {
    let node = json!({"kind": "Node"});
    let volume = |source: Value| {
        let mut spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]});
        spec["hostPath"] = source;
        json!({"kind": "PersistentVolume", "spec": spec})
    };
    let service = json!({"kind": "APIService", "metadata": {"name": "v1.fence.test"},
        "spec": {"group": "fence.test", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10,
            "service": {"name": "a", "namespace": "shop"}, "insecureSkipTLSVerify": true}});
    let class = json!({"kind": "PriorityClass", "value": 1});
    let request = json!({"kind": "CertificateSigningRequest", "spec": {"signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"], "request": REQUEST}});
    let mut rows = Vec::new();
    for who in [Hub, SHOP] {
        rows.extend([
            cluster_scoped("makes a node", who, "v1", "nodes", node.clone(), Refused("cluster-scoped")),
            cluster_scoped("makes a PriorityClass", who, "scheduling.k8s.io/v1", "priorityclasses", class.clone(),
                Refused("cluster-scoped")),
            cluster_scoped("makes a volume of the node", who, "v1", "persistentvolumes",
                volume(json!({"path": "/"})), Refused("cluster-scoped")),
            cluster_scoped("makes an API service", who, "apiregistration.k8s.io/v1", "apiservices", service.clone(),
                Refused("cluster-scoped")),
        ]);
    }
    rows.extend([
        cluster_scoped("makes a node as hanse-admin", ADMIN, "v1", "nodes", node, Refused("member owner's")),
        cluster_scoped("makes a volume of the node as hanse-admin", ADMIN, "v1", "persistentvolumes",
            volume(json!({"path": "/"})), Refused("hostPath and local")),
        cluster_scoped("makes an API service as hanse-admin", ADMIN, "apiregistration.k8s.io/v1", "apiservices",
            service, Refused("member owner's")),
        cluster_scoped("asks for a certificate as hanse-admin", ADMIN, "certificates.k8s.io/v1",
            "certificatesigningrequests", request, Refused("member owner's")),
        get("goes through a node's proxy as hanse-admin", ADMIN, "/api/v1/nodes/none/proxy/",
            Refused("member owner's")),
    ]);
    rows
}

/// A PKCS #10 request for CN=x; the fence must refuse it before anybody reads it.
const REQUEST: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIRk1HNENBUUF3RERFS01BZ0dBMVVFQXd3QmVEQlpNQk1HQnlxR1NNNDlBZ0VHQ0NxR1NNNDlBd0VIQTBJQQpCTTNUcFV4eHFXaGFPTDgvNnprb3F2UlU5VXZEZXR6TDRsM2pjNllTQkNNeUNxc0c5UXA0VzN2QTJSVHNwcGJmCkJiU0FJTWkvam53ZWFKcXo1THBNWUkrZ0FEQUtCZ2dxaGtqT1BRUURBZ05IQURCRUFpQmUxdTg4b2lyQ1pWaEUKMjJreVAydWsxRzBTZDFhM3VCL3dLT0M1V1FlTFlnSWdKYzhWdUtZSFpIQlRaWTRJWHZIMlYvZlpsWS9ubC9PeAo3SHNacFcxWVRBQT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==";

#[rustfmt::skip] // a table reads best with a row a line
fn bindings() -> Vec<Row> {
    let account = |namespace: &str, name: &str| json!([{"kind": "ServiceAccount", "namespace": namespace, "name": name}]);
    let user = |kind: &str, name: &str| json!([{"kind": kind, "apiGroup": "rbac.authorization.k8s.io", "name": name}]);
    let theirs = format!("{RBAC}/namespaces/offered/rolebindings/theirs");
    let two = json!([{"kind": "ServiceAccount", "namespace": "hanse-tenants", "name": "shop"},
        {"kind": "ServiceAccount", "namespace": "hanse-tenants", "name": "retail"}]);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "x"}, "rules": []});
    let to_role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "x"}, "subjects": [],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "hanse:tenant"}});
    let cluster_admin = json!({"kind": "ClusterRoleBinding", "subjects": [],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}});
    let cluster_role = json!({"kind": "ClusterRole", "rules": []});
    let mut rows = vec![
        bind("binds in kube-system", Hub, "kube-system", "hanse:tenant", &identity("kube-system"),
            Refused("nothing is written in")),
        bind("binds in a foreign namespace", Hub, "foreign", "hanse:tenant", &identity("foreign"),
            Refused("has no label")),
        bind("binds cluster-admin", Hub, "shop", "cluster-admin", &identity("shop"), Refused("binds only")),
        bind("binds edit", Hub, "shop", "edit", &identity("shop"), Refused("binds only")),
        row("binds a Role of the same name", Hub, Create, format!("{RBAC}/namespaces/shop/rolebindings"), to_role,
            Refused("binds only")),
        bind("swaps the tenant for another", Hub, "shop", "hanse:tenant", &identity("retail"),
            Refused("own identity")),
        bind("adds a second tenant", Hub, "shop", "hanse:tenant", &two, Refused("own identity")),
        bind("binds the tenant's role to nobody", Hub, "shop", "hanse:tenant", &json!([]), Refused("own identity")),
        bind("binds the tenant's role to a user", Hub, "shop", "hanse:tenant", &user("User", "ana"),
            Refused("own identity")),
        bind("binds the tenant's role to a running account", Hub, "shop", "hanse:tenant", &account("shop",
            "default"), Refused("own identity")),
        bind("makes all ServiceAccounts owners", Hub, "shop", "hanse:owner", &user("Group",
            "system:serviceaccounts"), Refused("never system:")),
        bind("makes a system user an owner", Hub, "shop", "hanse:owner", &user("User", "system:anonymous"),
            Refused("never system:")),
        bind("makes itself an owner", Hub, "shop", "hanse:owner", &account("hanse-system", "hub"),
            Refused("never system:")),
        bind("makes a controller an owner", Hub, "shop", "hanse:owner", &account("kube-system", "x"),
            Refused("never system:")),
        row("takes a foreign RoleBinding", Hub, Patch, theirs.clone(), json!({"subjects": identity("offered")}),
            Refused("binds only")),
        delete("deletes a foreign RoleBinding", Hub, &theirs, Refused("binds only")),
        row("makes a Role", Hub, Create, format!("{RBAC}/namespaces/shop/roles"), role, Refused("member owner's")),
        row("binds as a tenant", SHOP, Create, format!("{RBAC}/namespaces/shop/rolebindings"), role_binding("x",
            "hanse:tenant", &identity("shop")), Refused("member owner's")),
        row("binds as hanse-admin", ADMIN, Create, format!("{RBAC}/namespaces/platform/rolebindings"),
            role_binding("x", "hanse:tenant", &identity("platform")), Refused("member owner's")),
        row("widens hanse:tenant", Hub, Patch, format!("{RBAC}/clusterroles/hanse:tenant"),
            json!({"metadata": {"labels": {"a": "b"}}}), Refused("hanse fence")),
    ];
    // Two policies refuse these; either may answer.
    for who in [Hub, SHOP, ADMIN] {
        rows.push(cluster_scoped("makes a cluster role", who, "rbac.authorization.k8s.io/v1", "clusterroles",
            cluster_role.clone(), Refused("hanse fence")));
        rows.push(cluster_scoped("binds cluster-admin everywhere", who, "rbac.authorization.k8s.io/v1",
            "clusterrolebindings", cluster_admin.clone(), Refused("hanse fence")));
    }
    rows
}

/// What the hub put there goes again, with its own credential.
#[rustfmt::skip] // a table reads best with a row a line
pub(super) fn removal() -> Vec<Row> {
    vec![
        delete("takes a tenant's right", Hub, &format!("{RBAC}/namespaces/shop/rolebindings/hanse-tenant"), Passes),
        config_map("leaves something to be collected", Acting("system:serviceaccount:hanse-tenants:retail"),
            "retail", "x", Passes),
        delete("deletes a namespace it made", Hub, "/api/v1/namespaces/retail", Passes),
    ]
}
