//! The way to a member. Only this room knows it: an agent that calls the hub can take its place later.

use std::fmt::Debug;

use futures::future::{BoxFuture, FutureExt};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Config};

use super::{
    Error,
    kubeconfig::{ALLOW, Allow, vet_kubeconfig},
};
use crate::{
    act::wire::{self, Gate, Stack},
    model::{api, name::ClusterName},
};

/// Makes the stack of one member.
pub trait Transport: Send + Sync + Debug {
    /// Reads what is needed to reach the member and prepares its connections; none need be opened yet.
    fn connect<'a>(
        &'a self,
        cluster: &'a api::Cluster,
        hub: &'a Stack,
        gate: &'a Gate,
    ) -> BoxFuture<'a, Result<Link, Error>>;
}

/// A prepared way to a member.
#[derive(Debug, Clone)]
pub struct Link {
    /// The connections.
    pub stack: Stack,
    /// The bearer token in use, if it is one, for its renewal.
    pub token: Option<super::token::TokenTimes>,
}

/// Kubeconfigs in Secrets of the hub API, and the cluster the hub itself runs in.
#[derive(Debug, Clone, Copy, Default)]
pub struct KubeconfigTransport;

impl Transport for KubeconfigTransport {
    fn connect<'a>(
        &'a self,
        cluster: &'a api::Cluster,
        hub: &'a Stack,
        gate: &'a Gate,
    ) -> BoxFuture<'a, Result<Link, Error>> {
        async move {
            let config = read(cluster, hub).await?;
            let token = super::token::times_of(&config);
            Ok(Link {
                stack: Stack::connect(&config, gate.clone())?,
                token,
            })
        }
        .boxed()
    }
}

async fn read(cluster: &api::Cluster, hub: &Stack) -> Result<Config, Error> {
    let name = cluster_name(cluster)?;
    let connection = &cluster.spec.connection;
    if connection.in_cluster.is_some() {
        return Config::incluster().map_err(|source| Error::Kubeconfig {
            reason: source.to_string(),
        });
    }
    let Some(at) = &connection.kubeconfig_secret else {
        return Err(Error::NotImplemented {
            cluster: name,
            what: "agents are not implemented yet",
        });
    };
    let secrets: Api<Secret> = Api::namespaced(hub.client(), &at.namespace);
    let secret = secrets
        .get_opt(&at.name)
        .await
        .map_err(|source| wire::Error::call(format!("read Secret {}/{}", at.namespace, at.name), source))?
        .ok_or_else(|| Error::NoSecret {
            cluster: name,
            namespace: at.namespace.to_string(),
            name: at.name.to_string(),
        })?;
    let allow = secret
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(ALLOW));
    let allow = allow.map(|text| Allow::from_annotation(text)).unwrap_or_default();
    let text = secret
        .data
        .as_ref()
        .and_then(|data| data.get(&at.key))
        .map(|bytes| std::str::from_utf8(&bytes.0));
    let Some(Ok(text)) = text else {
        return Err(Error::NoKey {
            namespace: at.namespace.to_string(),
            name: at.name.to_string(),
            key: at.key.clone(),
        });
    };
    vet_kubeconfig(text, None, allow).await
}

/// The name of a Cluster object, which may be longer than a member's may be.
pub(super) fn cluster_name(cluster: &api::Cluster) -> Result<ClusterName, Error> {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    ClusterName::parse(name).map_err(|source| Error::Kubeconfig {
        reason: source.to_string(),
    })
}
