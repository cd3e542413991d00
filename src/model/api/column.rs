//! What `kubectl get` shows of each kind: the answer to the first question people ask of it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition;

use super::reason::ConditionType;

/// Shown always.
const NARROW: i32 = 0;
/// Shown with `-o wide`.
const WIDE: i32 = 1;

/// The columns of a kind, in order; `Age` comes last in all of them.
pub(super) fn columns(kind: &str) -> Vec<CustomResourceColumnDefinition> {
    use ConditionType::{Applied, Available, Drifted, Reachable, Ready, Scheduled};
    let mut columns = match kind {
        "Cluster" => vec![
            condition(NARROW, Ready, "status"),
            condition(NARROW, Reachable, "status"),
            column(
                NARROW,
                "Version",
                "string",
                ".status.kubernetesVersion",
                "Kubernetes version of the member",
            ),
            column(
                NARROW,
                "Nodes",
                "integer",
                ".status.nodes.ready",
                "Nodes that are Ready",
            ),
            condition(WIDE, Ready, "reason"),
            column(
                WIDE,
                "Region",
                "string",
                ".spec.region",
                "Region, if the spec names it",
            ),
            column(
                WIDE,
                "Provider",
                "string",
                ".spec.provider",
                "Who runs the member",
            ),
        ],
        "Tenant" => vec![
            condition(NARROW, Ready, "status"),
            column(
                NARROW,
                "Namespaces",
                "string",
                ".spec.namespaces",
                "Namespaces that are the tenant's",
            ),
            condition(WIDE, Ready, "reason"),
        ],
        "PropagationPolicy" | "ClusterPropagationPolicy" => vec![
            condition(NARROW, Ready, "status"),
            column(
                NARROW,
                "Bindings",
                "integer",
                ".status.bindings",
                "Templates it governs",
            ),
            condition(WIDE, Ready, "reason"),
            column(
                WIDE,
                "Priority",
                "integer",
                ".spec.priority",
                "Precedence over other policies",
            ),
        ],
        "WorkloadBinding" => vec![
            column(
                NARROW,
                "Kind",
                "string",
                ".spec.template.kind",
                "Kind of the template",
            ),
            column(
                NARROW,
                "Template",
                "string",
                ".spec.template.name",
                "Name of the template",
            ),
            column(
                NARROW,
                "Clusters",
                "string",
                ".status.placed",
                "Members where it is applied, of those wanted",
            ),
            condition(NARROW, Applied, "status"),
            condition(NARROW, Available, "status"),
            condition(WIDE, Scheduled, "status"),
            condition(WIDE, Drifted, "status"),
            column(
                WIDE,
                "Policy",
                "string",
                ".spec.policy.name",
                "The policy that governs it",
            ),
        ],
        _ => Vec::new(),
    };
    columns.push(column(
        NARROW,
        "Age",
        "date",
        ".metadata.creationTimestamp",
        "Time since it was made",
    ));
    columns
}

fn column(
    priority: i32,
    name: &str,
    type_: &str,
    path: &str,
    description: &str,
) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path: path.to_owned(),
        description: Some(description.to_owned()),
        priority: (priority > 0).then_some(priority),
        format: None,
    }
}

fn condition(priority: i32, type_: ConditionType, part: &str) -> CustomResourceColumnDefinition {
    let path = format!(r#".status.conditions[?(@.type=="{type_}")].{part}"#);
    let (name, description) = match part {
        "reason" => ("Reason".to_owned(), format!("Why {type_} is what it is")),
        _ => (type_.to_string(), format!("Status of the condition {type_}")),
    };
    column(priority, &name, "string", &path, &description)
}
