//! Reaching a member: as its owner with a kubeconfig file, or as a tenant through the hub API's Secret.

use std::path::Path;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, Config, Error as KubeError};

use super::{
    args::MemberAccess,
    context::{Hub, patient},
    failure::Failure,
};
use crate::{
    act::{
        fleet::{self, ALLOW, Allow, JoinError, Joiner, vet_kubeconfig},
        wire::{ActAs, Gate, Stack},
    },
    model::{
        api::Cluster,
        manifest::Code,
        name::{ClusterName, NamespaceName},
    },
};

/// A member as its owner reaches it.
pub(super) struct Owned {
    pub(super) client: Client,
    pub(super) config: Config,
    pub(super) allow: Allow,
}

impl Owned {
    /// Whoever registers or claims it under a name.
    pub(super) fn joiner<'a>(&'a self, hub: &'a Hub, name: &'a ClusterName) -> Joiner<'a> {
        Joiner {
            hub: &hub.client,
            member: &self.client,
            config: &self.config,
            allow: self.allow,
            name,
        }
    }
}

/// Reads and vets the owner's kubeconfig and connects with it.
pub(super) async fn as_owner(file: &Path, access: &MemberAccess) -> Result<Owned, Failure> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(
            Code::KUBECONFIG_UNREADABLE,
            format!("failed to read the member's kubeconfig {shown}: {error}"),
        )
        .with_hint("name the kubeconfig of the member's owner with --member-kubeconfig")
    })?;
    let allow = Allow {
        exec: access.allow.exec,
        auth_provider: access.allow.auth_provider,
        insecure_tls: access.allow.insecure_tls,
        file_paths: access.allow.file_paths,
    };
    let config = vet_kubeconfig(&text, access.member_context.as_deref(), allow)
        .await
        .map_err(|error| kubeconfig_failure(&shown, &error))?;
    let stack = Stack::connect(&config, Gate::always_open())?;
    Ok(Owned {
        client: patient(&stack.client()),
        config,
        allow,
    })
}

fn kubeconfig_failure(file: &str, error: &fleet::Error) -> Failure {
    match error {
        fleet::Error::Refused { what, flag } => Failure::new(
            Code::KUBECONFIG_REFUSED,
            format!("failed to accept the member's kubeconfig {file}: {what}"),
        )
        .with_hint(flag.map_or_else(
            || {
                "give the member's real address; link-local ones are where clouds keep their metadata"
                    .to_owned()
            },
            |flag| {
                format!(
                    "give a kubeconfig with its certificates and a token in the text, or allow it with {flag}"
                )
            },
        )),
        fleet::Error::Kubeconfig { reason } => Failure::new(
            Code::KUBECONFIG_UNREADABLE,
            format!("failed to use the member's kubeconfig {file}: {reason}"),
        )
        .with_hint(
            "kubectl --kubeconfig FILE config view --minify --flatten writes one that holds all it needs",
        ),
        other => Failure::new(Code::KUBECONFIG_UNREADABLE, other.to_string())
            .with_hint("kubectl --kubeconfig FILE version shows whether it works"),
    }
}

/// A member through the credential that join stored, read with the caller's own rights on the hub API.
pub(super) async fn through_secret(hub: &Hub, name: &ClusterName) -> Result<Stack, Failure> {
    let cluster = Api::<Cluster>::all(hub.client.clone())
        .get(name.as_str())
        .await
        .map_err(|error| Failure::hub(&format!("read Cluster {name}"), &error))?;
    let unusable = |what: &str| {
        Failure::new(
            Code::MEMBER_UNREACHABLE,
            format!("failed to connect to member {name}: {what}"),
        )
        .with_hint(format!(
            "hub join {name} --refresh --member-kubeconfig FILE makes its credential anew"
        ))
    };
    let place = cluster
        .spec
        .connection
        .kubeconfig_secret
        .ok_or_else(|| unusable("its Cluster names no kubeconfig Secret"))?;
    let secrets: Api<Secret> = Api::namespaced(hub.client.clone(), place.namespace.as_str());
    let secret = secrets.get(place.name.as_str()).await.map_err(|error| match &error {
        KubeError::Api(status) if status.code == 403 => Failure::hub(&format!("read the credential of member {name}"), &error)
            .with_hint(format!(
                "looking into members takes the right to read Secret {}/{} on the hub API; `hub status` and `hub explain` do without",
                place.namespace, place.name
            )),
        _ => Failure::hub(&format!("read the credential of member {name}"), &error),
    })?;
    let allow = secret
        .metadata
        .annotations
        .unwrap_or_default()
        .remove(ALLOW)
        .unwrap_or_default();
    let bytes = secret
        .data
        .and_then(|mut data| data.remove(&place.key))
        .ok_or_else(|| unusable("its Secret has no kubeconfig"))?;
    let text = String::from_utf8(bytes.0).map_err(|_| unusable("its Secret holds no text"))?;
    let config = vet_kubeconfig(&text, None, Allow::from_annotation(&allow))
        .await
        .map_err(|error| unusable(&error.to_string()))?;
    Ok(Stack::connect(&config, Gate::always_open())?)
}

/// The same, acting as the tenant of a namespace.
pub(super) async fn as_tenant(
    hub: &Hub,
    name: &ClusterName,
    namespace: &NamespaceName,
) -> Result<Client, Failure> {
    Ok(through_secret(hub, name)
        .await?
        .acting_as(&ActAs::tenant(namespace))?)
}

/// What joining, leaving or taking over failed for.
pub(super) fn failure(name: &ClusterName, error: &JoinError) -> Failure {
    let new = |code: Code, hint: String| Failure::new(code, error.to_string()).with_hint(hint);
    match error {
        JoinError::Hub { what, source } => Failure::hub(&format!("{what} on the hub API"), source),
        JoinError::Member { what, source } => Failure::member(name.as_str(), what, source),
        JoinError::NotInstalled => new(Code::NOT_INSTALLED, "run `hub install` against this hub API first".into()),
        JoinError::TooOld { .. } => new(
            Code::MEMBER_TOO_OLD,
            "the fence is made of ValidatingAdmissionPolicies, which Kubernetes has from 1.30 on; update the member".into(),
        ),
        JoinError::Claimed { .. } => new(
            Code::MEMBER_CLAIMED,
            format!("if that hub is gone, or should let go: hub takeover {name} --member-kubeconfig FILE"),
        ),
        JoinError::NameTaken { .. } => new(
            Code::NAME_TAKEN,
            format!("choose another name, or `hub leave {name}` first"),
        ),
        JoinError::AlreadyJoined { name: other } => new(
            Code::NAME_TAKEN,
            format!("to bring it up to date: hub join {other} --refresh --member-kubeconfig FILE"),
        ),
        JoinError::NotJoined { .. } => new(
            Code::NOT_FOUND,
            format!("hub join {name} --member-kubeconfig FILE registers it; `hub get clusters` lists the members"),
        ),
        JoinError::Ending { .. } => new(
            Code::MEMBER_ENDING,
            "run the same command again; its status.conditions say what holds a namespace, `hub status` what holds a Cluster".into(),
        ),
        JoinError::FenceSilent { .. } => new(
            Code::FENCE_SILENT,
            "the hub got no rights; see whether the member serves ValidatingAdmissionPolicy and join again".into(),
        ),
    }
}
