//! `hub get clusters`: of a member that does not answer nothing is shown as if it were new.

use super::{
    args::{Format, Global},
    context::Hub,
    failure::{Exit, Failure},
    output::Screen,
    roster::{Roster, is_heard},
    table,
};
use crate::model::{
    api::{Cluster, ConditionType, find_condition},
    manifest::Code,
};

/// Clusters: of one that does not answer nothing is shown as if it were new.
pub(super) async fn show(
    hub: &Hub,
    screen: Screen,
    global: &Global,
    name: Option<&str>,
) -> Result<Exit, Failure> {
    let roster = Roster::read(&hub.client).await?;
    let now = hub.clock.now();
    let wide = global.output == Some(Format::Wide);
    let mut rows = Vec::new();
    for (cluster_name, cluster) in roster
        .clusters()
        .filter(|(known, _)| name.is_none_or(|name| name == *known))
    {
        rows.push(row(cluster_name, cluster, now, wide));
    }
    if rows.is_empty() {
        if let Some(name) = name {
            return Err(Failure::new(Code::NOT_FOUND, format!("there is no Cluster {name}")).with_hint(
                "`hub get clusters` lists the members; `hub join NAME --member-kubeconfig FILE` registers one",
            ));
        }
        screen.words("there are no members; `hub join NAME --member-kubeconfig FILE` registers one");
        return Ok(Exit::Done);
    }
    let mut head = vec![
        "Name",
        "Ready",
        "Version",
        "Nodes",
        "CPU used",
        "Memory used",
        "Age",
    ];
    if wide {
        head.extend(["Region", "Zone", "Provider", "Reason", "Message"]);
    }
    screen.data(&table::render(screen, &head, &rows))?;
    Ok(Exit::Done)
}

fn row(name: &str, cluster: &Cluster, now: jiff::Timestamp, wide: bool) -> Vec<String> {
    let status = cluster.status.clone().unwrap_or_default();
    let heard = is_heard(cluster);
    let ready = find_condition(&status.conditions, ConditionType::Ready);
    let state = match ready {
        _ if !heard => "Unknown".to_owned(),
        Some(ready) => ready.status.clone(),
        None => "Unknown".to_owned(),
    };
    let fresh = |text: String| if heard { text } else { "Unknown".to_owned() };
    let share = |resource: &str| {
        let used = status.requested.get(resource).map(ToString::to_string);
        let all = status.allocatable.get(resource).map(ToString::to_string);
        match (used, all) {
            (Some(used), Some(all)) => fresh(format!("{used}/{all}")),
            _ => String::new(),
        }
    };
    let age = cluster
        .metadata
        .creation_timestamp
        .as_ref()
        .map(|made| table::age(made.0, now));
    let mut cells = vec![
        name.to_owned(),
        state,
        status.kubernetes_version.clone().unwrap_or_default(),
        status
            .nodes
            .map(|nodes| fresh(format!("{}/{}", nodes.ready, nodes.total)))
            .unwrap_or_default(),
        share("cpu"),
        share("memory"),
        age.unwrap_or_default(),
    ];
    if wide {
        let spec = &cluster.spec;
        cells.extend(
            [&spec.region, &spec.zone, &spec.provider].map(|place| place.clone().unwrap_or_default()),
        );
        cells.push(ready.map(|ready| ready.reason.clone()).unwrap_or_default());
        cells.push(ready.map(|ready| ready.message.clone()).unwrap_or_default());
    }
    cells
}
