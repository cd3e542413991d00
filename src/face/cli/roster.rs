//! The fleet as the hub API shows it: which members can be believed.

use std::collections::BTreeMap;

use kube::{Api, Client, api::ListParams};

use super::failure::Failure;
use crate::model::api::{Cluster, ConditionType, is_true};

/// Every registered member by name.
pub(super) struct Roster(BTreeMap<String, Cluster>);

impl Roster {
    pub(super) async fn read(client: &Client) -> Result<Self, Failure> {
        let clusters = Api::<Cluster>::all(client.clone())
            .list(&ListParams::default())
            .await
            .map_err(|error| Failure::hub("list clusters", &error))?;
        Ok(Self(
            clusters
                .items
                .into_iter()
                .map(|cluster| (cluster.metadata.name.clone().unwrap_or_default(), cluster))
                .collect(),
        ))
    }

    pub(super) fn clusters(&self) -> impl Iterator<Item = (&String, &Cluster)> {
        self.0.iter()
    }

    /// Whether what is known of a member is new. Numbers of one that does not answer are never shown as new.
    pub(super) fn is_heard(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(is_heard)
    }
}

/// Whether the last probe of a member was answered.
pub(super) fn is_heard(cluster: &Cluster) -> bool {
    cluster
        .status
        .as_ref()
        .is_some_and(|status| is_true(&status.conditions, ConditionType::Reachable))
}
