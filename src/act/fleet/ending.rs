//! Joining where somebody has just left: what is being deleted is waited for, since nothing can be made in it.

use std::{fmt::Debug, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Error as KubeError, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{
    JoinError,
    footprint::Part,
    join_error::{hub, member},
};
use crate::model::{api::Cluster, name::ClusterName};

/// A namespace ends within seconds unless something in it does not.
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN: Duration = Duration::from_millis(250);

/// Waits until no namespace of the hub in the member is being deleted.
pub(super) async fn namespaces(client: &Client, report: &mut impl FnMut(&str)) -> Result<(), JoinError> {
    let all: Api<Namespace> = Api::all(client.clone());
    for namespace in Part::Namespaces.objects() {
        let name = namespace.metadata.name.unwrap_or_default();
        let failed = |error| member(format!("read namespace {name}"))(error);
        until_ended(
            &all,
            &name,
            &format!("namespace {name} of the member"),
            failed,
            report,
        )
        .await?;
    }
    Ok(())
}

/// Waits until the Cluster is not being deleted.
pub(super) async fn cluster(
    client: &Client,
    name: &ClusterName,
    report: &mut impl FnMut(&str),
) -> Result<(), JoinError> {
    let all: Api<Cluster> = Api::all(client.clone());
    let failed = |error| hub("read the Cluster")(error);
    until_ended(&all, name.as_str(), &format!("Cluster {name}"), failed, report).await
}

async fn until_ended<K>(
    all: &Api<K>,
    name: &str,
    what: &str,
    failed: impl Fn(KubeError) -> JoinError,
    report: &mut impl FnMut(&str),
) -> Result<(), JoinError>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = all.get_metadata_opt(name).await.map_err(&failed)?;
        if found.is_none_or(|found| found.metadata.deletion_timestamp.is_none()) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(JoinError::Ending {
                what: what.to_owned(),
                waited: PATIENCE,
            });
        }
        report(&format!("waiting until {what} has ended"));
        tokio::time::sleep(BETWEEN).await;
    }
}
