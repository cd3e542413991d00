//! The way to a member. Only this room knows it: an agent that calls the hub can take its place later.

use std::fmt::Debug;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::{BoxFuture, FutureExt};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Config,
    api::{Patch, PatchParams},
    config::Kubeconfig,
};
use serde_json::json;

use super::{
    Error,
    kubeconfig::{ALLOW, Allow, vet_kubeconfig},
    token::{self, TokenTimes},
};
use crate::{
    act::wire::{self, Dial, Gate, Stack},
    model::{
        api::{self, KubeconfigSecret},
        name::ClusterName,
    },
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

    /// Stores a new token where [`Self::connect`] will find it. A write at the hub API, so only the leader's
    /// succeeds.
    fn store_token<'a>(
        &'a self,
        cluster: &'a api::Cluster,
        hub: &'a Stack,
        token: &'a str,
    ) -> BoxFuture<'a, Result<(), Error>>;
}

/// A prepared way to a member.
#[derive(Debug, Clone)]
pub struct Link {
    /// The connections.
    pub stack: Stack,
    /// The bearer token in use, if it is one, for its renewal.
    pub token: Option<TokenTimes>,
    /// Version of what it was made of; when the hub API has another one, the connection is made anew.
    pub credential: Option<String>,
}

/// Kubeconfigs in Secrets of the hub API, and the cluster the hub itself runs in.
#[derive(Debug, Clone)]
pub struct KubeconfigTransport(Dial);

impl KubeconfigTransport {
    /// Reaches the servers that kubeconfigs name in this way.
    #[must_use]
    pub fn new(dial: Dial) -> Self {
        Self(dial)
    }
}

impl Transport for KubeconfigTransport {
    fn connect<'a>(
        &'a self,
        cluster: &'a api::Cluster,
        hub: &'a Stack,
        gate: &'a Gate,
    ) -> BoxFuture<'a, Result<Link, Error>> {
        async move {
            if cluster.spec.connection.in_cluster.is_some() {
                let config = Config::incluster().map_err(|source| Error::Kubeconfig {
                    reason: source.to_string(),
                })?;
                return Ok(Link {
                    stack: self.0.stack(&config, gate.clone())?,
                    token: None,
                    credential: None,
                });
            }
            let stored = Stored::read(cluster, hub).await?;
            let config = vet_kubeconfig(&stored.text, None, stored.allow).await?;
            Ok(Link {
                stack: self.0.stack(&config, gate.clone())?,
                token: token::times_of(&config),
                credential: Some(stored.version),
            })
        }
        .boxed()
    }

    fn store_token<'a>(
        &'a self,
        cluster: &'a api::Cluster,
        hub: &'a Stack,
        token: &'a str,
    ) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let stored = Stored::read(cluster, hub).await?;
            let text = with_token(&stored.text, token)?;
            let mut data = serde_json::Map::new();
            data.insert(stored.at.key.clone(), STANDARD.encode(text).into());
            // With the version that was read: a refresh by `hub join` meanwhile is not undone.
            let patch = json!({"metadata": {"resourceVersion": stored.version}, "data": data});
            let secrets: Api<Secret> = Api::namespaced(hub.client(), &stored.at.namespace);
            secrets
                .patch_metadata(&stored.at.name, &PatchParams::default(), &Patch::Merge(&patch))
                .await
                .map_err(|source| {
                    let at = &stored.at;
                    wire::Error::call(
                        format!("store the new token in Secret {}/{}", at.namespace, at.name),
                        source,
                    )
                })?;
            Ok(())
        }
        .boxed()
    }
}

/// A kubeconfig as it lies in a Secret. Never shown: it holds a credential.
struct Stored {
    at: KubeconfigSecret,
    text: String,
    allow: Allow,
    version: String,
}

impl Stored {
    async fn read(cluster: &api::Cluster, hub: &Stack) -> Result<Self, Error> {
        let name = cluster_name(cluster)?;
        let Some(at) = cluster.spec.connection.kubeconfig_secret.clone() else {
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
        let bytes = secret.data.and_then(|mut data| data.remove(&at.key));
        let Some(Ok(text)) = bytes.map(|bytes| String::from_utf8(bytes.0)) else {
            return Err(Error::NoKey {
                namespace: at.namespace.to_string(),
                name: at.name.to_string(),
                key: at.key,
            });
        };
        Ok(Self {
            at,
            text,
            allow,
            version: secret.metadata.resource_version.unwrap_or_default(),
        })
    }
}

/// The kubeconfig with another token for the user of its current context; as JSON, which is YAML too.
fn with_token(text: &str, token: &str) -> Result<String, Error> {
    let broken = |reason: &str| Error::Kubeconfig {
        reason: reason.to_owned(),
    };
    let mut kubeconfig =
        Kubeconfig::from_yaml(text).map_err(|_| broken("it is not YAML, or not a kubeconfig"))?;
    let current = kubeconfig.current_context.clone();
    let user = kubeconfig
        .contexts
        .iter()
        .find(|named| Some(&named.name) == current.as_ref())
        .and_then(|named| named.context.as_ref()?.user.clone());
    let auth = kubeconfig
        .auth_infos
        .iter_mut()
        .find(|named| Some(&named.name) == user.as_ref())
        .and_then(|named| named.auth_info.as_mut())
        .ok_or_else(|| broken("its current context has no user"))?;
    auth.token = Some(token.to_owned().into());
    serde_json::to_string(&kubeconfig).map_err(|_| broken("it can't be written again"))
}

/// The name of a Cluster object, which may be longer than a member's may be.
pub(super) fn cluster_name(cluster: &api::Cluster) -> Result<ClusterName, Error> {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    ClusterName::parse(name).map_err(|source| Error::Kubeconfig {
        reason: source.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[tokio::test]
    async fn a_renewed_token_changes_nothing_else_in_the_kubeconfig() {
        let text = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n\
            clusters: [{name: k, cluster: {server: \"https://10.0.0.1\", tls-server-name: m}}]\n\
            users: [{name: u, user: {token: old}}, {name: other, user: {token: theirs}}]\n";
        let renewed = with_token(text, "new").unwrap();
        assert!(renewed.contains("theirs") && !renewed.contains("old"));
        let config = vet_kubeconfig(&renewed, None, Allow::default()).await.unwrap();
        assert_eq!(config.auth_info.token.unwrap().expose_secret(), "new");
        assert_eq!(config.tls_server_name.as_deref(), Some("m"));
    }
}
