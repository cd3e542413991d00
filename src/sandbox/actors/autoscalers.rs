//! `HorizontalPodAutoscalers`: replicas within their bounds, and as many as a script says.
//!
//! There are no metrics in a sandbox. What they would ask for is said by the annotation `sandbox.hanse.dev/replicas` of
//! the autoscaler, or by [`Levers::script_replicas`](super::Levers::script_replicas); without either only the bounds are
//! kept, as upstream does where it gets no metrics. It reads and writes `/scale`, as upstream, with upstream's manager.

use std::time::Duration;

use serde_json::Value;

use super::act::{Act, Desk, Kind};
use super::conditions;
use super::engine::{Actor, Wake};
use super::levers::Levers;
use crate::model::clock;
use crate::sandbox::api::Target;
use crate::sandbox::failure::Failure;
use crate::sandbox::object;
use crate::sandbox::store::{Change, Key};
use crate::sandbox::write::Writer;

const AUTOSCALERS: Kind = Kind::new("horizontalpodautoscalers.autoscaling");
const SAID: &str = "sandbox.hanse.dev/replicas";
/// Upstream's period.
const PERIOD: Duration = Duration::from_secs(15);
const NO_METRICS: &str =
    "the HPA was unable to compute the replica count: unable to get metrics: no metrics in a sandbox";

#[derive(Debug)]
pub(super) struct Autoscalers(pub(super) Levers);

impl Actor for Autoscalers {
    fn writer(&self) -> Writer {
        Writer::controller("horizontal-pod-autoscaler")
    }

    fn observe(&mut self, change: &Change, _: &Desk<'_>, wake: &mut Wake<'_>) {
        if AUTOSCALERS.is(&change.key) && change.new.is_some() {
            wake.add(change.key.clone());
        }
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        let Some(scaler) = desk.get(key).filter(|scaler| !object::is_deleting(scaler)) else {
            return Ok(None);
        };
        let spec = &scaler["spec"];
        let said = self.0.replicas_of(&scaler, desk.now).or_else(|| {
            let text = scaler["metadata"]["annotations"][SAID].as_str();
            text.and_then(|text| text.parse().ok())
        });
        let mut status = scaler["status"].clone();
        let mut all = conditions::of(&scaler).to_vec();
        let scale = target(&scaler, desk).and_then(|target| Some((desk.server.get(&target).ok()?, target)));
        let Some((scale, target)) = scale else {
            let why = "the HPA controller was unable to get the target's current scale";
            conditions::put_all(
                &mut all,
                [("AbleToScale", "False", "FailedGetScale", why)],
                desk.now,
            );
            status["conditions"] = all.into();
            return tell(&scaler, status, desk);
        };
        let current = scale["spec"]["replicas"].as_i64().unwrap_or(0);
        let least = spec["minReplicas"].as_i64().unwrap_or(1);
        let most = spec["maxReplicas"].as_i64().unwrap_or(i64::MAX);
        // Whoever sets nothing at all has switched it off.
        let wanted = match said {
            _ if current == 0 => 0,
            Some(said) => said.clamp(least, most),
            None => current.clamp(least, most),
        };
        if wanted != current {
            let mut new = (*scale).clone();
            new["spec"]["replicas"] = wanted.into();
            let outcome = desk.server.replace(desk.writer, &target, new);
            let journal = desk.server.journal();
            journal.note_own(desk.writer, "update", &target, &target.name, &outcome);
            outcome?;
            status["lastScaleTime"] = clock::format_seconds(desk.now).into();
        }
        let scaling = if said.is_some() {
            (
                "ScalingActive",
                "True",
                "ValidMetricFound",
                "the replicas are as the script says",
            )
        } else {
            ("ScalingActive", "False", "FailedGetResourceMetric", NO_METRICS)
        };
        let able = "the HPA controller was able to get the target's current scale";
        conditions::put_all(
            &mut all,
            [("AbleToScale", "True", "SucceededGetScale", able), scaling],
            desk.now,
        );
        status["conditions"] = all.into();
        status["currentReplicas"] = current.into();
        status["desiredReplicas"] = wanted.into();
        status["observedGeneration"] = scaler["metadata"]["generation"].clone();
        tell(&scaler, status, desk)
    }
}

/// Writes the status if it is another; and looks again.
fn tell(scaler: &Value, status: Value, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
    if scaler["status"] != status {
        let mut new = scaler.clone();
        new["status"] = status;
        desk.perform(&Act::Replace(AUTOSCALERS, "status", new))?;
    }
    Ok(Some(PERIOD))
}

/// The scale of what is to be scaled.
fn target(scaler: &Value, desk: &Desk<'_>) -> Option<Target> {
    let of = &scaler["spec"]["scaleTargetRef"];
    let version = of["apiVersion"].as_str()?;
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let kinds = desk.server.kinds();
    let resource = kinds.kind(group, of["kind"].as_str()?)?;
    let target = desk.server.target(
        group,
        &resource.plural,
        object::meta(scaler, "namespace"),
        of["name"].as_str()?,
    )?;
    Some(target.at("scale"))
}
