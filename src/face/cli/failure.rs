//! How a verb ends.

use std::process::ExitCode;

use kube::Error as KubeError;

use crate::{
    act::wire,
    model::manifest::{Code, Diagnostic},
};

/// How the process ends when nothing has to be said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    Done,
    Refused,
    Usage,
    TimedOut,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Refused => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::TimedOut => Self::from(3),
        }
    }
}

/// Why a verb did not do what was asked: what `diagnose` draws on stderr.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    /// At least one; the first decides what the person reads first.
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Failure {
    /// What it says, in one line.
    pub(super) fn words(&self) -> String {
        let messages = self
            .diagnostics
            .iter()
            .map(|diagnostic| diagnostic.message.as_str());
        messages.collect::<Vec<_>>().join("; ")
    }

    /// A refusal that is not about a place in a file.
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Refused,
            diagnostics: vec![Diagnostic::about_file(code, "", message)],
        }
    }

    /// Several things that are wrong with files.
    pub(super) fn all(diagnostics: Vec<Diagnostic>) -> Self {
        Self {
            exit: Exit::Refused,
            diagnostics,
        }
    }

    /// What was asked makes no sense.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            ..Self::new(Code::BAD_USAGE, message)
        }
    }

    /// Waiting took longer than was allowed.
    pub(super) fn timed_out(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::TimedOut,
            ..Self::new(Code::TIMED_OUT, message)
        }
    }

    /// This machine, not a cluster, is in the way.
    pub(super) fn system(what: &str, error: &std::io::Error) -> Self {
        Self::new(Code::SYSTEM, format!("{what}: {error}"))
            .with_hint("this machine refuses it; try again when that is mended")
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(first) = self.diagnostics.first_mut() {
            first.hint = Some(hint.into());
        }
        self
    }

    /// A request to the hub API that failed, with what to do about it.
    pub(super) fn hub(what: &str, error: &KubeError) -> Self {
        let (code, hint) = judge(error);
        Self::new(code, format!("failed to {what}: {}", wire::brief(error))).with_hint(hint)
    }

    /// A request to a member that failed.
    pub(super) fn member(cluster: &str, what: &str, error: &KubeError) -> Self {
        let said = wire::brief(error);
        let (code, hint) = match error {
            KubeError::Api(status) if is_terminating(status) => (
                Code::MEMBER_ENDING,
                "the namespace is made again when that has ended; run the same command again then".to_owned(),
            ),
            KubeError::Api(status) if matches!(status.code, 401 | 403) => (
                Code::MEMBER_FORBIDDEN,
                "the credential has no right to this in the member; the message names the missing right".to_owned(),
            ),
            KubeError::Api(_) => (Code::MEMBER_REFUSED, "the member's answer says what it needs".to_owned()),
            _ if wire::is_certificate(error) => (
                Code::MEMBER_CERTIFICATE,
                "the authority in the kubeconfig did not sign the member's certificate; take a fresh kubeconfig of the member"
                    .to_owned(),
            ),
            _ => (
                Code::MEMBER_UNREACHABLE,
                "check that the address in the kubeconfig is right and can be reached from here".to_owned(),
            ),
        };
        Self::new(code, format!("failed to {what} in member {cluster}: {said}")).with_hint(hint)
    }
}

impl From<wire::Error> for Failure {
    fn from(error: wire::Error) -> Self {
        match &error {
            wire::Error::Request { source, .. } | wire::Error::Call { source, .. } => {
                let (code, hint) = judge(source);
                Self::new(code, error.to_string()).with_hint(hint)
            }
            wire::Error::Connect { source } => Self::new(
                Code::KUBECONFIG_UNREADABLE,
                format!("failed to prepare a connection: {}", wire::brief(source)),
            )
            .with_hint("the certificates or the login in the kubeconfig can't be used"),
            wire::Error::Identity { .. } | wire::Error::NoSuchHost { .. } => {
                Self::new(Code::REQUEST_REFUSED, error.to_string())
            }
        }
    }
}

/// Whether the namespace is being deleted. Kubernetes says so with 403, like a missing right.
fn is_terminating(status: &kube::core::Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes
        .into_iter()
        .any(|cause| cause.reason == "NamespaceTerminating")
}

/// The code of a failed request to the hub API, and what helps.
fn judge(error: &KubeError) -> (Code, String) {
    match error {
        KubeError::Api(status) => match status.code {
            401 => (
                Code::FORBIDDEN,
                "log in to the hub API again: it does not accept the credential of the kubeconfig".into(),
            ),
            403 => (
                Code::FORBIDDEN,
                "ask an owner of the tenant or an administrator of the hub API for this right".into(),
            ),
            404 if status.message.contains("could not find the requested resource")
                || status.message.contains("page not found") =>
            {
                (
                    Code::NOT_INSTALLED,
                    "run `hub install` against this hub API first".into(),
                )
            }
            404 => (
                Code::NOT_FOUND,
                "`hub get` shows what there is; -n chooses the namespace, -A shows all".into(),
            ),
            _ => (
                Code::REQUEST_REFUSED,
                "the answer of the hub API says what it needs; nothing else was changed".into(),
            ),
        },
        _ if wire::is_certificate(error) => (
            Code::HUB_CERTIFICATE,
            "the authority in the kubeconfig did not sign the hub API's certificate; take a fresh kubeconfig"
                .into(),
        ),
        _ => (
            Code::HUB_UNREACHABLE,
            "check that the hub API runs and that --kubeconfig and --context name it".into(),
        ),
    }
}
