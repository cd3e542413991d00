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
    let kind = binding.spec.template.group_kind();
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
    let suspended = wanted.iter().find_map(|cluster| {
        let (standing, ..) = standings.get(&cluster.name)?;
        let problem = standing.problem.as_ref();
        problem.filter(|problem| problem.reason == Reason::Suspended)
    });
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
        (_, true, _) => match suspended {
            Some(problem) => (true, Reason::Suspended, format!("{count}; {}", problem.message)),
            None => (true, Reason::Applied, count),
        },
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
    let mut drifts = standings.iter().filter_map(|(cluster, (standing, ..))| {
        standing
            .drifted
            .as_ref()
            .map(|drift| format!("{cluster}: {drift}"))
    });
    let Some(first) = drifts.next() else {
        return (
            ConditionType::Drifted,
            false.into(),
            Reason::AsDesired,
            String::new(),
        );
    };
    let message = match drifts.count() {
        0 => first,
        more => format!("{first}; and in {more} more"),
    };
    (ConditionType::Drifted, true.into(), Reason::Drifted, message)
}

/// Whether nothing more is on its way: a state that stands is written at once, one that passes may wait. What
/// only a person can solve stands too, and what is paused, once its controllers have seen it.
#[must_use]
pub fn is_settled(binding: &WorkloadBinding, standings: &Standings, template: Option<&Template>) -> bool {
    let kind = binding.spec.template.group_kind();
    let rests = |kind: &GroupKind, row: &ObjectRow| {
        has_observed(kind, row) && template.is_some_and(Template::is_paused)
    };
    binding.spec.clusters.iter().all(|cluster| {
        let Some((standing, reach, row)) = standings.get(&cluster.name) else {
            return false;
        };
        if standing.problem.as_ref().is_some_and(|problem| problem.terminal) {
            return true;
        }
        let heard = matches!(reach, Reach::Reachable | Reach::Suspect);
        standing.applied
            && match (&kind, row) {
                (Some(kind), Some(row)) if heard => {
                    health::health(kind, row).health != Health::Progressing || rests(kind, row)
                }
                _ => true,
            }
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
                observed: row.is_some_and(|row| has_observed(&kind, row)),
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

/// Whether the member's controller has seen the object as it is now. Controllers of workloads always say what
/// they have seen; of other kinds many never do.
fn has_observed(kind: &GroupKind, row: &ObjectRow) -> bool {
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
        .map_or(*kind.group != *"apps", |seen| seen >= row.generation)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    /// A template, and what its one member says of it.
    fn told(spec: &Value, status: &Value) -> (Template, WorkloadBinding, Standings) {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "spec": spec,
            "metadata": {"name": "web", "namespace": "shop", "uid": "t", "generation": 1},
        });
        let template = Template::from_object(&object, &|_| false).unwrap();
        let binding = serde_json::from_value(json!({
            "apiVersion": "hanse.dev/v1alpha1", "kind": "WorkloadBinding",
            "metadata": {"name": "deployment-web-0123456789", "namespace": "shop"},
            "spec": {
                "template": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "t"},
                "clusters": [{"name": "m"}],
            },
        }))
        .unwrap();
        let standing = Standing {
            applied: true,
            generation: Some(1),
            ..Standing::default()
        };
        let row = ObjectRow {
            uid: "u".to_owned(),
            resource_version: "7".to_owned(),
            generation: 1,
            intent: None,
            binding: None,
            stamp: None,
            owned: None,
            last_editor: None,
            replicas: Some(1),
            cluster_ip: None,
            service_type: None,
            status: Some(status.to_string().into()),
            deleting: false,
        };
        let all = (standing, Reach::Reachable, Some(std::sync::Arc::new(row)));
        (template, binding, [("m".parse().unwrap(), all)].into())
    }

    #[rstest]
    #[case::not_seen_yet(json!({"paused": true}), json!({}), false)]
    #[case::paused_and_seen(json!({"paused": true}), json!({"observedGeneration": 1}), true)]
    #[case::on_its_way(json!({}), json!({"observedGeneration": 1}), false)]
    #[case::ready(json!({}), json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}), true)]
    fn a_paused_workload_rests_once_its_controllers_have_seen_it(
        #[case] spec: Value,
        #[case] status: Value,
        #[case] settled: bool,
    ) {
        let (template, binding, standings) = told(&spec, &status);
        assert_eq!(is_settled(&binding, &standings, Some(&template)), settled);
    }

    #[rstest]
    #[case::nothing(json!({}), None)]
    #[case::an_older_one(json!({"observedGeneration": 0}), None)]
    #[case::this_one(json!({"observedGeneration": 1}), Some(1))]
    fn a_template_is_observed_only_when_the_members_controller_says_so(
        #[case] status: Value,
        #[case] observed: Option<i64>,
    ) {
        let (template, binding, standings) = told(&json!({}), &status);
        let shown = template_status(&template, None, &binding, &standings).unwrap();
        assert_eq!(shown.get("observedGeneration").and_then(Value::as_i64), observed);
    }

    #[test]
    fn a_message_of_any_length_fits_into_the_status() {
        assert_eq!(cut("short".to_owned()), "short");
        let long = cut("ü".repeat(100_000));
        assert_eq!(long.chars().count(), WORDS + 1);
    }
}
