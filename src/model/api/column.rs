//! What `kubectl get` shows of each kind: the answer to the first question people ask of it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition;

use super::reason::ConditionType::{self, Applied, Available, Drifted, Reachable, Ready, Scheduled};

/// What a column shows.
enum Column {
    /// The status of a condition.
    Status(ConditionType),
    /// The reason of a condition.
    Reason(ConditionType),
    /// Name, type, path and meaning.
    Field(&'static str, &'static str, &'static str, &'static str),
}
use Column::{Field, Reason, Status};

/// The columns of a kind: those shown always, and those with `-o wide`. `Age` ends the former in all kinds.
struct Columns {
    narrow: &'static [Column],
    wide: &'static [Column],
}

const CLUSTER: Columns = Columns {
    narrow: &[
        Status(Ready),
        Status(Reachable),
        Field(
            "Version",
            "string",
            ".status.kubernetesVersion",
            "Kubernetes version of the member",
        ),
        Field("Nodes", "integer", ".status.nodes.ready", "Nodes that are Ready"),
    ],
    wide: &[
        Reason(Ready),
        Field("Region", "string", ".spec.region", "Region, if the spec names it"),
        Field("Provider", "string", ".spec.provider", "Who runs the member"),
    ],
};

const TENANT: Columns = Columns {
    narrow: &[
        Status(Ready),
        Field(
            "Namespaces",
            "string",
            ".spec.namespaces",
            "Namespaces that are the tenant's",
        ),
    ],
    wide: &[Reason(Ready)],
};

const POLICY: Columns = Columns {
    narrow: &[
        Status(Ready),
        Field("Bindings", "integer", ".status.bindings", "Templates it governs"),
    ],
    wide: &[
        Reason(Ready),
        Field(
            "Priority",
            "integer",
            ".spec.priority",
            "Precedence over other policies",
        ),
    ],
};

const OVERRIDE_POLICY: Columns = Columns {
    narrow: &[
        Status(Ready),
        Field(
            "Priority",
            "integer",
            ".spec.priority",
            "Later than others of lower priority",
        ),
    ],
    wide: &[Reason(Ready)],
};

const KIND_RULE: Columns = Columns {
    narrow: &[
        Field("Group", "string", ".spec.group", "API group of the kind"),
        Field("Kind", "string", ".spec.kind", "The kind it is about"),
        Status(Ready),
    ],
    wide: &[
        Reason(Ready),
        Field(
            "Replicas",
            "string",
            ".spec.replicasPath",
            "Where the kind has its number of replicas, if the rule says it",
        ),
    ],
};

const BUNDLE: Columns = Columns {
    narrow: &[
        Field(
            "Clusters",
            "string",
            ".status.placed",
            "Members that hold all of it, of those decided for",
        ),
        Status(Applied),
        Status(Available),
    ],
    wide: &[Status(Scheduled), Reason(Applied), Status(Drifted)],
};

const WORKLOAD_BINDING: Columns = Columns {
    narrow: &[
        Field("Kind", "string", ".spec.template.kind", "Kind of the template"),
        Field(
            "Template",
            "string",
            ".spec.template.name",
            "Name of the template",
        ),
        Field(
            "Clusters",
            "string",
            ".status.placed",
            "Members where it is applied, of those wanted",
        ),
        Status(Applied),
        Status(Available),
    ],
    wide: &[
        Status(Scheduled),
        Status(Drifted),
        Field(
            "Policy",
            "string",
            ".spec.policy.name",
            "The policy that governs it",
        ),
    ],
};

/// The columns of a kind, in order.
pub(super) fn columns(kind: &str) -> Vec<CustomResourceColumnDefinition> {
    let Columns { narrow, wide } = match kind {
        "Cluster" => CLUSTER,
        "Tenant" => TENANT,
        "OverridePolicy" | "ClusterOverridePolicy" => OVERRIDE_POLICY,
        "Bundle" => BUNDLE,
        "KindRule" => KIND_RULE,
        "WorkloadBinding" => WORKLOAD_BINDING,
        _ => POLICY,
    };
    let age = Field(
        "Age",
        "date",
        ".metadata.creationTimestamp",
        "Time since it was made",
    );
    let narrow = narrow.iter().chain([&age]).map(|column| define(column, None));
    narrow
        .chain(wide.iter().map(|column| define(column, Some(1))))
        .collect()
}

fn define(column: &Column, priority: Option<i32>) -> CustomResourceColumnDefinition {
    let condition =
        |type_: ConditionType, part| format!(r#".status.conditions[?(@.type=="{type_}")].{part}"#);
    let (name, type_, json_path, description) = match column {
        Status(type_) => (
            type_.as_str(),
            "string",
            condition(*type_, "status"),
            format!("Status of the condition {type_}"),
        ),
        Reason(type_) => (
            "Reason",
            "string",
            condition(*type_, "reason"),
            format!("Why {type_} is what it is"),
        ),
        Field(name, type_, path, meaning) => (*name, *type_, (*path).to_owned(), (*meaning).to_owned()),
    };
    CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path,
        description: Some(description),
        priority,
        format: None,
    }
}
