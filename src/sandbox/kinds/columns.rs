//! What `kubectl get` shows of each kind: as upstream for built-in kinds, as their definitions say for custom ones.
//!
//! A built-in kind is a table of columns, each a name and a function from the object (and the time, for ages) to the
//! cell. Cells that need more than a line of code lie in the files below.

mod cell;
mod config;
mod network;
mod path;
mod pod;
#[cfg(test)]
mod tests;
mod workload;

use serde_json::{Value, json};

use super::{Origin, Resource, Version};
use crate::model::clock::Timestamp;
use path::Path;

/// The columns of one kind at one version.
#[derive(Debug)]
pub(crate) struct Columns(Vec<Shown>);

#[derive(Debug)]
enum Shown {
    Computed(&'static Computed),
    /// A column of a custom kind; one whose path can't be read stays empty.
    Path {
        header: Value,
        kind: String,
        path: Option<Path>,
    },
}

/// A column whose cells code computes.
#[derive(Debug)]
struct Computed {
    name: &'static str,
    kind: &'static str,
    /// Shown by `-o wide` only.
    wide: bool,
    cell: Cell,
}

type Cell = fn(&Value, Timestamp) -> Value;

const fn text(name: &'static str, cell: Cell) -> Computed {
    typed(name, "string", cell)
}

const fn integer(name: &'static str, cell: Cell) -> Computed {
    typed(name, "integer", cell)
}

const fn typed(name: &'static str, kind: &'static str, cell: Cell) -> Computed {
    Computed {
        name,
        kind,
        wide: false,
        cell,
    }
}

const fn wide(name: &'static str, cell: Cell) -> Computed {
    Computed {
        name,
        kind: "string",
        wide: true,
        cell,
    }
}

const NAME: Computed = text("Name", cell::name);
const AGE: Computed = text("Age", cell::age);

/// For kinds that upstream has no columns for.
const GENERIC: &[Computed] = &[NAME, typed("Created At", "date", cell::created)];
const NAME_AND_AGE: &[Computed] = &[NAME, AGE];

/// The columns of a kind at a version.
pub(crate) fn of(resource: &Resource, version: &Version) -> Columns {
    if !matches!(resource.origin, Origin::Custom { .. }) {
        return Columns::computed(built_in(&resource.group, &resource.plural));
    }
    let own = version.columns.iter().map(|column| {
        let description = match column.description.as_str() {
            "" => format!(
                "Custom resource definition column (in JSONPath format): {}",
                column.path
            ),
            text => text.to_owned(),
        };
        Shown::Path {
            header: json!({
                "name": column.name, "type": column.kind, "format": column.format,
                "description": description, "priority": column.priority,
            }),
            kind: column.kind.clone(),
            path: Path::parse(&column.path),
        }
    });
    let first = std::iter::once(Shown::Computed(&NAME));
    if version.columns.is_empty() {
        return Columns::computed(NAME_AND_AGE);
    }
    Columns(first.chain(own).collect())
}

/// Columns of the answer of `/scale`.
pub(crate) fn of_scale() -> Columns {
    Columns::computed(workload::SCALE)
}

impl Columns {
    fn computed(columns: &'static [Computed]) -> Self {
        Self(columns.iter().map(Shown::Computed).collect())
    }

    /// As `columnDefinitions` of a Table.
    pub(crate) fn definitions(&self) -> Value {
        self.0
            .iter()
            .map(|column| match column {
                Shown::Computed(column) => json!({
                    "name": column.name, "type": column.kind,
                    "format": if column.name == "Name" { "name" } else { "" },
                    "description": "", "priority": i32::from(column.wide),
                }),
                Shown::Path { header, .. } => header.clone(),
            })
            .collect()
    }

    /// As `cells` of a row.
    pub(crate) fn cells(&self, object: &Value, now: Timestamp) -> Value {
        self.0
            .iter()
            .map(|column| match column {
                Shown::Computed(column) => (column.cell)(object, now),
                Shown::Path { kind, path, .. } => path
                    .as_ref()
                    .and_then(|path| path.first(object))
                    .map_or(Value::Null, |value| cell::of_custom(kind, value, now)),
            })
            .collect()
    }
}

/// As upstream has them; descriptions are left out.
fn built_in(group: &str, plural: &str) -> &'static [Computed] {
    match (group, plural) {
        ("", "pods") => pod::PODS,
        ("", "podtemplates") => workload::POD_TEMPLATES,
        ("", "replicationcontrollers") => workload::REPLICATION_CONTROLLERS,
        ("apps", "deployments") => workload::DEPLOYMENTS,
        ("apps", "replicasets") => workload::REPLICA_SETS,
        ("apps", "statefulsets") => workload::STATEFUL_SETS,
        ("apps", "daemonsets") => workload::DAEMON_SETS,
        ("apps", "controllerrevisions") => workload::CONTROLLER_REVISIONS,
        ("batch", "jobs") => workload::JOBS,
        ("batch", "cronjobs") => workload::CRON_JOBS,
        ("autoscaling", "horizontalpodautoscalers") => workload::AUTOSCALERS,
        ("policy", "poddisruptionbudgets") => workload::BUDGETS,
        ("", "services") => network::SERVICES,
        ("", "endpoints") => network::ENDPOINTS,
        ("discovery.k8s.io", "endpointslices") => network::SLICES,
        ("networking.k8s.io", "ingresses") => network::INGRESSES,
        ("networking.k8s.io", "ingressclasses") => network::INGRESS_CLASSES,
        ("networking.k8s.io", "networkpolicies") => network::POLICIES,
        ("", "nodes") => config::NODES,
        ("", "namespaces") => config::NAMESPACES,
        ("", "configmaps") => config::CONFIG_MAPS,
        ("", "secrets") => config::SECRETS,
        ("", "events") | ("events.k8s.io", "events") => config::EVENTS,
        ("", "resourcequotas") => config::QUOTAS,
        ("", "persistentvolumes") => config::VOLUMES,
        ("", "persistentvolumeclaims") => config::CLAIMS,
        ("storage.k8s.io", "storageclasses") => config::STORAGE_CLASSES,
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => config::BINDINGS,
        ("coordination.k8s.io", "leases") => config::LEASES,
        ("scheduling.k8s.io", "priorityclasses") => config::PRIORITY_CLASSES,
        ("certificates.k8s.io", "certificatesigningrequests") => config::SIGNING_REQUESTS,
        ("apiregistration.k8s.io", "apiservices") => config::API_SERVICES,
        (
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations" | "mutatingwebhookconfigurations",
        ) => config::WEBHOOKS,
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => config::ADMISSION_POLICIES,
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings") => config::ADMISSION_BINDINGS,
        ("", "serviceaccounts") => NAME_AND_AGE,
        _ => GENERIC,
    }
}
