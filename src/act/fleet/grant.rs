//! The hub's own credential for a member: a bound token, kept as a kubeconfig in a Secret of the hub API.

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::{
    ByteString,
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::{Secret, ServiceAccount},
    },
};
use kube::{
    Api, Client, Config, Error as KubeError,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    JoinError, Joiner, TokenTimes,
    footprint::MANAGER,
    join_error::{hub, member},
    kubeconfig::ALLOW,
};
use crate::model::{clock::Timestamp, mark, name::ClusterName};

/// What is asked for; the member grants what it allows.
const ASKED_SECONDS: i64 = 30 * 24 * 3_600;
/// A token is kept by a repeated join when it lasts at least this long.
const TOKEN_KEEPS: i64 = 24 * 3_600;
/// The `ServiceAccount` the hub is in a member.
const SERVICE_ACCOUNT: &str = "hub";

/// A token and the time it was granted for.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) expires: Timestamp,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Asks the member for a token of the hub's identity.
pub(super) async fn request_token(member: &Client) -> Result<Token, KubeError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(member.clone(), mark::SYSTEM_NAMESPACE);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(ASKED_SECONDS),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let granted = accounts
        .create_token_request(SERVICE_ACCOUNT, &PostParams::default(), &request)
        .await?;
    let status = granted.status.unwrap_or_default();
    match (status.token, status.expiration_timestamp) {
        (Some(text), Some(expires)) => Ok(Token {
            text,
            expires: expires.0,
        }),
        _ => Err(KubeError::Service("the member granted no token".into())),
    }
}

/// The name of the Secret with a member's credential.
#[must_use]
pub fn secret_name(cluster: &ClusterName) -> String {
    format!("member-{cluster}")
}

/// A kubeconfig of the same server and authority as `config`, with the token and nothing else.
pub(super) fn kubeconfig(cluster: &ClusterName, config: &Config, token: &str) -> String {
    let mut server = json!({"server": config.cluster_url.to_string().trim_end_matches('/')});
    if let Some(certificates) = &config.root_cert {
        let pem: String = certificates.iter().map(|der| pem(der)).collect();
        server["certificate-authority-data"] = json!(STANDARD.encode(pem));
    }
    if let Some(name) = &config.tls_server_name {
        server["tls-server-name"] = json!(name);
    }
    if config.accept_invalid_certs {
        server["insecure-skip-tls-verify"] = json!(true);
    }
    if let Some(proxy) = &config.proxy_url {
        server["proxy-url"] = json!(proxy.to_string());
    }
    // JSON is YAML, and needs no quoting rules.
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": server}],
        "users": [{"name": "hub", "user": {"token": token}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": "hub"}}],
        "current-context": cluster,
    })
    .to_string()
}

fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

/// Asks for a token and keeps it in the hub API, unless the one that is there still does.
pub(super) async fn store_token(
    joiner: &Joiner<'_>,
    refresh: bool,
    now: Timestamp,
) -> Result<Timestamp, JoinError> {
    let secrets: Api<Secret> = Api::namespaced(joiner.hub.clone(), mark::SYSTEM_NAMESPACE);
    let name = secret_name(joiner.name);
    let old = secrets
        .get_opt(&name)
        .await
        .map_err(hub("read the member's Secret"))?;
    if !refresh && let Some(expires) = old.as_ref().and_then(|old| still_good(joiner, old, now)) {
        return Ok(expires);
    }
    let token = request_token(joiner.member)
        .await
        .map_err(member("request a token for the hub"))?;
    let text = kubeconfig(joiner.name, joiner.config, &token.text);
    let body = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": {mark::MANAGED_BY: mark::HANSE},
            "annotations": {ALLOW: joiner.allow.annotation()},
        },
        "type": "Opaque",
        "data": {"kubeconfig": ByteString(text.into_bytes())},
    });
    secrets
        .patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&body))
        .await
        .map_err(hub("store the member's Secret"))?;
    Ok(token.expires)
}

/// When the token in the Secret ends, if it is for this address and lasts a while.
fn still_good(joiner: &Joiner<'_>, secret: &Secret, now: Timestamp) -> Option<Timestamp> {
    let stored: Value = serde_json::from_slice(&secret.data.as_ref()?.get("kubeconfig")?.0).ok()?;
    let token = stored.pointer("/users/0/user/token")?.as_str()?;
    let expires = TokenTimes::read(token)?.expires;
    let same = secret.data.as_ref()?.get("kubeconfig")?.0
        == kubeconfig(joiner.name, joiner.config, token).into_bytes();
    (same && expires.as_second() - now.as_second() > TOKEN_KEEPS).then_some(expires)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::fleet::{Allow, vet_kubeconfig};

    #[tokio::test]
    async fn what_join_stores_is_accepted_by_the_hub_without_any_allowance() {
        let mut config = Config::new("https://10.0.0.1:6443/".parse().unwrap());
        config.root_cert = Some(vec![vec![7; 100]]);
        config.tls_server_name = Some("kubernetes".to_owned());
        let text = kubeconfig(&"eu-1".parse().unwrap(), &config, "t");
        let read = vet_kubeconfig(&text, None, Allow::default()).await.unwrap();
        assert_eq!(read.cluster_url.host(), Some("10.0.0.1"));
        assert_eq!(read.root_cert, config.root_cert);
        assert_eq!(read.tls_server_name, config.tls_server_name);
    }
}
