//! Notices that the kubeconfig of a member has changed: renewed by the leader, or put there by `hub join`.
//!
//! One metadata-only watch for each namespace that holds such Secrets, usually one.

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};

use super::fleet::Fleet;
use crate::{act::wire::Again, model::name::NamespaceName};

pub(super) async fn keep(fleet: Fleet, namespace: NamespaceName) {
    let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(fleet.hub().client(), &namespace);
    let stream = watcher(secrets, watcher::Config::default())
        .backoff(Again::default())
        .touched_objects();
    let mut stream = std::pin::pin!(stream);
    while let Some(next) = stream.next().await {
        match next {
            Ok(secret) => {
                let name = secret.metadata.name.unwrap_or_default();
                fleet.credential_is(&namespace, &name, secret.metadata.resource_version.as_deref());
            }
            Err(error) => tracing::debug!(%namespace, %error, "watch of credentials broke off"),
        }
    }
}
