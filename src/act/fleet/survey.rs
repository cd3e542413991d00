//! One look at a member, for who does not watch it.

use std::sync::Arc;

use kube::{Api, Client, api::ListParams};

use super::{
    Error, discover,
    facts::Facts,
    slim::{SlimNode, SlimPod},
};
use crate::{
    act::wire,
    model::{
        api::Cluster,
        fleet::{Apis, Member, Reach},
        name::ClusterName,
    },
};

/// The member as the hub that watches it sees it now, but for what only time shows. `client` is the hub's own there.
pub async fn survey(client: &Client, name: &ClusterName, cluster: &Cluster) -> Result<Member, Error> {
    let apis = discover(client, &Apis::default()).await?;
    let everything = ListParams::default();
    let nodes = Api::<SlimNode>::all(client.clone()).list(&everything).await;
    let nodes = nodes.map_err(|source| wire::Error::call("list nodes", source))?;
    let pods = Api::<SlimPod>::all(client.clone()).list(&everything).await;
    let pods = pods.map_err(|source| wire::Error::call("list pods", source))?;
    let mut facts = Facts::default();
    facts.begin_nodes();
    for node in &nodes {
        facts.saw_node(node);
    }
    facts.finish_nodes();
    facts.begin_pods();
    for pod in &pods {
        facts.saw_pod(pod);
    }
    facts.finish_pods();
    let sums = facts.sums();
    let told = unsurveyed(name, cluster);
    Ok(Member {
        region: told.region.clone().or(sums.region),
        zone: told.zone.clone().or(sums.zone),
        reach: Reach::Reachable,
        nodes: sums.nodes,
        allocatable: sums.allocatable,
        requested: sums.requested,
        largest_gap: sums.largest_gap,
        room: Some(facts.room()),
        apis: Arc::new(apis),
        ..told
    })
}

/// The member as its Cluster object tells, when it can't be looked at: it does not answer from here.
#[must_use]
pub fn unsurveyed(name: &ClusterName, cluster: &Cluster) -> Member {
    let spec = &cluster.spec;
    let status = cluster.status.clone().unwrap_or_default();
    Member {
        labels: cluster.metadata.labels.clone().unwrap_or_default(),
        region: spec.region.clone(),
        zone: spec.zone.clone(),
        provider: spec.provider.clone(),
        taints: spec.all_taints(),
        leaving: cluster.metadata.deletion_timestamp.is_some(),
        reach: Reach::Unreachable,
        version: status.kubernetes_version,
        identity: status.uid,
        ..Member::unheard(name.clone())
    }
}
