//! The table: who tries what, and what must come of it.

use serde_json::{Value, json};

/// Whose credential a row uses. Everybody but the owner holds the hub's own token.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    Owner,
    Hub,
    Acting(&'static str),
    ActingIn(&'static str, &'static str),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Expect {
    Passes,
    /// 403, with these words in the message.
    Refused(&'static str),
}

impl Expect {
    pub(super) fn holds(self, code: u16, message: &str) -> bool {
        match self {
            Self::Passes => code < 300,
            Self::Refused(words) => code == 403 && message.contains(words),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Create,
    Apply,
    Patch,
    Replace,
    Delete,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) does: &'static str,
    pub(super) who: Who,
    verb: Verb,
    pub(super) path: String,
    pub(super) body: Value,
    pub(super) expect: Expect,
}

impl Row {
    pub(super) fn method(&self) -> http::Method {
        match self.verb {
            Verb::Get => http::Method::GET,
            Verb::Create => http::Method::POST,
            Verb::Apply | Verb::Patch => http::Method::PATCH,
            Verb::Replace => http::Method::PUT,
            Verb::Delete => http::Method::DELETE,
        }
    }

    pub(super) fn media_type(&self) -> &'static str {
        match self.verb {
            Verb::Apply => "application/apply-patch+yaml",
            Verb::Patch => "application/merge-patch+json",
            Verb::Get | Verb::Create | Verb::Replace | Verb::Delete => "application/json",
        }
    }
}

use Expect::{Passes, Refused};
use Verb::{Apply, Create, Delete, Get, Patch};
use Who::{Acting, Hub, Owner};

pub(super) const SHOP: Who = Acting("system:serviceaccount:hanse-tenants:shop");
pub(super) const ADMIN: Who = Acting("system:serviceaccount:hanse-tenants:hanse-admin");

/// Nearly every right, for the hub and for all tenants.
pub(super) const EVERYTHING: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: everything}
rules:
- {apiGroups: ["*"], resources: ["*"], verbs: [get, list, watch, create, update, patch, delete, deletecollection, bind, escalate]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: everything}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: everything}
subjects:
- {kind: ServiceAccount, namespace: hanse-system, name: hub}
- {kind: Group, apiGroup: rbac.authorization.k8s.io, name: "system:serviceaccounts:hanse-tenants"}
"#;

pub(super) fn row(
    does: &'static str,
    who: Who,
    verb: Verb,
    path: impl Into<String>,
    body: Value,
    expect: Expect,
) -> Row {
    let mut path = path.into();
    if verb == Apply {
        path.push_str("?fieldManager=hanse-test&force=true");
    }
    Row {
        does,
        who,
        verb,
        path,
        body,
        expect,
    }
}

pub(super) fn get(does: &'static str, who: Who, path: &str, expect: Expect) -> Row {
    row(does, who, Get, path, Value::Null, expect)
}

pub(super) fn delete(does: &'static str, who: Who, path: &str, expect: Expect) -> Row {
    row(does, who, Delete, path, Value::Null, expect)
}

pub(super) fn create_namespace(
    does: &'static str,
    who: Who,
    name: &str,
    labels: &Value,
    expect: Expect,
) -> Row {
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    row(does, who, Create, "/api/v1/namespaces", body, expect)
}

/// A merge patch of a namespace's metadata.
pub(super) fn patch_namespace(
    does: &'static str,
    who: Who,
    name: &str,
    metadata: &Value,
    expect: Expect,
) -> Row {
    row(
        does,
        who,
        Patch,
        format!("/api/v1/namespaces/{name}"),
        json!({"metadata": metadata}),
        expect,
    )
}

pub(super) fn config_map(does: &'static str, who: Who, namespace: &str, name: &str, expect: Expect) -> Row {
    let body =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}});
    row(
        does,
        who,
        Create,
        format!("/api/v1/namespaces/{namespace}/configmaps"),
        body,
        expect,
    )
}

pub(super) fn pod(
    does: &'static str,
    who: Who,
    namespace: &str,
    name: &str,
    spec: &Value,
    expect: Expect,
) -> Row {
    let mut spec = spec.clone();
    if spec["containers"].is_null() {
        spec["containers"] = json!([{"name": "c", "image": "x"}]);
    }
    let body = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
    row(
        does,
        who,
        Create,
        format!("/api/v1/namespaces/{namespace}/pods"),
        body,
        expect,
    )
}

pub(super) fn deployment(does: &'static str, who: Who, namespace: &str, expect: Expect) -> Row {
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}}});
    row(
        does,
        who,
        Apply,
        format!("/apis/apps/v1/namespaces/{namespace}/deployments/web"),
        body,
        expect,
    )
}

pub(super) const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

pub(super) fn role_binding(name: &str, role: &str, subjects: &Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}, "subjects": subjects})
}

pub(super) fn bind(
    does: &'static str,
    who: Who,
    namespace: &str,
    role: &str,
    subjects: &Value,
    expect: Expect,
) -> Row {
    let name = role.replace(':', "-");
    let body = role_binding(&name, role, subjects);
    row(
        does,
        who,
        Apply,
        format!("{RBAC}/namespaces/{namespace}/rolebindings/{name}"),
        body,
        expect,
    )
}

pub(super) fn identity(namespace: &str) -> Value {
    json!([{"kind": "ServiceAccount", "namespace": "hanse-tenants", "name": namespace}])
}

pub(super) fn token(does: &'static str, who: Who, namespace: &str, account: &str, expect: Expect) -> Row {
    token_for(does, who, namespace, account, DAYS_30, expect)
}

/// What the hub asks for.
const DAYS_30: u64 = 30 * 24 * 3600;

pub(super) fn token_for(
    does: &'static str,
    who: Who,
    namespace: &str,
    account: &str,
    seconds: u64,
    expect: Expect,
) -> Row {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}});
    row(does, who, Create, path, body, expect)
}

pub(super) fn cluster_scoped(
    does: &'static str,
    who: Who,
    group: &str,
    plural: &str,
    body: Value,
    expect: Expect,
) -> Row {
    let prefix = if group == "v1" {
        "/api/v1".to_owned()
    } else {
        format!("/apis/{group}")
    };
    let mut body = body;
    body["apiVersion"] = json!(group);
    if body["metadata"]["name"].is_null() {
        body["metadata"]["name"] = json!("fence-test");
    }
    row(does, who, Create, format!("{prefix}/{plural}"), body, expect)
}

pub(super) fn ours() -> Value {
    labels("shop", "baseline")
}

pub(super) fn labels(tenant: &str, level: &str) -> Value {
    json!({"hanse.dev/tenant": tenant, "hanse.dev/managed-by": "hanse", "pod-security.kubernetes.io/enforce": level})
}

/// The dry run that tells the joiner that the fence stands.
pub(super) fn probe() -> Row {
    let body = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "hanse:fence-probe", "labels": {"hanse.dev/fence-probe": "1"}}, "rules": []});
    row(
        "probe",
        Owner,
        Create,
        format!("{RBAC}/clusterroles?dryRun=All"),
        body,
        Refused("stands"),
    )
}

pub(super) fn read_tenant_role() -> Row {
    get(
        "read hanse:tenant",
        Owner,
        &format!("{RBAC}/clusterroles/hanse:tenant"),
        Passes,
    )
}

pub(super) fn first_token() -> Row {
    token("ask for the hub's token", Owner, "hanse-system", "hub", Passes)
}

pub(super) fn read_secrets_everywhere() -> Row {
    get("read Secrets with every right", Hub, "/api/v1/secrets", Passes)
}

pub(super) fn read_namespace(name: &str) -> Row {
    get(
        "read the namespace",
        Owner,
        &format!("/api/v1/namespaces/{name}"),
        Passes,
    )
}

/// One document of a manifest, applied by the member's owner.
pub(super) fn applied_by_owner(document: &Value) -> Row {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&document["kind"]);
    let plural = match kind.as_str() {
        "ValidatingAdmissionPolicy" => "validatingadmissionpolicies".to_owned(),
        _ => format!("{}s", kind.to_lowercase()),
    };
    let version = text(&document["apiVersion"]);
    let prefix = if version == "v1" {
        "/api/v1".to_owned()
    } else {
        format!("/apis/{version}")
    };
    let namespace = match document["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("/namespaces/{namespace}"),
        None => String::new(),
    };
    let path = format!(
        "{prefix}{namespace}/{plural}/{}",
        text(&document["metadata"]["name"])
    );
    row("apply a manifest", Owner, Apply, path, document.clone(), Passes)
}
