//! The status of a template, summed over its members (PROTOCOL §5.1).
//!
//! Counts are sums, `observedGeneration` moves only when every member has applied and observed that
//! generation, and a condition is true only if it is true everywhere. What cannot be believed is not counted.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::conditions::{self, Condition};
use super::job;
use crate::model::kind::{put_number, take};
use crate::model::name::{ClusterName, GroupKind};

/// What must be known of the template.
#[derive(Debug, Clone, Copy)]
pub struct TemplateFacts<'a> {
    /// Its kind.
    pub kind: &'a GroupKind,
    /// `metadata.generation`
    pub generation: i64,
    /// `spec.type` of a Service.
    pub service_type: Option<&'a str>,
    /// Its status as it stands in the hub API: some numbers must never go back.
    pub previous: Option<&'a Value>,
    /// What a `KindRule` has summed, as JSON pointers below `/status`.
    pub sums: &'a [Arc<str>],
}

/// What one member says.
#[derive(Debug, Clone, Copy)]
pub struct MemberStatus<'a> {
    /// The member.
    pub cluster: &'a ClusterName,
    /// Generation of the template that was last applied there.
    pub applied_generation: Option<i64>,
    /// Whether the member's controller has seen what was applied: its status' `observedGeneration` has reached
    /// the object's own generation in the member.
    pub observed: bool,
    /// The status there as JSON; None when there is none, or the member may not be believed.
    pub status: Option<&'a str>,
}

/// The status that the template shall have; None for kinds whose status is not summed. Zeros are left out
/// where the API server leaves them out. An answer equal to `previous` needs no write.
#[must_use]
pub fn aggregate(template: &TemplateFacts<'_>, members: &[MemberStatus<'_>]) -> Option<Value> {
    let sum = Sum::of(template, members);
    match (&*template.kind.group, &*template.kind.kind) {
        ("apps", "Deployment") => Some(sum.workload(
            &[
                "replicas",
                "updatedReplicas",
                "readyReplicas",
                "availableReplicas",
                "unavailableReplicas",
                "terminatingReplicas",
            ],
            &[],
        )),
        ("apps", "StatefulSet") => {
            let optional = ["readyReplicas", "currentReplicas", "updatedReplicas"];
            let mut status = sum.workload(&optional, &["replicas", "availableReplicas"]);
            sum.copy_revisions(&mut status);
            Some(status)
        }
        ("apps", "DaemonSet") => Some(sum.workload(
            &["updatedNumberScheduled", "numberAvailable", "numberUnavailable"],
            &[
                "currentNumberScheduled",
                "numberMisscheduled",
                "desiredNumberScheduled",
                "numberReady",
            ],
        )),
        ("batch", "Job") => Some(job::status(&sum)),
        ("", "Service") => Some(sum.service(template.service_type)),
        _ if !template.sums.is_empty() => Some(sum.by_rule(template.sums)),
        _ => None,
    }
}

/// What is left of a template's status when it is nowhere any more; None for kinds without sums of a rule.
#[must_use]
pub fn cleared(template: &TemplateFacts<'_>) -> Option<Value> {
    if template.sums.is_empty() {
        return None;
    }
    let mut status = template.previous.cloned().unwrap_or_else(|| json!({}));
    let summed = template
        .sums
        .iter()
        .filter_map(|pointer| pointer.strip_prefix("/status"));
    for below in summed.chain(["/observedGeneration"]) {
        take(&mut status, below);
    }
    Some(status)
}

/// What all members say.
pub(super) struct Sum<'a> {
    pub(super) previous: Option<&'a Value>,
    generation: i64,
    settled: bool,
    /// By the member's name; None for one that says nothing that could be believed.
    pub(super) statuses: Vec<(&'a ClusterName, Option<Value>)>,
}

impl<'a> Sum<'a> {
    fn of(template: &TemplateFacts<'a>, members: &[MemberStatus<'a>]) -> Self {
        let read = |text: &str| serde_json::from_str(text).ok().filter(Value::is_object);
        let mut statuses: Vec<_> = members
            .iter()
            .map(|member| (member.cluster, member.status.and_then(read)))
            .collect();
        statuses.sort_by_key(|(cluster, _)| *cluster);
        let settled = |member: &MemberStatus<'_>| {
            member.applied_generation == Some(template.generation)
                && member.observed
                && member.status.is_some()
        };
        Self {
            previous: template.previous.filter(|previous| previous.is_object()),
            generation: template.generation,
            settled: !members.is_empty() && members.iter().all(settled),
            statuses,
        }
    }

    /// The members that say something.
    pub(super) fn heard(&self) -> impl Iterator<Item = &Value> {
        self.statuses.iter().filter_map(|(_, status)| status.as_ref())
    }

    pub(super) fn total(&self, field: &str) -> i64 {
        let numbers = self.heard().filter_map(|status| status.get(field)?.as_i64());
        numbers.fold(0, i64::saturating_add)
    }

    pub(super) fn before(&self, field: &str) -> Option<&'a Value> {
        self.previous.and_then(|previous| previous.get(field))
    }

    fn workload(&self, optional: &[&str], required: &[&str]) -> Value {
        let mut status = Map::new();
        // A template never seen by all has none, so `kubectl rollout status` waits.
        let before = self.before("observedGeneration").and_then(Value::as_i64);
        let observed = if self.settled {
            Some(self.generation)
        } else {
            before.filter(|before| *before <= self.generation)
        };
        if let Some(observed) = observed {
            status.insert("observedGeneration".to_owned(), observed.into());
        }
        for field in required {
            status.insert((*field).to_owned(), self.total(field).into());
        }
        for field in optional {
            let total = self.total(field);
            if total != 0 {
                status.insert((*field).to_owned(), total.into());
            }
        }
        let conditions = self.conditions();
        if !conditions.is_empty() {
            status.insert("conditions".to_owned(), conditions.into());
        }
        Value::Object(status)
    }

    fn conditions(&self) -> Vec<Value> {
        let everywhere = ["Available", "Progressing"]
            .into_iter()
            .filter_map(|of| self.everywhere(of));
        everywhere.chain(self.anywhere("ReplicaFailure")).collect()
    }

    /// True only if true in all; Unknown when somebody says nothing and nobody says that it is not.
    fn everywhere(&self, of: &str) -> Option<Value> {
        let found: Vec<(&ClusterName, Option<Condition<'_>>)> = self
            .statuses
            .iter()
            .map(|(cluster, status)| {
                (
                    *cluster,
                    status.as_ref().and_then(|status| conditions::find(status, of)),
                )
            })
            .collect();
        if found.iter().all(|(_, condition)| condition.is_none()) {
            return None;
        }
        let failing = found.iter().find_map(|(cluster, condition)| {
            condition
                .filter(|condition| condition.status != "True")
                .map(|condition| (*cluster, condition))
        });
        if let Some((cluster, condition)) = failing {
            let others = found.iter().filter_map(|(_, condition)| *condition);
            let same = others.filter(|other| other.status == condition.status);
            return Some(written(
                of,
                condition.status,
                Some(cluster),
                condition,
                &times(same, true),
            ));
        }
        let first = found.iter().find_map(|(_, condition)| *condition)?;
        let trues = found.iter().filter_map(|(_, condition)| *condition);
        let times = times(trues, false);
        match found.iter().find(|(_, condition)| condition.is_none()) {
            None => Some(written(of, "True", None, first, &times)),
            Some((silent, _)) => {
                let message = format!("{silent}: says nothing of it");
                Some(condition_json(of, "Unknown", "ClusterSilent", &message, &times))
            }
        }
    }

    /// True if true in any; absent otherwise.
    fn anywhere(&self, of: &str) -> Option<Value> {
        self.statuses.iter().find_map(|(cluster, status)| {
            let condition = conditions::find(status.as_ref()?, of)?;
            let times = times([condition].into_iter(), false);
            (condition.status == "True").then(|| written(of, "True", Some(cluster), condition, &times))
        })
    }

    /// Revisions are hashes that members compute alike. One in the middle of a rollout speaks for all, so that
    /// `kubectl rollout status` waits for it.
    fn copy_revisions(&self, status: &mut Value) {
        let differs = |status: &&Value| status.get("currentRevision") != status.get("updateRevision");
        let Some(speaker) = self.heard().find(differs).or_else(|| self.heard().next()) else {
            return;
        };
        for field in ["currentRevision", "updateRevision"] {
            if let Some(revision) = speaker.get(field) {
                status[field] = revision.clone();
            }
        }
    }

    /// What a rule names and nothing else: the rest of the status belongs to others. Where no member says a number
    /// there is none.
    fn by_rule(&self, pointers: &[Arc<str>]) -> Value {
        let mut status = self.previous.cloned().unwrap_or_else(|| json!({}));
        for pointer in pointers {
            let Some(below) = pointer.strip_prefix("/status") else {
                continue;
            };
            let mut numbers = self
                .heard()
                .filter_map(|status| status.pointer(below)?.as_i64())
                .peekable();
            if numbers.peek().is_some() {
                put_number(&mut status, below, numbers.fold(0, i64::saturating_add));
            } else {
                take(&mut status, below);
            }
        }
        let observed = self.heard().find_map(|status| status.get("observedGeneration"));
        match observed.filter(|_| self.settled) {
            // Argo's Rollouts say it as text.
            Some(Value::String(_)) => status["observedGeneration"] = self.generation.to_string().into(),
            Some(_) => status["observedGeneration"] = self.generation.into(),
            None => {}
        }
        status
    }

    /// Anything but a `LoadBalancer` with ingress points is refused by the API server.
    fn service(&self, service_type: Option<&str>) -> Value {
        let mut points: Vec<Value> = Vec::new();
        if service_type == Some("LoadBalancer") {
            let lists = self
                .heard()
                .filter_map(|status| status.pointer("/loadBalancer/ingress")?.as_array());
            for point in lists.flatten() {
                if !points.contains(point) {
                    points.push(point.clone());
                }
            }
        }
        if points.is_empty() {
            json!({"loadBalancer": {}})
        } else {
            json!({"loadBalancer": {"ingress": points}})
        }
    }
}

const TIMES: [&str; 2] = ["lastTransitionTime", "lastUpdateTime"];

/// The times of a summed condition: it is true since the last member joined in, and not true since the first
/// left. RFC 3339 in UTC sorts as text.
fn times<'c>(conditions: impl Iterator<Item = Condition<'c>>, first: bool) -> Map<String, Value> {
    let mut times = Map::new();
    for condition in conditions {
        for field in TIMES {
            let Some(time) = condition.json.get(field).and_then(Value::as_str) else {
                continue;
            };
            let has = times.get(field).and_then(Value::as_str);
            if has.is_none_or(|has| if first { time < has } else { time > has }) {
                times.insert(field.to_owned(), time.into());
            }
        }
    }
    times
}

fn written(
    of: &str,
    status: &str,
    cluster: Option<&ClusterName>,
    condition: Condition<'_>,
    times: &Map<String, Value>,
) -> Value {
    let message = match cluster {
        Some(cluster) => format!("{cluster}: {}", condition.message),
        // A message of one member that all are true with: it names that member's ReplicaSet, so it is left out.
        None => "true in every cluster".to_owned(),
    };
    condition_json(of, status, condition.reason, &message, times)
}

fn condition_json(of: &str, status: &str, reason: &str, message: &str, times: &Map<String, Value>) -> Value {
    let mut condition = times.clone();
    for (field, text) in [
        ("type", of),
        ("status", status),
        ("reason", reason),
        ("message", message),
    ] {
        condition.insert(field.to_owned(), text.into());
    }
    Value::Object(condition)
}

#[cfg(test)]
mod tests;
