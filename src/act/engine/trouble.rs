//! What stands in the way in a member, and what a person can do about it.

use super::members::Place;
use super::{engine::Engine, error::Error};
use crate::{
    act::{
        propagate::Problem,
        wire::{ActAs, Error as WireError},
    },
    model::{api::Reason, name::GroupVersionKind},
};

impl Engine {
    /// What a refused write means, and what a person can do about it.
    pub(super) fn judge(
        &self,
        place: &Place<'_>,
        identity: &ActAs,
        gvk: &GroupVersionKind,
        error: WireError,
    ) -> Trouble {
        let namespace = &place.key.namespace;
        match error.code() {
            Some(404) => {
                self.enforcer.doubt(place.member.name(), namespace);
                error.into()
            }
            Some(403) => {
                self.enforcer.doubt(place.member.name(), namespace);
                let message = error
                    .status()
                    .map(|status| status.message.clone())
                    .unwrap_or_default();
                let no_right = message.contains("cannot ") && message.contains(identity.user());
                let help = if no_right {
                    role_to_create(place, gvk)
                } else {
                    String::new()
                };
                let reason = if no_right {
                    Reason::Forbidden
                } else {
                    Reason::Refused
                };
                Trouble::Problem(Problem {
                    reason,
                    message: format!("{message}{help}"),
                    terminal: false,
                })
            }
            Some(400 | 413 | 422) => problem(Reason::InvalidForMember, &error.to_string(), true),
            Some(500) if !error.is_retryable() => problem(Reason::InvalidForMember, &error.to_string(), true),
            _ => error.into(),
        }
    }
}

/// The ClusterRole that gives tenants a kind which the stock roles don't know.
fn role_to_create(place: &Place<'_>, gvk: &GroupVersionKind) -> String {
    let apis = place.member.apis();
    let kind = gvk.group_kind();
    let plural = apis
        .kind(&kind)
        .map_or_else(|| kind.kind.to_lowercase(), |api| api.plural.clone());
    let group = if kind.group.is_empty() {
        "core"
    } else {
        &*kind.group
    };
    format!(
        "\nhint: let tenants use it in this member: kubectl create -f - <<'EOF'\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: hanse:tenant:{plural}.{group}\n  \
         labels: {{hanse.dev/aggregate-to-tenant: \"true\", rbac.authorization.k8s.io/aggregate-to-view: \"true\"}}\n\
         rules:\n- apiGroups: [\"{}\"]\n  resources: [\"{plural}\"]\n  verbs: [get, list, watch, create, update, patch, delete]\nEOF",
        kind.group
    )
}

/// Why a pass did not reach its end.
pub(super) enum Trouble {
    NotLeading,
    Problem(Problem),
}

pub(super) fn problem(reason: Reason, message: &str, terminal: bool) -> Trouble {
    Trouble::Problem(Problem {
        reason,
        message: message.to_owned(),
        terminal,
    })
}

impl From<WireError> for Trouble {
    fn from(error: WireError) -> Self {
        if error.is_not_leader() {
            return Self::NotLeading;
        }
        let silent = error.status().is_none();
        let reason = if silent {
            Reason::ClusterUnreachable
        } else {
            Reason::ApplyFailed
        };
        problem(reason, &error.to_string(), false)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Wire(error) => error.into(),
            error => problem(Reason::ApplyFailed, &error.to_string(), false),
        }
    }
}
