//! `hub cordon`, `uncordon` and `drain`: keeping what is new away from a member, and emptying it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Error as KubeError, api::PostParams};
use serde_json::json;
use tokio::time::{Duration, Instant};

use super::{
    args::{Cordon, DrainMember, Global},
    context::Hub,
    failure::{Exit, Failure},
    member,
    output::Screen,
    progress::Progress,
};
use crate::act::fleet::bindings_in;
use crate::model::{
    api::{Cluster, ClusterSpec, Taint, TaintEffect},
    clock::whole_seconds,
    manifest::Code,
    mark,
    name::ClusterName,
};

/// Somebody else may change the Cluster at the same moment.
const TRIES: usize = 5;
const LOOK: Duration = Duration::from_millis(300);

pub(super) async fn cordon(global: &Global, screen: Screen, wanted: &Cordon) -> Result<Exit, Failure> {
    let hub = Hub::connect(global).await?;
    let changed = change(&hub, &wanted.name, |spec| spec.cordoned = true).await?;
    said(global, screen, &wanted.name, "cordoned", changed)
}

pub(super) async fn uncordon(global: &Global, screen: Screen, wanted: &Cordon) -> Result<Exit, Failure> {
    let hub = Hub::connect(global).await?;
    let changed = change(&hub, &wanted.name, |spec| {
        spec.cordoned = false;
        spec.taints.retain(|taint| taint.key != mark::DRAINED);
    })
    .await?;
    said(global, screen, &wanted.name, "uncordoned", changed)
}

pub(super) async fn drain(global: &Global, screen: Screen, wanted: &DrainMember) -> Result<Exit, Failure> {
    let hub = Hub::connect(global).await?;
    let name = &wanted.name;
    let now = Time(whole_seconds(hub.clock.now()));
    change(&hub, name, |spec| {
        spec.cordoned = true;
        if !spec.taints.iter().any(|taint| taint.key == mark::DRAINED) {
            spec.taints.push(Taint {
                key: mark::DRAINED.to_owned(),
                value: String::new(),
                effect: TaintEffect::NoExecute,
                time_added: Some(now.clone()),
            });
        }
    })
    .await?;
    let mut progress = Progress::new(screen);
    progress.doing(&format!("draining {name}"));
    let deadline = Instant::now() + wanted.timeout.0;
    loop {
        let left = left_in(&hub, name).await?;
        let Some(first) = left.first() else { break };
        progress.waiting(&format!(
            "draining {name}: {} templates are still there, {first} among them",
            left.len()
        ));
        if Instant::now() >= deadline {
            return Err(Failure::timed_out(format!(
                "{name} is not drained yet: {} templates are still there, {first} among them",
                left.len()
            ))
            .with_hint(format!(
                "the hub goes on; what tolerates the taint {} stays, and what is needed there by others: `hub explain KIND/NAME` says why",
                mark::DRAINED
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
    drop(progress);
    said(global, screen, name, "drained", true)
}

fn said(
    global: &Global,
    screen: Screen,
    name: &ClusterName,
    what: &str,
    changed: bool,
) -> Result<Exit, Failure> {
    if !screen.structured(
        global.output,
        &json!({"name": name, "state": what, "changed": changed}),
    )? {
        let already = if changed { "" } else { " already" };
        screen.data(&format!("{name} is {what}{already}"))?;
    }
    Ok(Exit::Done)
}

/// Changes the spec of a Cluster, whoever else does at the same time. Whether anything was to be changed.
async fn change(
    hub: &Hub,
    name: &ClusterName,
    mut edit: impl FnMut(&mut ClusterSpec),
) -> Result<bool, Failure> {
    let clusters: Api<Cluster> = Api::all(hub.client.clone());
    let mut tries = 0;
    loop {
        let found = clusters.get_opt(name.as_str()).await;
        let Some(mut cluster) =
            found.map_err(|error| Failure::hub(&format!("read Cluster {name}"), &error))?
        else {
            return Err(
                Failure::new(Code::NOT_FOUND, format!("there is no Cluster {name}"))
                    .with_hint("`hub get clusters` lists them"),
            );
        };
        let before = cluster.spec.clone();
        edit(&mut cluster.spec);
        if cluster.spec == before {
            return Ok(false);
        }
        tries += 1;
        match clusters
            .replace(name.as_str(), &PostParams::default(), &cluster)
            .await
        {
            Ok(_) => return Ok(true),
            Err(KubeError::Api(status)) if status.code == 409 && tries < TRIES => {}
            Err(error) => return Err(Failure::hub(&format!("change Cluster {name}"), &error)),
        }
    }
}

/// The templates that have objects in a member, or may.
async fn left_in(hub: &Hub, name: &ClusterName) -> Result<Vec<String>, Failure> {
    let bindings = bindings_in(&hub.client, name)
        .await
        .map_err(|error| member::failure(name, &error))?;
    Ok(bindings
        .into_iter()
        .map(|binding| {
            let template = &binding.spec.template;
            let namespace = binding.metadata.namespace.unwrap_or_default();
            format!("{} {namespace}/{}", template.kind, template.name)
        })
        .collect())
}
