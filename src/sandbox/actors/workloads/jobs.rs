//! Jobs: pods until enough have succeeded, or too many failed.

use serde_json::{Value, json};

use super::super::act::{self, Act, PODS};
use super::super::conditions::{self, Condition};
use super::super::replicasets::{is_finished, pod_of};
use super::{Plan, View, count, is_ready, seconds, status_of, tell_counts, whole};
use crate::sandbox::object::{self, Object};

pub(super) fn pass(view: &View<'_>) -> Plan {
    let (job, pods) = (view.object, view.pods.as_slice());
    let spec = &job["spec"];
    let mut status = status_of(job);
    if ["Complete", "Failed"]
        .iter()
        .any(|end| conditions::is_true(job, end))
    {
        return Plan {
            status,
            ..Plan::default()
        };
    }
    let phase = |phase: &'static str| count(pods, move |pod| pod["status"]["phase"] == phase);
    // A pod that was counted and deleted still counts.
    let succeeded = phase("Succeeded").max(whole(&status["succeeded"], 0));
    let failed = phase("Failed").max(whole(&status["failed"], 0));
    let active: Vec<_> = pods
        .iter()
        .filter(|pod| !is_finished(pod) && !object::is_deleting(pod))
        .collect();
    let parallel = whole(&spec["parallelism"], 1);
    let running = i64::try_from(active.len()).unwrap_or(i64::MAX);
    let is_complete = match spec["completions"].as_i64() {
        Some(completions) => succeeded >= completions,
        // A queue of work: done when one found nothing more, and all others are through.
        None => succeeded > 0 && running == 0,
    };
    let has_failed = failed > whole(&spec["backoffLimit"], 6);
    let suspended = spec["suspend"] == true;
    let wanted = match spec["completions"].as_i64() {
        _ if is_complete || has_failed || suspended => 0,
        Some(completions) => parallel.min(completions - succeeded),
        None if succeeded > 0 => running,
        None => parallel,
    };
    let acts = level(job, &active, wanted - running);

    if !suspended && status["startTime"].is_null() {
        status["startTime"] = seconds(view.now);
    }
    let ready = count(pods, |pod| !is_finished(pod) && is_ready(pod));
    let ending = count(pods, |pod| !is_finished(pod) && object::is_deleting(pod));
    tell_counts(
        &mut status,
        [("active", running), ("succeeded", succeeded), ("failed", failed)],
    );
    status["ready"] = ready.into();
    status["terminating"] = ending.into();
    status["uncountedTerminatedPods"] = json!({});
    let mut all = conditions::of(job).to_vec();
    let mut say = |kind, status, reason, message| {
        let wanted = Condition {
            kind,
            status,
            reason,
            message,
        };
        let before = all.clone();
        conditions::put_in_place(&mut all, wanted, view.now);
        for condition in all.iter_mut().filter(|condition| !before.contains(condition)) {
            condition["lastProbeTime"] = condition["lastTransitionTime"].clone();
        }
    };
    if running == 0 && ending == 0 {
        let reached = "Reached expected number of succeeded pods";
        let over = "Job has reached the specified backoff limit";
        if is_complete {
            say("SuccessCriteriaMet", "True", "CompletionsReached", reached);
            say("Complete", "True", "CompletionsReached", reached);
            status["completionTime"] = seconds(view.now);
        } else if has_failed {
            say("FailureTarget", "True", "BackoffLimitExceeded", over);
            say("Failed", "True", "BackoffLimitExceeded", over);
        }
    }
    let said =
        conditions::find(conditions::of(job), "Suspended").map(|condition| condition["status"] == "True");
    match (suspended, said) {
        (true, None | Some(false)) => say("Suspended", "True", "JobSuspended", "Job suspended"),
        (false, Some(true)) => {
            say("Suspended", "False", "JobResumed", "Job resumed");
            status["startTime"] = seconds(view.now);
        }
        _ => {}
    }
    if !all.is_empty() {
        status["conditions"] = Value::Array(all);
    }
    Plan { acts, status }
}

/// Pods to be made, or given up when there are more than may run.
fn level(job: &Value, active: &[&Object], missing: i64) -> Vec<Act> {
    if let Ok(missing) = usize::try_from(missing) {
        return vec![Act::Create(PODS, pod_of(job, &job["spec"]["template"])); missing];
    }
    let surplus = usize::try_from(-missing).unwrap_or(0);
    let doomed = active.iter().rev().take(surplus);
    doomed
        .map(|pod| Act::Delete(PODS, (*pod).clone(), act::just(pod)))
        .collect()
}
