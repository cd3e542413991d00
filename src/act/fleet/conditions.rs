//! What the conditions of a Cluster say. Pure: from what is known to a status, and nothing when too little is.

use std::{collections::BTreeMap, time::Duration};

use super::{
    footprint::JOIN_VERSION,
    member::Known,
    probe::{Probe, Trouble},
};
use crate::model::{
    api::{self, ClusterStatus, ConditionStatus, ConditionType, Reason, Time, find_condition, set_condition},
    clock::{GoDuration, Timestamp, whole_seconds},
    fleet::{Held, Member, Reach},
    name::NamespaceName,
};

/// How long a member that answers may take to show whose it is before that is reported.
const PATIENCE: Duration = Duration::from_secs(10);

struct Verdict {
    status: ConditionStatus,
    reason: Reason,
    message: String,
}

fn verdict(status: impl Into<ConditionStatus>, reason: Reason, message: impl Into<String>) -> Verdict {
    Verdict {
        status: status.into(),
        reason,
        message: message.into(),
    }
}

/// The status with its conditions as they should be now; its numbers are left as they are. `None` while this
/// process knows less than whoever wrote the status before it.
pub(super) fn judge(
    cluster: &api::Cluster,
    known: &Known,
    member: &Member,
    now: Timestamp,
) -> Option<ClusterStatus> {
    let mut status = cluster.status.clone().unwrap_or_default();
    let settling =
        known.trouble.is_none() && (member.held == Some(Held::Unverified) || member.apis.kinds.is_empty());
    let waited = known
        .probe
        .since
        .is_some_and(|since| now.duration_since(since).unsigned_abs() > PATIENCE);
    let heard = known.probe.reach != Reach::Unknown || known.trouble.is_some();
    if !heard || (settling && !waited && known.probe.reach == Reach::Reachable) {
        return None;
    }
    let verified = known.trouble.is_none() && member.held != Some(Held::Unverified);
    let ready = ready(known, member);
    let mut verdicts = vec![
        (ConditionType::Ready, ready),
        (ConditionType::Reachable, reachable(known)),
    ];
    // Of no interest until no node is ready.
    let shown = find_condition(&status.conditions, ConditionType::NodesReady).is_some();
    let nodes = nodes_ready(known, member).filter(|nodes| shown || nodes.status == ConditionStatus::False);
    verdicts.extend(nodes.map(|nodes| (ConditionType::NodesReady, nodes)));
    if verified {
        verdicts.push((ConditionType::Joined, joined(known, member)));
        verdicts.push((ConditionType::Held, held(member)));
        // Of no interest until a namespace stays, and then until it is gone.
        let shown = find_condition(&status.conditions, ConditionType::NamespacesKept).is_some();
        let told = known.kept.as_ref().filter(|kept| shown || !kept.is_empty());
        verdicts.extend(told.map(|all| (ConditionType::NamespacesKept, kept(all))));
        if let (None, None) = (&status.uid, &member.held) {
            status.uid.clone_from(&member.identity);
        }
    }
    let was =
        find_condition(&status.conditions, ConditionType::Ready).map(|condition| condition.status.clone());
    if was.as_deref() != Some(verdicts[0].1.status.as_str()) {
        status.since = Some(Time(whole_seconds(now)));
    }
    for (
        type_,
        Verdict {
            status: holds,
            reason,
            message,
        },
    ) in verdicts
    {
        let generation = cluster.metadata.generation;
        set_condition(
            &mut status.conditions,
            type_,
            holds,
            reason,
            &message,
            generation,
            now,
        );
    }
    if let Some(version) = &member.version {
        status.kubernetes_version = Some(version.clone());
    }
    if known.join_version.is_some() {
        status.join_version = known.join_version;
    }
    if let Some(token) = known.token {
        status.token_expires = Some(Time(whole_seconds(token.expires)));
        status.token_lifetime = Some(GoDuration(token.lifetime()));
    }
    Some(status)
}

fn reachable(known: &Known) -> Verdict {
    let Probe { reach, trouble, .. } = &known.probe;
    let message = trouble.as_ref().map(Trouble::message).unwrap_or_default();
    match (reach, &known.trouble) {
        // Nobody could even ask.
        (reach, Some(trouble)) if *reach != Reach::Reachable => {
            verdict(ConditionStatus::Unknown, credential(trouble), trouble.message())
        }
        (Reach::Unknown, _) => verdict(ConditionStatus::Unknown, Reason::Connecting, ""),
        (Reach::Reachable, _) => verdict(true, Reason::ProbeSucceeded, ""),
        // Asking again would not change a certificate.
        (Reach::Suspect, _) if is_certificate(trouble.as_ref()) => {
            verdict(false, Reason::CertificateInvalid, message)
        }
        (Reach::Suspect, _) => verdict(false, Reason::ProbeFailed, message),
        (Reach::Unreachable, _) => verdict(false, silence(trouble.as_ref()), message),
    }
}

/// `None` while it is not known.
fn nodes_ready(known: &Known, member: &Member) -> Option<Verdict> {
    match known.probe.reach {
        Reach::Unknown => None,
        Reach::Unreachable => Some(verdict(
            ConditionStatus::Unknown,
            silence(known.probe.trouble.as_ref()),
            "",
        )),
        Reach::Reachable | Reach::Suspect if !known.nodes_listed => None,
        Reach::Reachable | Reach::Suspect if member.nodes.none_ready() => {
            Some(verdict(false, Reason::NoNodeReady, no_node(member)))
        }
        Reach::Reachable | Reach::Suspect => Some(verdict(true, Reason::AsDesired, "")),
    }
}

fn no_node(member: &Member) -> String {
    format!("none of its {} nodes is ready", member.nodes.total)
}

fn silence(trouble: Option<&Trouble>) -> Reason {
    if is_certificate(trouble) {
        Reason::CertificateInvalid
    } else {
        Reason::Unreachable
    }
}

fn is_certificate(trouble: Option<&Trouble>) -> bool {
    matches!(trouble, Some(Trouble::Certificate(_)))
}

fn credential(trouble: &Trouble) -> Reason {
    match trouble {
        Trouble::Credential(_) => Reason::CredentialInvalid,
        Trouble::Certificate(_) => Reason::CertificateInvalid,
        Trouble::Silent(_) => Reason::Connecting,
    }
}

fn ready(known: &Known, member: &Member) -> Verdict {
    if let Some(trouble) = &known.trouble {
        return verdict(false, credential(trouble), trouble.message());
    }
    let trouble = known.probe.trouble.as_ref();
    let message = trouble.map(Trouble::message).unwrap_or_default();
    match (known.probe.reach, &member.held) {
        (Reach::Unknown, _) => verdict(ConditionStatus::Unknown, Reason::Connecting, ""),
        (Reach::Unreachable, _) => verdict(ConditionStatus::Unknown, silence(trouble), message),
        (Reach::Suspect, Some(Held::Unverified)) if is_certificate(trouble) => {
            verdict(ConditionStatus::Unknown, Reason::CertificateInvalid, message)
        }
        (_, Some(held)) => {
            let (reason, message) = why(held);
            let status = if *held == Held::Unverified {
                ConditionStatus::Unknown
            } else {
                ConditionStatus::False
            };
            verdict(status, reason, message)
        }
        (_, None) if member.leaving => verdict(false, Reason::Leaving, "its objects are being removed"),
        (_, None) if member.apis.kinds.is_empty() => verdict(
            ConditionStatus::Unknown,
            Reason::Connecting,
            "its kinds are not known yet",
        ),
        (_, None) if known.nodes_listed && member.nodes.none_ready() => {
            verdict(false, Reason::NoNodeReady, no_node(member))
        }
        (_, None) => verdict(true, Reason::AsDesired, ""),
    }
}

fn held(member: &Member) -> Verdict {
    member.held.as_ref().map_or_else(
        || verdict(false, Reason::AsDesired, ""),
        |held| {
            let (reason, message) = why(held);
            verdict(true, reason, message)
        },
    )
}

/// Most namespaces that a message names.
const SHOWN: usize = 5;

fn kept(kept: &BTreeMap<NamespaceName, String>) -> Verdict {
    if kept.is_empty() {
        return verdict(false, Reason::AsDesired, "");
    }
    let mut all: Vec<String> = kept
        .iter()
        .take(SHOWN)
        .map(|(namespace, why)| format!("namespace {namespace} stays: {why}"))
        .collect();
    if kept.len() > SHOWN {
        all.push(format!("and {} more", kept.len() - SHOWN));
    }
    verdict(true, Reason::KindUnreadable, all.join("; "))
}

fn joined(known: &Known, member: &Member) -> Verdict {
    match &member.held {
        Some(held @ (Held::Unclaimed | Held::Claimed { .. })) => {
            let (reason, message) = why(held);
            verdict(false, reason, message)
        }
        Some(Held::Unauthorized) => {
            let (reason, message) = why(&Held::Unauthorized);
            verdict(ConditionStatus::Unknown, reason, message)
        }
        _ => match known.join_version {
            Some(version) if version < JOIN_VERSION => verdict(
                false,
                Reason::JoinOutdated,
                format!(
                    "it was joined at version {version}, this hub needs {JOIN_VERSION}: \
                     hub join {} --refresh --member-kubeconfig FILE",
                    member.name
                ),
            ),
            _ => verdict(true, Reason::AsDesired, ""),
        },
    }
}

fn why(held: &Held) -> (Reason, String) {
    match held {
        Held::IdentityChanged { expected, found } => (
            Reason::ClusterIdentityChanged,
            format!("kube-system has uid {found}, not {expected}: another cluster answers at its address"),
        ),
        Held::Claimed { by } => (
            Reason::ClaimedByAnotherHub,
            format!("it is claimed by {by}: hub takeover takes it"),
        ),
        Held::Unclaimed => (
            Reason::NotJoined,
            "it has no claim of this hub: run hub join".to_owned(),
        ),
        Held::Unauthorized => (
            Reason::CredentialExpired,
            "it does not accept the hub's token: run hub join --refresh".to_owned(),
        ),
        Held::Unverified => (
            Reason::Connecting,
            "its identity and claim can't be read".to_owned(),
        ),
        Held::Duplicate { of } => (
            Reason::DuplicateCluster,
            format!("it is the same cluster as {of}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::model::{api::Condition, fleet::ApiKind, fleet::Apis, fleet::Nodes, name::GroupKind};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn cluster() -> api::Cluster {
        api::Cluster::new("m", api::ClusterSpec::default())
    }

    fn known(reach: Reach, trouble: Option<Trouble>) -> Known {
        let probe = Probe {
            reach,
            since: Some(at(0)),
            trouble,
        };
        Known {
            probe,
            ..Known::default()
        }
    }

    fn member(held: Option<Held>) -> Member {
        let pod = ApiKind {
            versions: vec!["v1".into()],
            plural: "pods".into(),
            namespaced: true,
            verbs: vec![],
            status: true,
        };
        let apis = Apis {
            kinds: [(GroupKind::new("", "Pod"), pod)].into(),
            complete: true,
        };
        Member {
            held,
            identity: Some("u".into()),
            apis: apis.into(),
            ..Member::unheard("m".parse().unwrap())
        }
    }

    fn silent() -> Trouble {
        Trouble::Silent("no answer".into())
    }

    fn condition(status: &ClusterStatus, type_: ConditionType) -> (String, String) {
        let Condition { status, reason, .. } = find_condition(&status.conditions, type_).unwrap();
        (status.clone(), reason.clone())
    }

    #[rstest]
    #[case::well(Reach::Reachable, None, None, ("True", "AsDesired"), ("True", "ProbeSucceeded"))]
    #[case::one_probe_failed(Reach::Suspect, Some(silent()), None, ("True", "AsDesired"), ("False", "ProbeFailed"))]
    #[case::gone(Reach::Unreachable, Some(silent()), Some(Held::Unverified), ("Unknown", "Unreachable"), ("False", "Unreachable"))]
    #[case::wrong_authority_from_the_start(Reach::Suspect, Some(Trouble::Certificate("x".into())), Some(Held::Unverified), ("Unknown", "CertificateInvalid"), ("False", "CertificateInvalid"))]
    #[case::wrong_authority(Reach::Unreachable, Some(Trouble::Certificate("x".into())), None, ("Unknown", "CertificateInvalid"), ("False", "CertificateInvalid"))]
    #[case::not_joined(Reach::Reachable, None, Some(Held::Unclaimed), ("False", "NotJoined"), ("True", "ProbeSucceeded"))]
    #[case::expired(Reach::Reachable, None, Some(Held::Unauthorized), ("False", "CredentialExpired"), ("True", "ProbeSucceeded"))]
    #[case::another(Reach::Reachable, None, Some(Held::Claimed { by: "h/a".into() }), ("False", "ClaimedByAnotherHub"), ("True", "ProbeSucceeded"))]
    fn ready_says_whether_anything_can_be_placed_there(
        #[case] reach: Reach,
        #[case] trouble: Option<Trouble>,
        #[case] held: Option<Held>,
        #[case] ready: (&str, &str),
        #[case] reachable: (&str, &str),
    ) {
        let status = judge(&cluster(), &known(reach, trouble), &member(held), at(1)).unwrap();
        let strings = |(status, reason): (&str, &str)| (status.to_owned(), reason.to_owned());
        assert_eq!(condition(&status, ConditionType::Ready), strings(ready));
        assert_eq!(condition(&status, ConditionType::Reachable), strings(reachable));
    }

    #[test]
    fn that_no_node_is_ready_is_said_and_since_when_until_one_is() {
        let mut cluster = cluster();
        let mut told = |reach, listed: bool, (ready, total), second| {
            let mut known = known(reach, None);
            known.nodes_listed = listed;
            let member = Member {
                nodes: Nodes { ready, total },
                ..member(None)
            };
            cluster.status = judge(&cluster, &known, &member, at(second));
            let status = cluster.status.clone().unwrap();
            let nodes = find_condition(&status.conditions, ConditionType::NodesReady);
            let since = |condition: &Condition| condition.last_transition_time.0.as_second() - 1_000_000;
            (
                condition(&status, ConditionType::Ready).1,
                nodes.map(|nodes| (nodes.status.clone(), since(nodes))),
            )
        };
        let said = |reason: &str, nodes: Option<(&str, i64)>| {
            (
                reason.to_owned(),
                nodes.map(|(status, since)| (status.to_owned(), since)),
            )
        };
        let (reachable, silent) = (Reach::Reachable, Reach::Unreachable);
        assert_eq!(told(reachable, true, (3, 3), 1), said("AsDesired", None));
        assert_eq!(told(reachable, true, (0, 0), 2), said("AsDesired", None));
        assert_eq!(
            told(reachable, true, (0, 3), 3),
            said("NoNodeReady", Some(("False", 3)))
        );
        assert_eq!(
            told(reachable, true, (0, 2), 4),
            said("NoNodeReady", Some(("False", 3)))
        );
        // Another process that has not listed them leaves what was said.
        assert_eq!(
            told(reachable, false, (0, 0), 5),
            said("AsDesired", Some(("False", 3)))
        );
        assert_eq!(
            told(silent, true, (0, 2), 6),
            said("Unreachable", Some(("Unknown", 6)))
        );
        assert_eq!(
            told(reachable, true, (0, 2), 7),
            said("NoNodeReady", Some(("False", 7)))
        );
        assert_eq!(
            told(reachable, true, (1, 2), 8),
            said("AsDesired", Some(("True", 8)))
        );
    }

    #[test]
    fn a_hub_that_has_just_started_leaves_the_status_alone() {
        let nothing = Known::default();
        assert_eq!(
            judge(&cluster(), &nothing, &member(Some(Held::Unverified)), at(1)),
            None
        );
        let unverified = known(Reach::Reachable, None);
        assert_eq!(
            judge(&cluster(), &unverified, &member(Some(Held::Unverified)), at(1)),
            None
        );
        assert!(judge(&cluster(), &unverified, &member(Some(Held::Unverified)), at(60)).is_some());
    }

    #[test]
    fn a_namespace_that_stays_is_said_until_it_is_gone_and_not_before_all_were_looked_through() {
        let mut known = known(Reach::Reachable, None);
        let mut cluster = cluster();
        let said = |cluster: &mut api::Cluster, known: &Known| {
            cluster.status = judge(cluster, known, &member(None), at(1));
            let conditions = &cluster.status.as_ref().unwrap().conditions;
            find_condition(conditions, ConditionType::NamespacesKept).map(|kept| kept.status.clone())
        };
        assert_eq!(said(&mut cluster, &known), None);
        known.kept = Some(BTreeMap::new());
        assert_eq!(said(&mut cluster, &known), None);
        known.kept = Some([("shop".parse().unwrap(), "why".to_owned())].into());
        assert_eq!(said(&mut cluster, &known).as_deref(), Some("True"));
        // Another process that has not looked yet leaves it as it is.
        known.kept = None;
        assert_eq!(said(&mut cluster, &known).as_deref(), Some("True"));
        known.kept = Some(BTreeMap::new());
        assert_eq!(said(&mut cluster, &known).as_deref(), Some("False"));
    }

    #[test]
    fn judging_again_changes_nothing() {
        let well = known(Reach::Reachable, None);
        let mut cluster = cluster();
        cluster.status = judge(&cluster, &well, &member(None), at(1));
        assert_eq!(judge(&cluster, &well, &member(None), at(500)), cluster.status);
        assert_eq!(cluster.status.unwrap().since, Some(Time(at(1))));
    }

    #[test]
    fn the_identity_is_recorded_once_and_only_of_a_member_that_is_ours() {
        let well = known(Reach::Reachable, None);
        let foreign = judge(&cluster(), &well, &member(Some(Held::Unclaimed)), at(1)).unwrap();
        assert_eq!(foreign.uid, None);
        let ours = judge(&cluster(), &well, &member(None), at(1)).unwrap();
        assert_eq!(ours.uid.as_deref(), Some("u"));
    }
}
