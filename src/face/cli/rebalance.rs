//! `hub rebalance`: has the replicas of a workload divided anew, by what is free and weighted now.

use std::time::Duration;

use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::json;

use super::{
    args::{Global, Rebalance},
    context::Hub,
    explain::binding_of,
    failure::{Exit, Failure},
    kinds::{Kinds, split},
    output::Screen,
};
use crate::model::{
    api::{ConditionType, WorkloadBinding, find_condition},
    clock::Clock,
    mark,
};

/// How often it is looked whether the hub has decided.
const LOOK: Duration = Duration::from_millis(200);

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Rebalance) -> Result<Exit, Failure> {
    let hub = Hub::connect(global).await?;
    let before = binding_of(&hub, &wanted.workload).await?;
    let (word, name) = split(&wanted.workload)?;
    let kinds = Kinds::discover(&hub.client)
        .await
        .map_err(|error| Failure::hub("read the kinds of the hub API", &error))?;
    let api: Api<DynamicObject> = kinds.called(word)?.api(&hub.client, Some(&hub.namespace));
    let asked = Clock::system().now().to_string();
    let patch = json!({"metadata": {"annotations": {mark::REBALANCE: asked}}});
    api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map_err(|error| Failure::hub(&format!("annotate {}", wanted.workload), &error))?;
    let decided = async {
        loop {
            let now = binding_of(&hub, &wanted.workload).await?;
            if now.spec.inputs_hash != before.spec.inputs_hash {
                return Ok::<_, Failure>(now);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let Ok(after) = tokio::time::timeout(wanted.timeout.0, decided).await else {
        screen.words(&format!(
            "{} is asked for; the hub has not decided yet",
            wanted.workload
        ));
        return Ok(Exit::TimedOut);
    };
    let after = after?;
    let (was, is) = (shares(&before), shares(&after));
    let value =
        json!({"workload": wanted.workload, "before": before.spec.clusters, "after": after.spec.clusters});
    if screen.structured(global.output, &value)? {
        return Ok(Exit::Done);
    }
    screen.data(&if was == is {
        format!("{} stays as it was: {is}", wanted.workload)
    } else {
        format!("{} was {was}, and will be {is}", wanted.workload)
    })?;
    if let Some(waits) = waits(&after) {
        screen.words(&waits);
    }
    Ok(Exit::Done)
}

fn shares(binding: &WorkloadBinding) -> String {
    let share = |cluster: &crate::model::api::BindingCluster| match cluster.replicas {
        Some(replicas) => format!("{} {replicas}", cluster.name),
        None => cluster.name.to_string(),
    };
    let all: Vec<String> = binding.wanted().map(share).collect();
    if all.is_empty() {
        "nowhere".to_owned()
    } else {
        all.join(", ")
    }
}

fn waits(binding: &WorkloadBinding) -> Option<String> {
    let status = binding.status_or_default();
    let scheduled = find_condition(&status.conditions, ConditionType::Scheduled)?;
    (scheduled.status != "True").then(|| format!("{} ({})", scheduled.message, scheduled.reason))
}
