//! The roles and bindings that every cluster starts with, as the API server and the aggregation controller make them.
//!
//! Rules of groups that are not served here (`extensions`, `resource.k8s.io`) are left out, and so are the roles of
//! upstream's own components: ours are `system:masters`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::aggregate::gathered;
use super::{API_VERSION, GROUP};
use crate::sandbox::object::{Object, name};

/// By lines: a role with the label it aggregates by (`->`) or gathers (`<-`), then its rules: verbs, groups, resources.
/// `core` is the empty group; a rule without groups is about paths.
const ROLES: &str = "
cluster-admin
  * | * | *
  * | | *
admin <- admin
edit -> admin <- edit
view -> edit <- view
system:aggregate-to-admin -> admin
  create | authorization.k8s.io | localsubjectaccessreviews
  BOTH | rbac.authorization.k8s.io | rolebindings roles
system:aggregate-to-edit -> edit
  READ | core | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy
  impersonate | core | serviceaccounts
  WRITE | core | pods pods/attach pods/exec pods/portforward pods/proxy
  create | core | pods/eviction
  WRITE | core | configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets \
    serviceaccounts services services/proxy
  create | core | serviceaccounts/token
  WRITE | core events.k8s.io | events
  WRITE | apps | daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale \
    statefulsets statefulsets/scale
  WRITE | autoscaling | horizontalpodautoscalers
  WRITE | batch | cronjobs jobs
  WRITE | policy | poddisruptionbudgets
  WRITE | networking.k8s.io | ingresses networkpolicies
  BOTH | coordination.k8s.io | leases
system:aggregate-to-view -> view
  READ | core | configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods \
    replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status
  READ | core | bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status \
    resourcequotas resourcequotas/status
  READ | core | namespaces
  READ | core events.k8s.io | events
  READ | discovery.k8s.io | endpointslices
  READ | apps | controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status \
    replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status
  READ | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status
  READ | batch | cronjobs cronjobs/status jobs jobs/status
  READ | policy | poddisruptionbudgets poddisruptionbudgets/status
  READ | networking.k8s.io | ingresses ingresses/status networkpolicies
system:basic-user
  create | authorization.k8s.io | selfsubjectaccessreviews selfsubjectrulesreviews
  create | authentication.k8s.io | selfsubjectreviews
system:discovery
  get | | /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/
system:public-info-viewer
  get | | /healthz /livez /readyz /version /version/
";
const VERBS: [(&str, &str); 3] = [
    ("READ", "get list watch"),
    ("WRITE", "create delete deletecollection patch update"),
    (
        "BOTH",
        "create delete deletecollection get list patch update watch",
    ),
];

/// Roles and the groups that have them.
const BINDINGS: [(&str, &[&str]); 4] = [
    ("cluster-admin", &["system:masters"]),
    ("system:basic-user", &["system:authenticated"]),
    ("system:discovery", &["system:authenticated"]),
    (
        "system:public-info-viewer",
        &["system:authenticated", "system:unauthenticated"],
    ),
];

/// ClusterRoles, with what they gather already in them, and who has them.
pub(crate) fn bootstrap() -> Vec<Value> {
    let mut roles: Vec<Object> = roles().into_iter().map(Arc::new).collect();
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

fn roles() -> Vec<Value> {
    let mut roles: Vec<Value> = Vec::new();
    for line in ROLES.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("  "), roles.last_mut()) {
            (Some(line), Some(role)) => {
                if let Some(rules) = role["rules"].as_array_mut() {
                    rules.push(rule(line));
                }
            }
            _ => roles.push(role(line)),
        }
    }
    roles
}

fn role(line: &str) -> Value {
    let label = |of: &str| format!("{GROUP}/aggregate-to-{of}");
    let mut words = line.split(' ');
    let mut role = object("ClusterRole", words.next().unwrap_or_default());
    while let (Some(arrow), Some(of)) = (words.next(), words.next()) {
        if arrow == "->" {
            role["metadata"]["labels"][label(of)] = "true".into();
        } else {
            let labels = json!({label(of): "true"});
            role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": labels}]});
        }
    }
    role["rules"] = json!([]);
    role
}

fn rule(line: &str) -> Value {
    let list = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let mut parts = line.split('|').map(str::trim);
    let mut part = || parts.next().unwrap_or_default();
    let (verbs, groups, resources) = (part(), part(), part());
    let named = VERBS.iter().find(|(name, _)| *name == verbs);
    let verbs = list(named.map_or(verbs, |(_, verbs)| verbs));
    if groups.is_empty() {
        return json!({"verbs": verbs, "nonResourceURLs": list(resources)});
    }
    let groups = groups
        .split(' ')
        .map(|group| if group == "core" { "" } else { group });
    json!({"apiGroups": groups.collect::<Vec<_>>(), "resources": list(resources), "verbs": verbs})
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
