//! The probe loop of one member: does it answer, is it still the same cluster, is it still ours.

use std::{sync::Arc, time::Duration};

use http::Request;
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Namespace},
    apimachinery::pkg::version::Info,
};
use kube::{Api, Client, Error as KubeError};
use tokio::time::{Instant, timeout};

use super::{
    member::{Core, Known, Wire},
    probe::{Outcome, TIMEOUT, Trouble},
};
use crate::{
    act::wire,
    model::{
        fleet::{Held, Reach},
        mark,
    },
    telemetry::metrics,
};

/// Identity and claim change rarely, and only by a person's hand. A member that is held is looked at with each
/// probe: somebody may be waiting for `hub join`.
const LOOK: Duration = Duration::from_secs(10);

/// A time limit that is noticed so late was not the member's fault; so often in a row at most.
const LATE: Duration = Duration::from_millis(500);
const EXCUSES: u32 = 2;

/// Probes until the connection is given up.
pub(super) async fn watch_over(core: Arc<Core>, at: Arc<Wire>) {
    let client = at.stack.probe();
    let mut looked: Option<Instant> = None;
    let mut excuses = 0;
    for turn in 0.. {
        let asked = Instant::now();
        let mut accepted = false;
        let outcome = match timeout(TIMEOUT, ask(&client)).await {
            Ok(Ok(version)) => {
                at.judge_version(&version);
                core.known.lock().version = Some(version);
                accepted = true;
                Outcome::Answered
            }
            Ok(Err(error)) if is_unauthorized(&error) => {
                if core.known.lock().held != Some(Held::Unauthorized) {
                    core.learn(|known| known.held = Some(Held::Unauthorized));
                }
                looked = None;
                Outcome::Answered
            }
            Ok(Err(error)) => Outcome::Failed(trouble_of(&core, &error)),
            // This process was stopped or starved itself: that says nothing of the member.
            Err(_) if asked.elapsed() > TIMEOUT + LATE && excuses < EXCUSES => {
                excuses += 1;
                continue;
            }
            Err(_) => Outcome::Failed(Trouble::Silent(format!(
                "no answer within {} s",
                TIMEOUT.as_secs()
            ))),
        };
        excuses = 0;
        let took = asked.elapsed();
        if outcome != Outcome::Answered {
            looked = None;
        }
        let due = looked.is_none_or(|looked| looked.elapsed() >= LOOK) || core.known.lock().held.is_some();
        if accepted && due && look(&core, &client).await {
            looked = Some(Instant::now());
        }
        if accepted {
            metrics().probe_seconds.observe(took.as_secs_f64());
        }
        let pause = record(&core, outcome, turn);
        tokio::time::sleep(pause).await;
    }
}

/// Takes a probe's outcome into what is known; answers how long to wait.
fn record(core: &Core, outcome: Outcome, turn: u64) -> Duration {
    let now = core.context.clock.now();
    let (before, after) = {
        let mut known = core.known.lock();
        let after = known.probe.after(outcome, now);
        if after.reach == Reach::Unreachable {
            // Another cluster may answer at this address next.
            known.held = Some(Held::Unverified);
        }
        (std::mem::replace(&mut known.probe, after.clone()), after)
    };
    metrics().reach(&core.label(), after.reach);
    core.answers(after.reach);
    if before != after {
        core.touch();
    }
    if before.reach != after.reach {
        let why = after.trouble.as_ref().map(Trouble::message).unwrap_or_default();
        tracing::info!(cluster = %core.name, from = ?before.reach, to = ?after.reach, why, "reach");
    }
    after.pause(core.jitter(turn))
}

/// `/readyz` and `/version`: it is there, and ready to serve.
async fn ask(client: &Client) -> Result<String, KubeError> {
    let request = Request::get("/readyz")
        .body(Vec::new())
        .map_err(KubeError::HttpError)?;
    client.request_text(request).await?;
    let Info { git_version, .. } = client.apiserver_version().await?;
    Ok(git_version)
}

/// Compares identity and claim with what is expected. Whether both could be read.
async fn look(core: &Core, client: &Client) -> bool {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let leases: Api<Lease> = Api::namespaced(client.clone(), mark::SYSTEM_NAMESPACE);
    let both = futures::future::join(
        namespaces.get_metadata("kube-system"),
        leases.get_opt(mark::HUB_CLAIM),
    );
    let Ok((identity, claim)) = timeout(TIMEOUT, both).await else {
        return false;
    };
    let Some(found) = identity.ok().and_then(|namespace| namespace.metadata.uid) else {
        return false;
    };
    let claim = match claim {
        Ok(claim) => claim,
        // Without its role the hub can't even read the claim: the member was never joined, or was left.
        Err(KubeError::Api(status)) if status.code == 403 => None,
        Err(_) => return false,
    };
    let expected = core
        .cluster
        .load()
        .status
        .as_ref()
        .and_then(|status| status.uid.clone());
    let join_version = claim.as_ref().and_then(|claim| {
        let metadata = &claim.metadata;
        let marked = |all: &Option<std::collections::BTreeMap<String, String>>| {
            all.as_ref()
                .and_then(|all| all.get(mark::JOIN_VERSION))
                .and_then(|text| text.parse().ok())
        };
        marked(&metadata.labels).or_else(|| marked(&metadata.annotations))
    });
    let holder = claim
        .and_then(|claim| claim.spec)
        .and_then(|spec| spec.holder_identity);
    let held = match expected {
        Some(expected) if expected != found => Some(Held::IdentityChanged {
            expected,
            found: found.clone(),
        }),
        _ => core.context.claim.judge(holder.as_deref()),
    };
    let differs = |known: &Known| {
        known.held != held || known.identity.as_ref() != Some(&found) || known.join_version != join_version
    };
    if differs(&core.known.lock()) {
        tracing::info!(cluster = %core.name, ?held, "identity and claim");
        core.learn(|known| {
            known.held = held;
            known.identity = Some(found);
            known.join_version = join_version;
        });
    }
    true
}

fn is_unauthorized(error: &KubeError) -> bool {
    matches!(error, KubeError::Api(status) if status.code == 401)
}

fn trouble_of(core: &Core, error: &KubeError) -> Trouble {
    let message = wire::brief(error);
    if wire::is_certificate(error) {
        Trouble::Certificate(format!(
            "{message}; if its certificate authority was changed on purpose: hub join {} --refresh --member-kubeconfig FILE",
            core.name
        ))
    } else {
        Trouble::Silent(message)
    }
}
