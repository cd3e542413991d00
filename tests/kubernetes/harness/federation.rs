//! A hub in service over a fleet: installed, serving, every member joined and Ready.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::try_join_all;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};

use super::wait::{NotYet, poll};
use super::{Answer, ControlPlane, Error, Fleet, HubCommand, HubProcess};

const READY_WITHIN: Duration = Duration::from_mins(1);

/// What scenarios, benches and the demo begin with. It does not hold the fleet: drop it first.
pub struct Federation {
    /// Runs commands against the hub API, as its administrator.
    pub hub: HubCommand,
    pub serve: HubProcess,
}

impl Federation {
    /// `hub install`, `hub serve`, one `hub join` per member under the member's name, and the wait until all are Ready.
    pub async fn start(fleet: &Fleet, binary: impl Into<PathBuf>, serve: &[&str]) -> Result<Self, Error> {
        let hub = HubCommand::new(binary).against(fleet.hub().kubeconfig());
        hub.run(&["install"]).await?.done("hub install")?;
        let serve = hub.serve("hub-serve", fleet.folder(), serve).await?;
        let federation = Self { hub, serve };
        try_join_all(fleet.members().iter().map(|member| federation.join(member))).await?;
        federation.wait_until_all_are_ready(fleet).await?;
        Ok(federation)
    }

    /// Waits for the `Cluster` of every member to be Ready.
    pub async fn wait_until_all_are_ready(&self, fleet: &Fleet) -> Result<(), Error> {
        let members = fleet.members().iter();
        try_join_all(members.map(|member| self.wait_until_ready(fleet, member))).await?;
        Ok(())
    }

    /// `hub join` with the label `region` that its nodes bear.
    pub async fn join(&self, member: &ControlPlane) -> Result<Answer, Error> {
        let kubeconfig = member.kubeconfig().to_string_lossy();
        let region = format!("region={}", member.region());
        let arguments = [
            "join",
            member.name(),
            "--member-kubeconfig",
            &kubeconfig,
            "--label",
            &region,
        ];
        self.hub.run(&arguments).await?.done("hub join")
    }

    /// Waits for the `Cluster` of a member to be Ready.
    async fn wait_until_ready(&self, fleet: &Fleet, member: &ControlPlane) -> Result<(), Error> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("hanse.dev", "v1alpha1", "Cluster"));
        let clusters: Api<DynamicObject> = Api::all_with(fleet.hub().admin(), &kind);
        let look = async || {
            let cluster = clusters.get(member.name()).await?;
            let conditions = cluster
                .data
                .pointer("/status/conditions")
                .cloned()
                .unwrap_or_default();
            let is_ready = |c: &serde_json::Value| c["type"] == "Ready" && c["status"] == "True";
            let ready = conditions.as_array().is_some_and(|all| all.iter().any(is_ready));
            if ready {
                Ok(())
            } else {
                Err(NotYet(format!("conditions {conditions}")))
            }
        };
        poll(READY_WITHIN, look).await.map_err(|NotYet(last)| {
            let name = format!("cluster {}", member.name());
            Error::NotReady {
                name,
                within: READY_WITHIN,
                last,
                last_words: self.serve.last_words(),
            }
        })
    }
}
