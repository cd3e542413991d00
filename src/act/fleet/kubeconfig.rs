//! What a kubeconfig may ask of the hub: an address, certificates and a token, given in the text itself.
//!
//! A kubeconfig can start programs, read files of this machine, send tokens in the clear and point at the
//! metadata service of a cloud. Each of these is refused unless whoever hands it over allows it; the last one
//! always.

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::Error;
use crate::act::wire::is_link_local;

/// Annotation on the Secret of a member: what was allowed at join, as in [`Allow::annotation`].
pub const ALLOW: &str = "hanse.dev/allow";

/// What a kubeconfig may contain besides addresses, certificates and tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four flags of the command line, each meaning itself"
)]
pub struct Allow {
    /// `--allow-exec`: programs that print a credential.
    pub exec: bool,
    /// `--allow-auth-provider`: the legacy kind of plugins.
    pub auth_provider: bool,
    /// `--allow-insecure-tls`: certificates that nobody checks.
    pub insecure_tls: bool,
    /// `--allow-file-paths`: files on this machine.
    pub file_paths: bool,
}

impl Allow {
    const WORDS: [&'static str; 4] = ["exec", "auth-provider", "insecure-tls", "file-paths"];

    /// As it is written on the Secret of a member: `exec,insecure-tls`.
    #[must_use]
    pub fn annotation(self) -> String {
        let flags = [self.exec, self.auth_provider, self.insecure_tls, self.file_paths];
        let words = Self::WORDS
            .iter()
            .zip(flags)
            .filter(|(_, allowed)| *allowed)
            .map(|(word, _)| *word);
        words.collect::<Vec<_>>().join(",")
    }

    /// Reads the annotation; words nobody knows allow nothing.
    #[must_use]
    pub fn from_annotation(text: &str) -> Self {
        let has = |word: &str| text.split(',').any(|part| part.trim() == word);
        let [exec, auth_provider, insecure_tls, file_paths] = Self::WORDS.map(has);
        Self {
            exec,
            auth_provider,
            insecure_tls,
            file_paths,
        }
    }
}

/// Reads a kubeconfig, refuses what is not allowed, and makes a client configuration of `context` (absent: the
/// current one). Errors never quote the text: it holds credentials.
pub async fn vet_kubeconfig(text: &str, context: Option<&str>, allow: Allow) -> Result<Config, Error> {
    let kubeconfig = Kubeconfig::from_yaml(text).map_err(|source| Error::Kubeconfig {
        reason: without_quotes(&source),
    })?;
    vet(&kubeconfig, context, allow)?;
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|source| Error::Kubeconfig {
            reason: without_quotes(&source),
        })
}

/// The parser's words may show a piece of the text.
fn without_quotes(source: &kube::config::KubeconfigError) -> String {
    use kube::config::KubeconfigError as K;
    match source {
        K::Parse(_) => "it is not YAML, or not a kubeconfig".to_owned(),
        K::ParseClusterUrl(_) => "the server is not a URL".to_owned(),
        K::LoadCertificateAuthority(_) => "certificate-authority-data is not base64".to_owned(),
        K::LoadClientCertificate(_) => "client-certificate-data is not base64".to_owned(),
        K::LoadClientKey(_) => "client-key-data is not base64".to_owned(),
        K::ParseCertificates(_) => "certificate-authority-data is not PEM".to_owned(),
        K::LoadContext(_) => "it has no context of that name".to_owned(),
        K::LoadClusterOfContext(_) => "its context names a cluster that is not in it".to_owned(),
        K::CurrentContextNotSet => "it has no current context".to_owned(),
        K::MissingClusterUrl => "its cluster has no server".to_owned(),
        _ => "it can't be used".to_owned(),
    }
}

fn vet(kubeconfig: &Kubeconfig, context: Option<&str>, allow: Allow) -> Result<(), Error> {
    let broken = |reason: &str| Error::Kubeconfig {
        reason: reason.to_owned(),
    };
    let wanted = context
        .or(kubeconfig.current_context.as_deref())
        .ok_or_else(|| broken("it has no current context"))?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == wanted)
        .and_then(|named| named.context.as_ref())
        .ok_or_else(|| broken("it has no context of that name"))?;
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster.as_ref())
        .ok_or_else(|| broken("its context names a cluster that is not in it"))?;
    let server = cluster
        .server
        .as_deref()
        .ok_or_else(|| broken("its cluster has no server"))?;
    vet_address(server)?;
    if let Some(proxy) = &cluster.proxy_url {
        vet_address(proxy)?;
    }
    let insecure = cluster.insecure_skip_tls_verify.unwrap_or_default() || !server.starts_with("https://");
    refuse(
        insecure && !allow.insecure_tls,
        "the server's certificate would not be checked",
        "--allow-insecure-tls",
    )?;
    let path = cluster.certificate_authority.is_some();
    refuse(
        path && !allow.file_paths,
        "certificate-authority is a file path",
        "--allow-file-paths",
    )?;
    let user = kubeconfig
        .auth_infos
        .iter()
        .find(|named| Some(&named.name) == context.user.as_ref());
    let Some(user) = user.and_then(|named| named.auth_info.as_ref()) else {
        return Ok(());
    };
    refuse(
        user.exec.is_some() && !allow.exec,
        "it starts a program (exec)",
        "--allow-exec",
    )?;
    let provider = user.auth_provider.is_some();
    refuse(
        provider && !allow.auth_provider,
        "it uses an auth provider",
        "--allow-auth-provider",
    )?;
    let files = [&user.token_file, &user.client_certificate, &user.client_key];
    let path = files.iter().any(|file| file.is_some());
    refuse(
        path && !allow.file_paths,
        "its user's credential is a file path",
        "--allow-file-paths",
    )
}

fn refuse(yes: bool, what: &str, flag: &'static str) -> Result<(), Error> {
    if yes {
        Err(Error::Refused {
            what: what.to_owned(),
            flag: Some(flag),
        })
    } else {
        Ok(())
    }
}

/// Link-local addresses are where clouds keep their metadata services, and never a member.
fn vet_address(url: &str) -> Result<(), Error> {
    let uri: http::Uri = url.parse().map_err(|_| Error::Kubeconfig {
        reason: "the server is not a URL".to_owned(),
    })?;
    let host = uri.host().ok_or_else(|| Error::Kubeconfig {
        reason: "the server is not a URL".to_owned(),
    })?;
    let refused = || Error::Refused {
        what: format!("{host} is a link-local address"),
        flag: None,
    };
    match host.trim_matches(['[', ']']).parse() {
        Ok(address) if is_link_local(address) => Err(refused()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn kubeconfig(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
             clusters: [{{name: k, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        )
    }

    const SERVER: &str = "server: \"https://10.0.0.1:6443\"";

    #[rstest]
    #[case::exec(
        SERVER,
        "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws}",
        Some("--allow-exec")
    )]
    #[case::provider(
        SERVER,
        "auth-provider: {name: gcp, config: {}}",
        Some("--allow-auth-provider")
    )]
    #[case::insecure(
        "server: \"https://10.0.0.1\", insecure-skip-tls-verify: true",
        "token: t",
        Some("--allow-insecure-tls")
    )]
    #[case::plain("server: \"http://10.0.0.1\"", "token: t", Some("--allow-insecure-tls"))]
    #[case::ca_file(
        "server: \"https://10.0.0.1\", certificate-authority: /etc/ca.crt",
        "token: t",
        Some("--allow-file-paths")
    )]
    #[case::token_file(SERVER, "tokenFile: /var/token", Some("--allow-file-paths"))]
    #[case::key_file(SERVER, "client-key: /k.pem", Some("--allow-file-paths"))]
    #[case::metadata_service("server: \"https://169.254.169.254\"", "token: t", None)]
    #[case::link_local_v6("server: \"https://[fe80::1]:6443\"", "token: t", None)]
    #[case::mapped("server: \"https://[::ffff:169.254.169.254]\"", "token: t", None)]
    #[case::proxy(
        "server: \"https://10.0.0.1\", proxy-url: \"http://169.254.1.1:80\"",
        "token: t",
        None
    )]
    #[tokio::test]
    async fn what_reaches_beyond_the_text_is_refused_with_the_flag_that_allows_it(
        #[case] cluster: &str,
        #[case] user: &str,
        #[case] flag: Option<&str>,
    ) {
        let error = vet_kubeconfig(&kubeconfig(cluster, user), None, Allow::default())
            .await
            .unwrap_err();
        assert!(matches!(&error, Error::Refused { .. }), "{error}");
        assert_eq!(error.flag(), flag);
    }

    #[rstest]
    #[case::not_yaml("a: [hunter2")]
    #[case::another_document("- hunter2")]
    #[case::no_context("kind: Config\nusers: [{name: u, user: {token: hunter2}}]")]
    #[case::no_cluster(
        "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\nusers: [{name: u, user: {token: hunter2}}]"
    )]
    #[tokio::test]
    async fn a_broken_kubeconfig_is_refused_without_quoting_it(#[case] text: &str) {
        let error = vet_kubeconfig(text, None, Allow::default()).await.unwrap_err();
        assert!(matches!(&error, Error::Kubeconfig { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_plain_kubeconfig_is_accepted() {
        let config = vet_kubeconfig(&kubeconfig(SERVER, "token: t"), None, Allow::default())
            .await
            .unwrap();
        assert_eq!(config.cluster_url.host(), Some("10.0.0.1"));
    }

    #[test]
    fn allowances_survive_being_written_on_the_secret() {
        let allow = Allow {
            exec: true,
            insecure_tls: true,
            ..Allow::default()
        };
        assert_eq!(allow.annotation(), "exec,insecure-tls");
        assert_eq!(Allow::from_annotation("exec, insecure-tls,everything"), allow);
    }
}
