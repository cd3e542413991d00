//! The status of a binding and of its template, from what stands in members. Pure: I/O is the engine's.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::ledger::Standing;
use crate::{
    decide::health::{self, MemberStatus, TemplateFacts},
    model::{
        api::{
            BindingClusterStatus, BundleStatus, ConditionStatus, ConditionType, Health, PlacedObject,
            PlacementReason, Reason, Time, WorkloadBinding, WorkloadBindingStatus, set_condition,
        },
        clock::{Timestamp, whole_seconds},
        fleet::{ObjectRow, Reach},
        kind::Kinds,
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
pub type Standings = BTreeMap<ClusterName, (Standing, Reach, Rows)>;

/// The objects of a binding as a member last showed them.
#[derive(Debug, Clone)]
pub enum Rows {
    /// Its only object; `None` when it was not seen.
    One(Option<Arc<ObjectRow>>),
    /// Of a Bundle, those in the standing, in their order.
    Each(Vec<Option<Arc<ObjectRow>>>),
}

impl Default for Rows {
    fn default() -> Self {
        Self::One(None)
    }
}

impl Rows {
    /// The only object.
    fn one(&self) -> Option<&ObjectRow> {
        match self {
            Self::One(row) => row.as_deref(),
            Self::Each(_) => None,
        }
    }
}

/// A server may answer with any number of words; the schema of a binding takes 32,768, and a write that it refuses
/// would be the last one of that status.
const WORDS: usize = 4096;

/// The status that the binding should show. Times move only on transitions, so equal input gives equal output.
#[must_use]
pub fn binding_status(
    kinds: &Kinds,
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
            let (standing, reach, rows) = standings.get(&cluster.name).cloned().unwrap_or_default();
            let seen = Seen {
                standing: &standing,
                reach,
                rows: &rows,
            };
            of_member(kinds, &cluster.name, kind.as_ref(), before, &seen, now)
        })
        .collect();
    if let Some(scheduling) = scheduling {
        let before = std::mem::take(&mut status.reasons);
        let shown = scheduling.reasons.iter().cloned();
        status.reasons = shown.map(|reason| reason.steadied_by(&before)).collect();
    }
    status.placed = Some(binding.placed(&status.clusters));
    conditions(binding, &mut status, scheduling, standings, now);
    status
}

/// What is known of a binding in one member.
struct Seen<'a> {
    standing: &'a Standing,
    reach: Reach,
    rows: &'a Rows,
}

/// Whether what is known of a member may be believed.
fn is_heard(reach: Reach) -> bool {
    matches!(reach, Reach::Reachable | Reach::Suspect)
}

fn of_member(
    kinds: &Kinds,
    name: &ClusterName,
    kind: Option<&GroupKind>,
    before: Option<&BindingClusterStatus>,
    seen: &Seen<'_>,
    now: Timestamp,
) -> BindingClusterStatus {
    let Seen {
        standing,
        reach,
        rows,
    } = *seen;
    let heard = is_heard(reach);
    let row = rows.one();
    let mut objects = standing.objects.clone();
    let mut verdict = match (kind, row, rows) {
        (_, _, Rows::Each(rows)) if heard => of_bundle(kinds, &mut objects, rows),
        (Some(kind), Some(row), _) if heard && standing.applied => health::health(kinds, kind, row),
        _ => health::Verdict {
            health: Health::Unknown,
            message: String::new(),
        },
    };
    if heard && !standing.applied {
        verdict.health = Health::Progressing;
    }
    let message = match (&standing.problem, standing.drifted()) {
        _ if !heard => "the member does not answer; how it does there is not known".to_owned(),
        (Some(problem), _) => problem.message.clone(),
        (None, Some(drift)) => drift.clone(),
        (None, None) => verdict.message,
    };
    let message = cut(message);
    let ready_replicas = match (kind, row) {
        // The last number of a member that is lost would look like one that is true.
        _ if !heard => None,
        (Some(kind), Some(row)) => health::ready_replicas(kinds, kind, row),
        _ => before.and_then(|before| before.ready_replicas),
    };
    if !heard || matches!(rows, Rows::One(_)) {
        for object in &mut objects {
            object.health = Some(verdict.health);
        }
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

/// How all objects of a Bundle do in a member: as the worst of them, whose words are told. Each gets its own health.
fn of_bundle(
    kinds: &Kinds,
    objects: &mut [PlacedObject],
    rows: &[Option<Arc<ObjectRow>>],
) -> health::Verdict {
    let mut worst = health::Verdict {
        health: Health::Healthy,
        message: String::new(),
    };
    for (object, row) in objects.iter_mut().zip(rows) {
        let kind = GroupKind::new(object.group.as_str(), object.kind.as_str());
        let verdict = match row {
            Some(row) => health::health(kinds, &kind, row),
            None => health::Verdict {
                health: Health::Progressing,
                message: "it was not seen yet".to_owned(),
            },
        };
        object.health = Some(verdict.health);
        if badness(verdict.health) > badness(worst.health) {
            worst = health::Verdict {
                health: verdict.health,
                message: format!("{} {}: {}", object.kind, object.name, verdict.message),
            };
        }
    }
    worst
}

/// Of several the worst is told.
fn badness(health: Health) -> u8 {
    match health {
        Health::Healthy => 0,
        Health::Progressing => 1,
        Health::Unknown => 2,
        Health::Degraded => 3,
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
        .chain(available(&wanted, standings))
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
fn available(wanted: &[&BindingClusterStatus], standings: &Standings) -> [Told; 2] {
    let worst = wanted
        .iter()
        .map(|cluster| cluster.health)
        .max_by_key(|health| badness(*health));
    let is_applied = wanted.iter().all(|cluster| cluster.applied);
    let healthy = wanted
        .iter()
        .filter(|cluster| cluster.health == Health::Healthy)
        .count();
    let count = format!("{healthy} of {} members are healthy", wanted.len());
    let silent = wanted.iter().any(|cluster| {
        let reach = standings.get(&cluster.name).map(|(_, reach, _)| *reach);
        cluster.health == Health::Unknown && !reach.is_some_and(is_heard)
    });
    let (holds, reason) = match worst {
        Some(Health::Healthy) if is_applied => (ConditionStatus::True, Reason::Available),
        Some(Health::Degraded) => (ConditionStatus::False, Reason::Degraded),
        Some(Health::Unknown) if silent => (ConditionStatus::Unknown, Reason::ClusterUnreachable),
        Some(Health::Unknown) => (ConditionStatus::Unknown, Reason::HealthUnknown),
        _ => (ConditionStatus::False, Reason::Progressing),
    };
    let progressing = worst == Some(Health::Progressing) || !is_applied;
    let why = if progressing {
        Reason::Progressing
    } else {
        Reason::AsDesired
    };
    // Of a failure people want to know where and why.
    let first = wanted.iter().find(|cluster| Some(cluster.health) == worst);
    let told = match first.filter(|_| matches!(reason, Reason::Degraded | Reason::HealthUnknown)) {
        Some(first) => format!("{count}; {}: {}", first.name, first.message),
        None => count.clone(),
    };
    [
        (ConditionType::Available, holds, reason, told),
        (ConditionType::Progressing, progressing.into(), why, count),
    ]
}

fn drifted(standings: &Standings) -> Told {
    let mut drifts = standings.iter().filter_map(|(cluster, (standing, ..))| {
        standing.drifted().map(|drift| format!("{cluster}: {drift}"))
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
pub fn is_settled(
    kinds: &Kinds,
    binding: &WorkloadBinding,
    standings: &Standings,
    template: Option<&Template>,
) -> bool {
    let kind = binding.spec.template.group_kind();
    let rests = |kind: &GroupKind, row: &ObjectRow| {
        health::has_observed(kind, row) && template.is_some_and(Template::is_paused)
    };
    binding.spec.clusters.iter().all(|cluster| {
        let Some((standing, reach, rows)) = standings.get(&cluster.name) else {
            return false;
        };
        if standing.problem.as_ref().is_some_and(|problem| problem.terminal) {
            return true;
        }
        let heard = is_heard(*reach);
        standing.applied
            && match (&kind, rows) {
                (_, Rows::Each(rows)) if heard => {
                    let mut objects = standing.objects.clone();
                    of_bundle(kinds, &mut objects, rows).health != Health::Progressing
                }
                (Some(kind), Rows::One(Some(row))) if heard => {
                    health::health(kinds, kind, row).health != Health::Progressing || rests(kind, row)
                }
                _ => true,
            }
    })
}

/// The status that the template should show; `None` for kinds whose status is not summed.
#[must_use]
pub fn template_status(
    kinds: &Kinds,
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
            let row = found.and_then(|(_, _, rows)| rows.one());
            let heard = found.is_some_and(|(_, reach, _)| is_heard(*reach));
            MemberStatus {
                cluster: &cluster.name,
                applied_generation: found
                    .filter(|(standing, ..)| standing.applied)
                    .and_then(|(standing, ..)| standing.generation),
                observed: row.is_some_and(|row| health::has_observed(&kind, row)),
                status: row.filter(|_| heard).and_then(|row| row.status.as_deref()),
            }
        })
        .collect();
    if members.is_empty() {
        return None;
    }
    health::aggregate(&facts_of(kinds, template, &kind, previous), &members)
}

/// The status that a Bundle should show: its binding's conditions, and the generation that every member has.
#[must_use]
pub fn bundle_status(
    template: &Template,
    previous: Option<&Value>,
    binding: &WorkloadBindingStatus,
    standings: &Standings,
) -> Value {
    let is_there = |cluster: &BindingClusterStatus| {
        let standing = standings.get(&cluster.name).map(|(standing, ..)| standing);
        cluster.applied && standing.is_some_and(|standing| standing.generation == template.generation)
    };
    let observed = if !binding.clusters.is_empty() && binding.clusters.iter().all(is_there) {
        template.generation
    } else {
        previous.and_then(|previous| previous.get("observedGeneration")?.as_i64())
    };
    let mut conditions = binding.conditions.clone();
    for condition in &mut conditions {
        condition.observed_generation = observed;
    }
    let status = BundleStatus {
        observed_generation: observed,
        placed: binding.placed.clone(),
        conditions,
    };
    serde_json::to_value(status).unwrap_or_default()
}

/// What is left of the template's status when it is nowhere any more; `None` where the hub writes none.
#[must_use]
pub fn cleared_status(kinds: &Kinds, template: &Template, previous: &Value) -> Option<Value> {
    let kind = template.key.group_kind();
    // A Job that has finished stays finished.
    if *kind.kind == *"Job" && *kind.group == *"batch" {
        return None;
    }
    if is_summed(&kind) || template.bundle.is_some() {
        return Some(Value::Object(serde_json::Map::new()));
    }
    health::cleared(&facts_of(kinds, template, &kind, Some(previous)))
}

fn facts_of<'a>(
    kinds: &'a Kinds,
    template: &'a Template,
    kind: &'a GroupKind,
    previous: Option<&'a Value>,
) -> TemplateFacts<'a> {
    TemplateFacts {
        kind,
        generation: template.generation.unwrap_or_default(),
        service_type: template.service_type.as_deref(),
        previous,
        sums: kinds.rule(kind).map_or(&[], |rule| &rule.sums),
    }
}

/// Whether the whole status of templates of this kind is the hub's to write.
fn is_summed(kind: &GroupKind) -> bool {
    matches!(
        (&*kind.group, &*kind.kind),
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet") | ("batch", "Job") | ("", "Service")
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::model::{api::find_condition, kind::Rule};

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
            generation: 1,
            replicas: Some(1),
            status: Some(status.to_string().into()),
            ..ObjectRow::default()
        };
        let all = (standing, Reach::Reachable, Rows::One(Some(Arc::new(row))));
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
        assert_eq!(
            is_settled(&Kinds::default(), &binding, &standings, Some(&template)),
            settled
        );
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
        let shown = template_status(&Kinds::default(), &template, None, &binding, &standings).unwrap();
        assert_eq!(shown.get("observedGeneration").and_then(Value::as_i64), observed);
    }

    #[rstest]
    #[case::ready(Reach::Reachable, Health::Healthy, Some(1), Reason::Available, "1 of 1")]
    #[case::slow_to_answer(Reach::Suspect, Health::Healthy, Some(1), Reason::Available, "1 of 1")]
    #[case::lost(
        Reach::Unreachable,
        Health::Unknown,
        None,
        Reason::ClusterUnreachable,
        "0 of 1"
    )]
    #[case::not_asked_yet(Reach::Unknown, Health::Unknown, None, Reason::ClusterUnreachable, "0 of 1")]
    fn what_a_lost_member_last_said_is_not_shown_as_true(
        #[case] reach: Reach,
        #[case] health: Health,
        #[case] ready: Option<i32>,
        #[case] reason: Reason,
        #[case] message: &str,
    ) {
        let well = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1});
        let (_, mut binding, mut standings) = told(&json!({}), &well);
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let known = binding_status(&Kinds::default(), &binding, None, &standings, at(100));
        assert_eq!(known.clusters[0].health, Health::Healthy);
        binding.status = Some(known);
        for (_, of, _) in standings.values_mut() {
            *of = reach;
        }
        let shown = binding_status(&Kinds::default(), &binding, None, &standings, at(200));
        let member = &shown.clusters[0];
        assert_eq!(
            (member.health, member.ready_replicas),
            (health, ready),
            "{member:?}"
        );
        let since = member.since.as_ref().unwrap().0.as_second();
        assert_eq!(
            since,
            if health == Health::Healthy { 100 } else { 200 },
            "since it is so"
        );
        binding.status = Some(shown.clone());
        let later = binding_status(&Kinds::default(), &binding, None, &standings, at(300));
        assert_eq!(later, shown, "nothing moves while nothing changes");
        let available = find_condition(&shown.conditions, ConditionType::Available).unwrap();
        assert_eq!(available.reason, reason.as_str());
        assert!(available.message.starts_with(message), "{}", available.message);
    }

    #[rstest]
    #[case::fails(
        "object.status.gone == 1 ? 'Healthy' : 'Degraded'",
        "Unknown",
        "HealthUnknown",
        "m: KindRule r: spec.health: no such key: gone"
    )]
    #[case::degraded("'Degraded'", "False", "Degraded", "m: KindRule r says so")]
    #[case::healthy("'Healthy'", "True", "Available", "1 of 1")]
    fn what_a_rule_says_or_fails_to_say_is_shown(
        #[case] expression: &str,
        #[case] status: &str,
        #[case] reason: &str,
        #[case] message: &str,
    ) {
        let (_, mut binding, standings) = told(&json!({}), &json!({"observedGeneration": 1}));
        binding.spec.template.api_version = "example.com/v1".to_owned();
        binding.spec.template.kind = "Widget".to_owned();
        let rule = Rule::of(
            &serde_json::from_value(json!({
                "apiVersion": "hanse.dev/v1alpha1", "kind": "KindRule", "metadata": {"name": "r"},
                "spec": {"group": "example.com", "kind": "Widget", "health": expression},
            }))
            .unwrap(),
        );
        let kinds = Kinds::new([std::sync::Arc::new(rule)], []);
        let now = Timestamp::from_second(100).unwrap();
        let shown = binding_status(&kinds, &binding, None, &standings, now);
        let available = find_condition(&shown.conditions, ConditionType::Available).unwrap();
        assert_eq!(
            (available.status.as_str(), available.reason.as_str()),
            (status, reason)
        );
        assert!(available.message.contains(message), "{}", available.message);
    }

    #[test]
    fn a_bundle_does_as_the_worst_of_its_objects() {
        let (_, mut binding, mut standings) = told(&json!({}), &json!({}));
        let object = |kind: &str, group: &str| PlacedObject {
            uid: Some("u".to_owned()),
            ..PlacedObject::new(
                &crate::model::name::ObjectKey::parse(&GroupKind::new(group, kind), "shop", "web").unwrap(),
            )
        };
        let row = |status: Value| {
            Some(Arc::new(ObjectRow {
                generation: 1,
                replicas: Some(1),
                status: Some(status.to_string().into()),
                ..ObjectRow::default()
            }))
        };
        let (standing, _, rows) = standings.values_mut().next().unwrap();
        standing.objects = vec![
            object("ConfigMap", ""),
            object("Deployment", "apps"),
            object("Service", ""),
        ];
        *rows = Rows::Each(vec![row(json!({})), row(json!({"observedGeneration": 1})), None]);
        binding.spec.items = vec![];
        let now = Timestamp::from_second(100).unwrap();
        let shown = binding_status(&Kinds::default(), &binding, None, &standings, now);
        let member = &shown.clusters[0];
        assert_eq!(member.health, Health::Progressing);
        assert!(
            member.message.starts_with("Deployment web: "),
            "{}",
            member.message
        );
        let each: Vec<_> = member
            .objects
            .iter()
            .map(|object| object.health.unwrap())
            .collect();
        assert_eq!(each, [Health::Healthy, Health::Progressing, Health::Progressing]);
        assert!(!is_settled(&Kinds::default(), &binding, &standings, None));
    }

    #[test]
    fn a_message_of_any_length_fits_into_the_status() {
        assert_eq!(cut("short".to_owned()), "short");
        let long = cut("ü".repeat(100_000));
        assert_eq!(long.chars().count(), WORDS + 1);
    }
}
