//! The status of a binding and of its template, from what stands in members. Pure: I/O is the engine's.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ledger::Standing;
use crate::{
    decide::health::{self, MemberStatus, TemplateFacts},
    model::{
        api::{
            BindingClusterStatus, ConditionStatus, ConditionType, Health, PlacementReason, Reason, Time,
            WorkloadBinding, WorkloadBindingStatus, set_condition,
        },
        clock::{Timestamp, whole_seconds},
        fleet::{ObjectRow, Reach},
        name::{ClusterName, GroupKind},
        template::Template,
    },
};

/// What the last decision said.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheduling {
    /// Why members were not chosen.
    pub reasons: Vec<PlacementReason>,
    /// Condition Scheduled.
    pub status: ConditionStatus,
    /// Its reason.
    pub reason: Reason,
    /// Its message.
    pub message: String,
}

/// What is known of a binding in its members.
pub type Standings = BTreeMap<ClusterName, (Standing, Reach, Option<std::sync::Arc<ObjectRow>>)>;

const SHOWN: usize = 100;
/// A server may answer with any number of words; the schema of a binding takes 32,768, and a write that it refuses
/// would be the last one of that status.
const WORDS: usize = 4096;

/// The status that the binding should show. Times move only on transitions, so equal input gives equal output.
#[must_use]
pub fn binding_status(
    binding: &WorkloadBinding,
    scheduling: Option<&Scheduling>,
    standings: &Standings,
    now: Timestamp,
) -> WorkloadBindingStatus {
    let mut status = binding.status_or_default();
    let kind = binding
        .spec
        .template
        .group_version_kind()
        .ok()
        .map(|gvk| gvk.group_kind());
    status.clusters = binding
        .spec
        .clusters
        .iter()
        .map(|cluster| {
            let before = status.clusters.iter().find(|had| had.name == cluster.name);
            let (standing, reach, row) = standings.get(&cluster.name).cloned().unwrap_or_default();
            of_member(
                &cluster.name,
                kind.as_ref(),
                before,
                &standing,
                reach,
                row.as_deref(),
                now,
            )
        })
        .collect();
    if let Some(scheduling) = scheduling {
        let before = std::mem::take(&mut status.reasons);
        let shown = scheduling.reasons.iter().take(SHOWN).cloned();
        status.reasons = shown.map(|reason| reason.steadied_by(&before)).collect();
    }
    status.placed = Some(binding.placed(&status.clusters));
    conditions(binding, &mut status, scheduling, standings, now);
    status
}

fn of_member(
    name: &ClusterName,
    kind: Option<&GroupKind>,
    before: Option<&BindingClusterStatus>,
    standing: &Standing,
    reach: Reach,
    row: Option<&ObjectRow>,
    now: Timestamp,
) -> BindingClusterStatus {
    let heard = matches!(reach, Reach::Reachable | Reach::Suspect);
    let mut verdict = match (kind, row) {
        (Some(kind), Some(row)) if heard && standing.applied => health::health(kind, row),
        _ => health::Verdict {
            health: Health::Unknown,
            message: String::new(),
        },
    };
    if heard && !standing.applied {
        verdict.health = Health::Progressing;
    }
    let message = match (&standing.problem, &standing.drifted) {
        _ if !heard => "the member does not answer; what is shown of it is old".to_owned(),
        (Some(problem), _) => problem.message.clone(),
        (None, Some(drift)) => drift.clone(),
        (None, None) => verdict.message,
    };
    let message = cut(message);
    let ready_replicas = match (kind, row) {
        (Some(kind), Some(row)) => health::ready_replicas(kind, row),
        _ => before.and_then(|before| before.ready_replicas),
    };
    let mut objects = standing.objects.clone();
    for object in &mut objects {
        object.health = Some(verdict.health);
    }
    let since = match before {
        Some(before) if before.applied == standing.applied && before.health == verdict.health => {
            before.since.clone()
        }
        _ => None,
    };
    BindingClusterStatus {
        name: name.clone(),
        applied: standing.applied,
        generation: standing.generation,
        ready_replicas,
        health: verdict.health,
        message,
        since: since.or_else(|| Some(Time(whole_seconds(now)))),
        objects,
    }
}

fn cut(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(WORDS) {
        message.truncate(end);
        message.push('…');
    }
    message
}

fn conditions(
    binding: &WorkloadBinding,
    status: &mut WorkloadBindingStatus,
    scheduling: Option<&Scheduling>,
    standings: &Standings,
    now: Timestamp,
) {
    let wanted: Vec<&BindingClusterStatus> = status
        .clusters
        .iter()
        .filter(|cluster| binding.wanted().any(|wanted| wanted.name == cluster.name))
        .collect();
    let scheduled = scheduling.map(|scheduling| {
        let message = scheduling.message.clone();
        (
            ConditionType::Scheduled,
            scheduling.status,
            scheduling.reason,
            message,
        )
    });
    let told: Vec<Told> = scheduled
        .into_iter()
        .chain([applied(&wanted, scheduling, standings)])
        .chain(available(&wanted))
        .chain([drifted(standings)])
        .collect();
    for (kind, holds, reason, message) in told {
        let generation = binding.metadata.generation;
        set_condition(
            &mut status.conditions,
            kind,
            holds,
            reason,
            &message,
            generation,
            now,
        );
    }
}

/// A condition as it should be.
type Told = (ConditionType, ConditionStatus, Reason, String);

fn applied(wanted: &[&BindingClusterStatus], scheduling: Option<&Scheduling>, standings: &Standings) -> Told {
    let all = wanted.len();
    let missing: Vec<_> = wanted.iter().filter(|cluster| !cluster.applied).collect();
    let problem = missing.iter().find_map(|cluster| {
        let (standing, ..) = standings.get(&cluster.name)?;
        standing.problem.as_ref().map(|problem| (&cluster.name, problem))
    });
    let count = format!(
        "{} of {all} members hold what the template says",
        all - missing.len()
    );
    if let Some(refused) = scheduling.filter(|scheduling| scheduling.reason == Reason::KindRefused) {
        let message = refused.message.clone();
        return (
            ConditionType::Applied,
            ConditionStatus::False,
            refused.reason,
            message,
        );
    }
    let (holds, reason, message) = match (all, missing.is_empty(), problem) {
        (0, ..) => (
            false,
            Reason::NoMatchingCluster,
            "no member was decided for".to_owned(),
        ),
        (_, true, _) => (true, Reason::Applied, count),
        (_, _, Some((cluster, problem))) => {
            (false, problem.reason, format!("{cluster}: {}", problem.message))
        }
        _ => (false, Reason::Applying, count),
    };
    (ConditionType::Applied, holds.into(), reason, message)
}

/// Available and Progressing, from the worst member.
fn available(wanted: &[&BindingClusterStatus]) -> [Told; 2] {
    let worst = wanted
        .iter()
        .map(|cluster| cluster.health)
        .max_by_key(|health| match health {
            Health::Healthy => 0,
            Health::Progressing => 1,
            Health::Unknown => 2,
            Health::Degraded => 3,
        });
    let is_applied = wanted.iter().all(|cluster| cluster.applied);
    let healthy = wanted
        .iter()
        .filter(|cluster| cluster.health == Health::Healthy)
        .count();
    let count = format!("{healthy} of {} members are healthy", wanted.len());
    let (holds, reason) = match worst {
        Some(Health::Healthy) if is_applied => (ConditionStatus::True, Reason::Available),
        Some(Health::Degraded) => (ConditionStatus::False, Reason::Degraded),
        Some(Health::Unknown) => (ConditionStatus::Unknown, Reason::ClusterUnreachable),
        _ => (ConditionStatus::False, Reason::Progressing),
    };
    let progressing = worst == Some(Health::Progressing) || !is_applied;
    let why = if progressing {
        Reason::Progressing
    } else {
        Reason::AsDesired
    };
    [
        (ConditionType::Available, holds, reason, count.clone()),
        (ConditionType::Progressing, progressing.into(), why, count),
    ]
}

fn drifted(standings: &Standings) -> Told {
    let drift = standings.iter().find_map(|(cluster, (standing, ..))| {
        standing
            .drifted
            .as_ref()
            .map(|drift| format!("{cluster}: {drift}"))
    });
    let reason = if drift.is_some() {
        Reason::Drifted
    } else {
        Reason::AsDesired
    };
    let holds = drift.is_some().into();
    (ConditionType::Drifted, holds, reason, drift.unwrap_or_default())
}

/// Whether nothing more is on its way: a state that stands is written at once, one that passes may wait. What
/// only a person can solve stands too.
#[must_use]
pub fn is_settled(status: &WorkloadBindingStatus, standings: &Standings) -> bool {
    status.clusters.iter().all(|cluster| {
        let problem = standings
            .get(&cluster.name)
            .and_then(|(standing, ..)| standing.problem.as_ref());
        problem.is_some_and(|problem| problem.terminal)
            || (cluster.applied && cluster.health != Health::Progressing)
    })
}

/// The status that the template should show; `None` for kinds whose status is not summed.
#[must_use]
pub fn template_status(
    template: &Template,
    previous: Option<&Value>,
    binding: &WorkloadBinding,
    standings: &Standings,
) -> Option<Value> {
    let kind = template.key.group_kind();
    let members: Vec<MemberStatus<'_>> = binding
        .wanted()
        .map(|cluster| {
            let found = standings.get(&cluster.name);
            let row = found.and_then(|(_, _, row)| row.as_deref());
            let heard = found.is_some_and(|(_, reach, _)| matches!(reach, Reach::Reachable | Reach::Suspect));
            MemberStatus {
                cluster: &cluster.name,
                applied_generation: found
                    .filter(|(standing, ..)| standing.applied)
                    .and_then(|(standing, ..)| standing.generation),
                observed: row.is_some_and(has_observed),
                status: row.filter(|_| heard).and_then(|row| row.status.as_deref()),
            }
        })
        .collect();
    if members.is_empty() {
        return None;
    }
    let facts = TemplateFacts {
        kind: &kind,
        generation: template.generation.unwrap_or_default(),
        service_type: template.service_type.as_deref(),
        previous,
    };
    health::aggregate(&facts, &members)
}

/// Whether the status of templates of this kind is the hub's to write.
#[must_use]
pub fn is_summed(kind: &GroupKind) -> bool {
    matches!(
        (&*kind.group, &*kind.kind),
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet") | ("batch", "Job") | ("", "Service")
    )
}

/// Whether the member's controller has seen the object as it is now.
fn has_observed(row: &ObjectRow) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Seen {
        observed_generation: Option<i64>,
    }
    let status = row
        .status
        .as_deref()
        .and_then(|status| serde_json::from_str::<Seen>(status).ok());
    status
        .and_then(|seen| seen.observed_generation)
        .is_none_or(|seen| seen >= row.generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_any_length_fits_into_the_status() {
        assert_eq!(cut("short".to_owned()), "short");
        let long = cut("ü".repeat(100_000));
        assert_eq!(long.chars().count(), WORDS + 1);
    }
}
