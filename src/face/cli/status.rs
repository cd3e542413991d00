//! `hub status`: the fleet in one page, or one workload per member.

use std::{collections::BTreeMap, fmt::Write};

use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use super::{
    args::{Global, Status},
    context::Hub,
    explain::binding_of,
    failure::{Exit, Failure},
    output::Screen,
    roster::Roster,
    table,
};
use crate::model::api::{
    BindingClusterStatus, ConditionType, Tenant, WorkloadBinding, find_condition, is_true,
};

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Status) -> Result<Exit, Failure> {
    show(global, screen, &Hub::connect(global).await?, wanted).await
}

/// The whole fleet or one workload, as a hub API shows it.
pub(super) async fn show(
    global: &Global,
    screen: Screen,
    hub: &Hub,
    wanted: &Status,
) -> Result<Exit, Failure> {
    match &wanted.workload {
        Some(workload) => one(global, screen, hub, workload).await,
        None => fleet(global, screen, hub).await,
    }
}

/// One workload in each member. A member that does not answer is Unknown: its last numbers are not shown as new.
async fn one(global: &Global, screen: Screen, hub: &Hub, workload: &str) -> Result<Exit, Failure> {
    let binding = binding_of(hub, workload).await?;
    let roster = Roster::read(&hub.client).await?;
    let status = binding.status_or_default();
    let now = hub.clock.now();
    let (mut cells, mut values) = (Vec::new(), Vec::new());
    for cluster in &binding.spec.clusters {
        let seen = status
            .clusters
            .iter()
            .find(|seen| seen.name == cluster.name)
            .cloned();
        let seen = seen.unwrap_or_else(|| BindingClusterStatus::new(cluster.name.clone()));
        let heard = roster.is_heard(cluster.name.as_str());
        let health = if heard {
            format!("{:?}", seen.health)
        } else {
            "Unknown".to_owned()
        };
        let ready = seen.ready_replicas.filter(|_| heard);
        let applied = match (heard, cluster.removing, seen.applied) {
            (false, ..) => "Unknown",
            (_, true, _) => "removing",
            (_, _, true) => "yes",
            _ => "no",
        };
        let message = if heard {
            seen.message.clone()
        } else {
            "the member does not answer".to_owned()
        };
        values.push(json!({
            "name": cluster.name, "applied": applied, "health": health, "replicas": cluster.replicas,
            "readyReplicas": ready, "generation": seen.generation, "message": message, "since": seen.since,
        }));
        let counts = match (ready, cluster.replicas) {
            (Some(ready), Some(replicas)) => format!("{ready}/{replicas}"),
            (Some(ready), None) => ready.to_string(),
            _ => String::new(),
        };
        let since = seen
            .since
            .as_ref()
            .map(|since| table::age(since.0, now))
            .unwrap_or_default();
        cells.push(vec![
            cluster.name.to_string(),
            applied.to_owned(),
            health,
            counts,
            since,
            message,
        ]);
    }
    let conditions: Vec<Value> = status
        .conditions
        .iter()
        .filter_map(|condition| serde_json::to_value(condition).ok())
        .collect();
    let value = json!({"template": binding.spec.template, "conditions": conditions, "clusters": values});
    if screen.structured(global.output, &value)? {
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for kind in [
        ConditionType::Scheduled,
        ConditionType::Applied,
        ConditionType::Available,
        ConditionType::Drifted,
    ] {
        if let Some(condition) = find_condition(&status.conditions, kind) {
            let line = format!(
                "{:<10} {:<8} {}",
                condition.type_, condition.status, condition.message
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text.push('\n');
    text.push_str(&table::render(
        screen,
        &["Cluster", "Applied", "Health", "Ready", "Since", "Message"],
        &cells,
    ));
    screen.data(&text)?;
    Ok(Exit::Done)
}

#[derive(Default)]
struct Tally {
    bindings: usize,
    available: usize,
    ready: i64,
}

async fn fleet(global: &Global, screen: Screen, hub: &Hub) -> Result<Exit, Failure> {
    let roster = Roster::read(&hub.client).await?;
    let everything = ListParams::default();
    let bindings = Api::<WorkloadBinding>::all(hub.client.clone())
        .list(&everything)
        .await
        .map_err(|error| Failure::hub("list bindings", &error))?;
    let tenants = Api::<Tenant>::all(hub.client.clone())
        .list(&everything)
        .await
        .map_err(|error| Failure::hub("list tenants", &error))?;
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for binding in &bindings.items {
        let status = binding.status_or_default();
        for wanted in binding.wanted() {
            let tally = tallies.entry(wanted.name.to_string()).or_default();
            tally.bindings += 1;
            if let Some(seen) = status.clusters.iter().find(|seen| seen.name == wanted.name) {
                tally.available += usize::from(seen.applied && format!("{:?}", seen.health) == "Healthy");
                tally.ready += i64::from(seen.ready_replicas.unwrap_or_default());
            }
        }
    }
    let whole = |kind: ConditionType| {
        bindings
            .items
            .iter()
            .filter(|binding| is_true(&binding.status_or_default().conditions, kind))
            .count()
    };
    let (mut cells, mut values) = (Vec::new(), Vec::new());
    for (name, cluster) in roster.clusters() {
        let heard = roster.is_heard(name);
        let status = cluster.status.clone().unwrap_or_default();
        let ready = find_condition(&status.conditions, ConditionType::Ready);
        let state = if heard {
            ready.map_or("Unknown", |ready| ready.status.as_str())
        } else {
            "Unknown"
        };
        let tally = tallies.remove(name).unwrap_or_default();
        let fresh = |text: String| if heard { text } else { "Unknown".to_owned() };
        let kept = find_condition(&status.conditions, ConditionType::NamespacesKept);
        let message = ready
            .filter(|ready| ready.status != "True")
            .or(kept.filter(|kept| kept.status == "True"))
            .map(|said| said.message.clone())
            .unwrap_or_default();
        values.push(json!({
            "name": name, "ready": state, "bindings": tally.bindings,
            "healthy": heard.then_some(tally.available), "readyReplicas": heard.then_some(tally.ready), "message": message,
        }));
        cells.push(vec![
            name.clone(),
            state.to_owned(),
            fresh(format!("{}/{}", tally.available, tally.bindings)),
            fresh(tally.ready.to_string()),
            message,
        ]);
    }
    let value = json!({
        "clusters": values, "tenants": tenants.items.len(), "bindings": bindings.items.len(),
        "applied": whole(ConditionType::Applied), "available": whole(ConditionType::Available), "drifted": whole(ConditionType::Drifted),
    });
    if screen.structured(global.output, &value)? {
        return Ok(Exit::Done);
    }
    let mut text = format!(
        "{}, {}, {}: {} applied, {} available, {} drifted\n",
        table::counted(cells.len(), "member"),
        table::counted(tenants.items.len(), "tenant"),
        table::counted(bindings.items.len(), "binding"),
        whole(ConditionType::Applied),
        whole(ConditionType::Available),
        whole(ConditionType::Drifted),
    );
    if !cells.is_empty() {
        text.push('\n');
        text.push_str(&table::render(
            screen,
            &["Cluster", "Ready", "Healthy", "Ready replicas", "Message"],
            &cells,
        ));
    }
    screen.data(&text)?;
    Ok(Exit::Done)
}
