//! `hub explain`: why a workload is where it is. Reads its `WorkloadBinding` and nothing else.

use std::fmt::Write;

use kube::Api;
use serde_json::{Map, Value, json};

use super::{
    args::{Explain, Global},
    context::Hub,
    failure::{Exit, Failure},
    kinds::{Kinds, split},
    output::Screen,
    table,
};
use crate::model::{
    api::{ConditionType, PlacementReason, WorkloadBinding, find_condition},
    manifest::Code,
    name::{GroupKind, binding_name},
};

/// The binding of `KIND/NAME` in the chosen namespace.
pub(super) async fn binding_of(hub: &Hub, workload: &str) -> Result<WorkloadBinding, Failure> {
    let (word, name) = split(workload)?;
    let kinds = Kinds::discover(&hub.client)
        .await
        .map_err(|error| Failure::hub("read the kinds of the hub API", &error))?;
    let kind = kinds.called(word)?;
    let group_kind = GroupKind::new(kind.resource.group.as_str(), kind.resource.kind.as_str());
    let bindings: Api<WorkloadBinding> = Api::namespaced(hub.client.clone(), hub.namespace.as_str());
    let found = bindings
        .get_opt(&binding_name(&group_kind, name))
        .await
        .map_err(|error| Failure::hub(&format!("read the binding of {workload}"), &error))?;
    found.ok_or_else(|| {
        Failure::new(Code::NOT_BOUND, format!("{workload} in namespace {} has no binding", hub.namespace)).with_hint(format!(
            "no policy selects it, or it is not there: compare `hub get {} -n {}` and `hub get policies -n {}`",
            kind.resource.plural, hub.namespace, hub.namespace
        ))
    })
}

/// What is printed for one member.
struct Row {
    name: String,
    selected: bool,
    replicas: Option<i32>,
    filter: Option<String>,
    message: String,
    numbers: Value,
}

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Explain) -> Result<Exit, Failure> {
    show(global, screen, &Hub::connect(global).await?, wanted).await
}

/// Why a workload is where it is, as a hub API shows it.
pub(super) async fn show(
    global: &Global,
    screen: Screen,
    hub: &Hub,
    wanted: &Explain,
) -> Result<Exit, Failure> {
    let binding = binding_of(hub, &wanted.workload).await?;
    let rows = rows(&binding);
    let clusters: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name, "selected": row.selected, "replicas": row.replicas, "filter": row.filter,
                "message": row.message, "numbers": row.numbers,
            })
        })
        .collect();
    let value =
        json!({"template": binding.spec.template, "policy": binding.spec.policy, "clusters": clusters});
    if screen.structured(global.output, &value)? {
        return Ok(Exit::Done);
    }
    let template = &binding.spec.template;
    let mut text = format!(
        "{}/{} in namespace {}\n",
        template.kind, template.name, hub.namespace
    );
    let policy = match &binding.spec.policy {
        Some(policy) => format!(
            "policy:  {:?}/{} (generation {})\n",
            policy.kind, policy.name, policy.generation
        ),
        None => "policy:  none; it goes where others need it
"
        .to_owned(),
    };
    text.push_str(&policy);
    if let Some(tenant) = &binding.spec.tenant {
        let _ = writeln!(text, "tenant:  {}", tenant.name);
    }
    let status = binding.status_or_default();
    if let Some(scheduled) = find_condition(&status.conditions, ConditionType::Scheduled) {
        let _ = writeln!(text, "decided: {} ({})", scheduled.message, scheduled.reason);
    }
    text.push('\n');
    let cells: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| {
            vec![
                row.name,
                if row.selected {
                    "yes".to_owned()
                } else {
                    "no".to_owned()
                },
                row.replicas
                    .map(|replicas| replicas.to_string())
                    .unwrap_or_default(),
                row.filter.unwrap_or_default(),
                with_numbers(row.message, row.selected, &row.numbers),
            ]
        })
        .collect();
    text.push_str(&table::render(
        screen,
        &["Cluster", "Selected", "Replicas", "Refused by", "Why"],
        &cells,
    ));
    screen.data(&text)?;
    Ok(Exit::Done)
}

/// Of a member that was refused, the numbers that say so.
fn with_numbers(message: String, selected: bool, numbers: &Value) -> String {
    let numbers = numbers
        .as_object()
        .filter(|numbers| !selected && !numbers.is_empty());
    let Some(numbers) = numbers else { return message };
    let shown: Vec<String> = numbers
        .iter()
        .map(|(name, number)| {
            format!(
                "{name} = {}",
                number.as_str().map_or_else(|| number.to_string(), str::to_owned)
            )
        })
        .collect();
    format!("{message} ({})", shown.join(", "))
}

fn rows(binding: &WorkloadBinding) -> Vec<Row> {
    let status = binding.status_or_default();
    let mut rows = Vec::new();
    for cluster in &binding.spec.clusters {
        let seen = status.clusters.iter().find(|seen| seen.name == cluster.name);
        let mut numbers = Map::new();
        if let Some(replicas) = cluster.replicas {
            numbers.insert("replicas".into(), json!(replicas));
        }
        if let Some(range) = cluster.scale {
            numbers.insert("minReplicas".into(), json!(range.min));
            numbers.insert("maxReplicas".into(), json!(range.max));
        }
        if let Some(seen) = seen {
            for (name, number) in [
                ("readyReplicas", seen.ready_replicas.map(i64::from)),
                ("generation", seen.generation),
            ] {
                if let Some(number) = number {
                    numbers.insert(name.into(), json!(number));
                }
            }
        }
        numbers.extend(
            status
                .reasons
                .iter()
                .filter(|reason| reason.cluster == cluster.name)
                .flat_map(compared),
        );
        let needed: Vec<String> = binding
            .spec
            .required_by
            .iter()
            .filter(|required| required.clusters.contains(&cluster.name))
            .map(|required| required.binding.to_string())
            .collect();
        let reason = status
            .reasons
            .iter()
            .find(|reason| reason.cluster == cluster.name);
        let mut message = match reason {
            Some(reason) => reason.message.clone(),
            None if cluster.removing => "no longer wanted; being removed".to_owned(),
            None if !needed.is_empty() => format!("needed by {}", needed.join(", ")),
            None => "the policy selects it".to_owned(),
        };
        if let Some(range) = cluster.scale.filter(|_| !cluster.removing) {
            let fewest = range.min.map_or_else(String::new, |min| format!("{min} to "));
            let _ = write!(message, "; its part there is {fewest}{} replicas", range.max);
        }
        if let Some(overrides) = cluster.overrides.as_ref().filter(|_| !cluster.removing) {
            message.push_str("; changed there by ");
            message.push_str(&overrides.by.join(", "));
        }
        if let Some(said) = seen.map(|seen| &seen.message).filter(|said| !said.is_empty()) {
            message.push_str("; now: ");
            message.push_str(said);
        }
        rows.push(Row {
            name: cluster.name.to_string(),
            selected: !cluster.removing,
            replicas: cluster.replicas,
            filter: reason.map(|reason| reason.filter.clone()),
            message,
            numbers: Value::Object(numbers),
        });
    }
    for reason in &status.reasons {
        if !rows.iter().any(|row| row.name == reason.cluster.as_str()) {
            rows.push(Row {
                name: reason.cluster.to_string(),
                selected: false,
                replicas: None,
                filter: Some(reason.filter.clone()),
                message: reason.message.clone(),
                numbers: compared(reason).collect(),
            });
        }
    }
    rows
}

/// What a filter compared: whole numbers as numbers, other amounts in Kubernetes' notation.
fn compared(reason: &PlacementReason) -> impl Iterator<Item = (String, Value)> {
    reason.numbers.iter().map(|(name, amount)| {
        let text = amount.to_string();
        let number = text
            .parse::<i64>()
            .map_or_else(|_| json!(text), |number| json!(number));
        (name.clone(), number)
    })
}
