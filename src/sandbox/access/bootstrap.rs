//! The roles and bindings that every cluster starts with, as the API server and the aggregation controller make them.
//!
//! Rules of groups that are not served here (`extensions`, `resource.k8s.io`) are left out, and so are the roles of
//! upstream's own components: ours are `system:masters`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::aggregate::gathered;
use super::{API_VERSION, GROUP};
use crate::sandbox::object::{Object, name};

const READ: &str = "get list watch";
const WRITE: &str = "create delete deletecollection patch update";
const BOTH: &str = "create delete deletecollection get list patch update watch";

/// Verbs, groups (`core` is the empty one), resources; a resource with a leading slash is a path.
type Row = (&'static str, &'static str, &'static str);

/// Name, the role it aggregates to, the role it gathers, rules.
type Role = (&'static str, &'static str, &'static str, &'static [Row]);

const ROLES: &[Role] = &[
    ("cluster-admin", "", "", &[("*", "*", "*"), ("*", "", "/*")]),
    ("admin", "", "admin", &[]),
    ("edit", "admin", "edit", &[]),
    ("view", "edit", "view", &[]),
    (
        "system:aggregate-to-admin",
        "admin",
        "",
        &[
            ("create", "authorization.k8s.io", "localsubjectaccessreviews"),
            (BOTH, GROUP, "rolebindings roles"),
        ],
    ),
    (
        "system:aggregate-to-edit",
        "edit",
        "",
        &[
            (
                READ,
                "core",
                "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy",
            ),
            ("impersonate", "core", "serviceaccounts"),
            (
                WRITE,
                "core",
                "pods pods/attach pods/exec pods/portforward pods/proxy",
            ),
            ("create", "core", "pods/eviction"),
            (
                WRITE,
                "core",
                "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets \
                 serviceaccounts services services/proxy",
            ),
            ("create", "core", "serviceaccounts/token"),
            (WRITE, "core events.k8s.io", "events"),
            (
                WRITE,
                "apps",
                "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale \
                 statefulsets statefulsets/scale",
            ),
            (WRITE, "autoscaling", "horizontalpodautoscalers"),
            (WRITE, "batch", "cronjobs jobs"),
            (WRITE, "policy", "poddisruptionbudgets"),
            (WRITE, "networking.k8s.io", "ingresses networkpolicies"),
            (BOTH, "coordination.k8s.io", "leases"),
        ],
    ),
    (
        "system:aggregate-to-view",
        "view",
        "",
        &[
            (
                READ,
                "core",
                "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers \
                 replicationcontrollers/scale serviceaccounts services services/status",
            ),
            (
                READ,
                "core",
                "bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status \
                 resourcequotas resourcequotas/status",
            ),
            (READ, "core", "namespaces"),
            (READ, "core events.k8s.io", "events"),
            (READ, "discovery.k8s.io", "endpointslices"),
            (
                READ,
                "apps",
                "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status \
                 replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
            ),
            (
                READ,
                "autoscaling",
                "horizontalpodautoscalers horizontalpodautoscalers/status",
            ),
            (READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
            (READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
            (
                READ,
                "networking.k8s.io",
                "ingresses ingresses/status networkpolicies",
            ),
        ],
    ),
    (
        "system:auth-delegator",
        "",
        "",
        &[
            ("create", "authentication.k8s.io", "tokenreviews"),
            ("create", "authorization.k8s.io", "subjectaccessreviews"),
        ],
    ),
    (
        "system:basic-user",
        "",
        "",
        &[
            (
                "create",
                "authorization.k8s.io",
                "selfsubjectaccessreviews selfsubjectrulesreviews",
            ),
            ("create", "authentication.k8s.io", "selfsubjectreviews"),
        ],
    ),
    (
        "system:discovery",
        "",
        "",
        &[(
            "get",
            "",
            "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
        )],
    ),
    (
        "system:monitoring",
        "",
        "",
        &[
            (
                "get",
                "",
                "/flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz",
            ),
            ("get", "core", "nodes/metrics"),
        ],
    ),
    (
        "system:public-info-viewer",
        "",
        "",
        &[("get", "", "/healthz /livez /readyz /version /version/")],
    ),
];

/// Roles and the groups that have them.
const BINDINGS: &[(&str, &[&str])] = &[
    ("cluster-admin", &["system:masters"]),
    ("system:basic-user", &["system:authenticated"]),
    ("system:discovery", &["system:authenticated"]),
    ("system:monitoring", &["system:monitoring"]),
    (
        "system:public-info-viewer",
        &["system:authenticated", "system:unauthenticated"],
    ),
];

/// ClusterRoles, with what they gather already in them, and who has them.
pub(crate) fn bootstrap() -> Vec<Value> {
    let mut roles: Vec<Object> = ROLES.iter().map(|of| Arc::new(role(of))).collect();
    // `admin` gathers `edit`, which gathers `view`.
    for gatherer in ["view", "edit", "admin"] {
        let Some(at) = roles.iter().position(|role| name(role) == gatherer) else {
            continue;
        };
        if let Some(rules) = gathered(&roles[at], &roles) {
            Arc::make_mut(&mut roles[at])["rules"] = rules;
        }
    }
    let roles = roles.into_iter().map(Arc::unwrap_or_clone);
    roles.chain(BINDINGS.iter().map(binding)).collect()
}

fn object(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": API_VERSION, "kind": kind,
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        },
    })
}

fn role(&(name, aggregates_to, gathers, rows): &Role) -> Value {
    let label = |of: &str| format!("{GROUP}/aggregate-to-{of}");
    let mut role = object("ClusterRole", name);
    if !aggregates_to.is_empty() {
        role["metadata"]["labels"][label(aggregates_to)] = "true".into();
    }
    if !gathers.is_empty() {
        let labels = json!({label(gathers): "true"});
        role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": labels}]});
    }
    role["rules"] = rows.iter().map(rule).collect();
    role
}

fn rule(&(verbs, groups, resources): &Row) -> Value {
    let list = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    if resources.starts_with('/') {
        let every = resources == "/*";
        let paths = if every {
            vec!["*".to_owned()]
        } else {
            list(resources)
        };
        return json!({"verbs": list(verbs), "nonResourceURLs": paths});
    }
    let groups = list(groups).into_iter();
    let groups: Vec<String> = groups
        .map(|group| if group == "core" { String::new() } else { group })
        .collect();
    json!({"apiGroups": groups, "resources": list(resources), "verbs": list(verbs)})
}

fn binding(&(name, groups): &(&str, &[&str])) -> Value {
    let mut binding = object("ClusterRoleBinding", name);
    binding["roleRef"] = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": name});
    let groups = groups.iter();
    binding["subjects"] = groups
        .map(|group| json!({"apiGroup": GROUP, "kind": "Group", "name": group}))
        .collect();
    binding
}
