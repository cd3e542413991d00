//! What is never selected by a policy and never followed as a dependency (PROTOCOL §3.8).

use std::collections::BTreeMap;

use crate::model::name::GroupKind;
use crate::model::{api, mark};

/// Why an object is never propagated, whatever a policy says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A kind of the group `hanse.dev` other than Bundle.
    #[error("{kind} is a kind of the hub itself")]
    HubKind {
        /// The kind.
        kind: GroupKind,
    },
    /// Kinds that describe or secure the cluster they are in.
    #[error("{kind} objects belong to the cluster they are in")]
    Kind {
        /// The kind.
        kind: GroupKind,
    },
    /// It has an `ownerReference` of a controller: the member's own controller makes its own.
    #[error("a controller made it and makes it again in each member")]
    Controlled,
    /// A Bundle, Pod or `ReplicaSet` that only `kind: "*"` selects.
    #[error("{kind} objects are propagated only when a policy names the kind")]
    Bare {
        /// The kind.
        kind: GroupKind,
    },
    /// Objects that every cluster makes for itself.
    #[error("every cluster makes {kind} {name} for itself")]
    OfEveryCluster {
        /// The kind.
        kind: GroupKind,
        /// The name.
        name: String,
    },
    /// Secrets that mean something in one cluster only.
    #[error("Secrets of type {secret_type} mean something only in the cluster they were made in")]
    SecretType {
        /// The type.
        secret_type: String,
    },
    /// It carries the label of system objects.
    #[error("it carries the label {}, so it is the hub's own", mark::SYSTEM)]
    System,
}

/// What must be known of an object to tell whether it is ever propagated.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its kind.
    pub kind: &'a GroupKind,
    /// Its name.
    pub name: &'a str,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Whether an ownerReference says `controller: true`.
    pub controlled: bool,
    /// `type` of a Secret.
    pub secret_type: Option<&'a str>,
}

/// Whether no object of the kind is ever propagated, so that it need not even be watched.
#[must_use]
pub fn is_never_selected(kind: &GroupKind) -> bool {
    kind_refusal(kind).is_some()
}

/// Whether people write objects of this kind themselves, of those that are never propagated. Who has a policy name
/// such a kind is told so on each object's binding; of the others machinery makes many, and only the policy says it.
#[must_use]
pub fn is_told_of_each(kind: &GroupKind) -> bool {
    matches!(
        (&*kind.group, &*kind.kind),
        ("", "ResourceQuota" | "LimitRange") | ("rbac.authorization.k8s.io", "Role" | "RoleBinding")
    )
}

/// Why the object is never propagated; None when it may be. `named` says that a policy names its kind, or
/// that another template needs it: a `"*"` alone does not select bare Pods and `ReplicaSets`.
#[must_use]
pub fn never_selected(object: &Facts<'_>, named: bool) -> Option<Refusal> {
    let kind = object.kind;
    if let Some(refusal) = kind_refusal(kind) {
        return Some(refusal);
    }
    if object.labels.contains_key(mark::SYSTEM) {
        return Some(Refusal::System);
    }
    if object.controlled {
        return Some(Refusal::Controlled);
    }
    match (&*kind.group, &*kind.kind, object.name) {
        (api::GROUP, api::BUNDLE, _)
        | ("", "Pod" | "ReplicationController", _)
        | ("apps", "ReplicaSet", _)
            if !named =>
        {
            Some(Refusal::Bare { kind: kind.clone() })
        }
        ("", "ConfigMap", "kube-root-ca.crt" | "hanse-guardrails") | ("", "ServiceAccount", "default") => {
            Some(Refusal::OfEveryCluster {
                kind: kind.clone(),
                name: object.name.to_owned(),
            })
        }
        ("", "Secret", _) => {
            object
                .secret_type
                .filter(|of| is_local_secret(of))
                .map(|of| Refusal::SecretType {
                    secret_type: of.to_owned(),
                })
        }
        _ => None,
    }
}

fn is_local_secret(secret_type: &str) -> bool {
    matches!(
        secret_type,
        "kubernetes.io/service-account-token" | "bootstrap.kubernetes.io/token" | "helm.sh/release.v1"
    )
}

fn kind_refusal(kind: &GroupKind) -> Option<Refusal> {
    let refused = match (&*kind.group, &*kind.kind) {
        (api::GROUP, api::BUNDLE) => false,
        (api::GROUP, _) => return Some(Refusal::HubKind { kind: kind.clone() }),
        ("", "Event" | "Endpoints" | "ResourceQuota" | "LimitRange" | "Binding")
        | ("events.k8s.io", "Event")
        | ("discovery.k8s.io", "EndpointSlice")
        | ("coordination.k8s.io", "Lease" | "LeaseCandidate")
        | ("apps", "ControllerRevision")
        | ("rbac.authorization.k8s.io", "Role" | "RoleBinding")
        // Questions posing as kinds.
        | ("authorization.k8s.io" | "authentication.k8s.io" | "metrics.k8s.io", _) => true,
        _ => false,
    };
    refused.then(|| Refusal::Kind { kind: kind.clone() })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn judge(group: &str, kind: &str, name: &str, secret_type: Option<&str>, named: bool) -> Option<Refusal> {
        let kind = GroupKind::new(group, kind);
        let facts = Facts {
            kind: &kind,
            name,
            labels: &BTreeMap::new(),
            controlled: false,
            secret_type,
        };
        never_selected(&facts, named)
    }

    #[rstest]
    #[case("hanse.dev", "Tenant", "x")]
    #[case("", "Event", "x")]
    #[case("events.k8s.io", "Event", "x")]
    #[case("", "Endpoints", "x")]
    #[case("discovery.k8s.io", "EndpointSlice", "x")]
    #[case("coordination.k8s.io", "Lease", "x")]
    #[case("apps", "ControllerRevision", "x")]
    #[case("rbac.authorization.k8s.io", "Role", "x")]
    #[case("rbac.authorization.k8s.io", "RoleBinding", "x")]
    #[case("", "ResourceQuota", "x")]
    #[case("", "LimitRange", "x")]
    #[case("", "ConfigMap", "kube-root-ca.crt")]
    #[case("", "ConfigMap", "hanse-guardrails")]
    #[case("", "ServiceAccount", "default")]
    fn what_belongs_to_one_cluster_is_never_selected(
        #[case] group: &str,
        #[case] kind: &str,
        #[case] name: &str,
        #[values(true, false)] named: bool,
    ) {
        assert!(judge(group, kind, name, None, named).is_some());
    }

    #[rstest]
    #[case("", "Pod")]
    #[case("apps", "ReplicaSet")]
    fn bare_pods_and_replica_sets_need_their_kind_named(#[case] group: &str, #[case] kind: &str) {
        assert!(matches!(
            judge(group, kind, "x", None, false),
            Some(Refusal::Bare { .. })
        ));
        assert_eq!(judge(group, kind, "x", None, true), None);
    }

    #[rstest]
    #[case("kubernetes.io/service-account-token", true)]
    #[case("bootstrap.kubernetes.io/token", true)]
    #[case("helm.sh/release.v1", true)]
    #[case("Opaque", false)]
    #[case("kubernetes.io/tls", false)]
    fn secrets_of_one_cluster_stay_there(#[case] secret_type: &str, #[case] refused: bool) {
        assert_eq!(
            judge("", "Secret", "db", Some(secret_type), true).is_some(),
            refused
        );
    }

    #[test]
    fn each_object_is_told_of_only_where_none_is_ever_propagated() {
        let told = [
            ("", "ResourceQuota"),
            ("", "LimitRange"),
            ("rbac.authorization.k8s.io", "Role"),
            ("rbac.authorization.k8s.io", "RoleBinding"),
        ];
        for (group, kind) in told {
            let kind = GroupKind::new(group, kind);
            assert!(is_told_of_each(&kind) && is_never_selected(&kind), "{kind}");
        }
        // A binding for each binding would never end.
        assert!(!is_told_of_each(&GroupKind::new(api::GROUP, "WorkloadBinding")));
        assert!(!is_told_of_each(&GroupKind::new("", "Event")));
    }

    #[test]
    fn what_a_controller_made_or_the_hub_marked_is_never_selected() {
        let kind = GroupKind::new("", "ConfigMap");
        let labels = BTreeMap::from([(mark::SYSTEM.to_owned(), "true".to_owned())]);
        let marked = Facts {
            kind: &kind,
            name: "x",
            labels: &labels,
            controlled: false,
            secret_type: None,
        };
        assert_eq!(never_selected(&marked, true), Some(Refusal::System));
        let made = Facts {
            labels: &BTreeMap::new(),
            controlled: true,
            ..marked
        };
        assert_eq!(never_selected(&made, true), Some(Refusal::Controlled));
    }
}
