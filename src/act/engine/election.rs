//! One leader: a Lease in the hub API, and the write gate that follows it.
//!
//! The Lease is also where a hub API that was restored from a backup shows: everything is numbered by one counter that
//! never goes back, and the Lease is read every second or two.
//!
//! No API server checks an epoch. So a leader stops by its *own* monotonic clock, `renew_deadline` after its
//! last renewal was *sent*; a new leader waits until every write the old one may have started is over.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Error as KubeError, api::PostParams};
use tokio::{sync::watch, time::Instant};

use super::index::version;
use crate::{
    act::wire::{Gate, Stack, Tasks},
    model::{clock::Clock, mark},
};

/// How leadership is held (PROTOCOL §6).
#[derive(Debug, Clone)]
pub struct LeaseTimes {
    /// A standby takes over when the Lease has not moved for this long.
    pub duration: Duration,
    /// The leader stops writing when it could not renew for this long. Shorter than `duration`.
    pub renew_deadline: Duration,
    /// Between two tries.
    pub retry_period: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(9),
            renew_deadline: Duration::from_secs(6),
            retry_period: Duration::from_secs(1),
        }
    }
}

/// What one look at the Lease said, and what follows. Pure: the clock is an argument.
#[derive(Debug)]
struct Observer {
    me: String,
    times: LeaseTimes,
    /// The Lease as last seen, and when it last *changed* by our own clock.
    seen: Option<(String, Instant)>,
    /// The highest version of it that was ever seen.
    highest: u64,
}

/// The hub API is older than it was: what is known of it is not to be believed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Restored;

/// How a look at the Lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Ours,
    Theirs,
    Restored,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is ours: renew it.
    Renew,
    /// It is free or has not moved for its duration: take it.
    Take,
    /// Somebody else moves it.
    Wait,
}

impl Observer {
    /// Takes in a version of the Lease that is read or was written just now.
    fn count(&mut self, lease: &Lease) -> Result<(), Restored> {
        let version = version(lease.metadata.resource_version.as_ref());
        if version < self.highest {
            return Err(Restored);
        }
        self.highest = version;
        Ok(())
    }

    fn look(&mut self, lease: Option<&Lease>, now: Instant) -> Verdict {
        let Some(lease) = lease else { return Verdict::Take };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        if holder == self.me {
            return Verdict::Renew;
        }
        if holder.is_empty() {
            return Verdict::Take;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if *seen == version => {
                let theirs = spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok());
                let patience = theirs
                    .map_or(self.times.duration, Duration::from_secs)
                    .max(self.times.duration);
                if now.duration_since(*since) >= patience {
                    Verdict::Take
                } else {
                    Verdict::Wait
                }
            }
            _ => {
                self.seen = Some((version, now));
                Verdict::Wait
            }
        }
    }
}

/// Who is told how the election stands.
pub(super) struct Outcome {
    /// Whether this process leads.
    pub(super) leading: watch::Sender<bool>,
    /// Whether the hub API was restored from a backup.
    pub(super) restored: watch::Sender<bool>,
}

/// Runs for leadership until stopped; `leading` says whether this process leads. The gate opens only once
/// writes that an earlier leader may have started are over. Closes it, says so and ends when the hub API turns out to
/// be restored from a backup.
pub(super) async fn run(
    hub: Stack,
    gate: Gate,
    me: String,
    times: LeaseTimes,
    clock: Clock,
    tasks: Tasks,
    Outcome { leading, restored }: Outcome,
) {
    let leases: Api<Lease> = Api::namespaced(hub.client(), mark::SYSTEM_NAMESPACE);
    let mut observer = Observer {
        me: me.clone(),
        times: times.clone(),
        seen: None,
        highest: 0,
    };
    // Leadership: until when writes may start, and from when.
    let mut hold: Option<(Instant, Instant)> = None;
    while !tasks.is_stopping() {
        let asked = Instant::now();
        match attempt(&leases, &mut observer, &clock, asked, times.renew_deadline).await {
            Ok(Turn::Restored) => {
                gate.close();
                leading.send_replace(false);
                restored.send_replace(true);
                return;
            }
            Ok(Turn::Ours) => {
                let from = hold.map_or_else(
                    || asked + (times.duration.saturating_sub(times.renew_deadline)),
                    |(_, from)| from,
                );
                hold = Some((asked + times.renew_deadline, from));
            }
            Ok(Turn::Theirs) => hold = None,
            Err(error) => {
                tracing::warn!(error = %crate::act::wire::brief(&error), "failed to renew the leader lease");
            }
        }
        let now = Instant::now();
        match hold {
            Some((until, from)) if now < until && now >= from => {
                gate.open_until(until);
                if !leading.send_replace(true) {
                    tracing::info!(identity = %me, "leading");
                }
            }
            Some((until, _)) if now < until => {}
            _ => {
                gate.close();
                hold = None;
                if leading.send_replace(false) {
                    tracing::warn!(identity = %me, "no longer leading");
                }
            }
        }
        let wake = hold.map_or(times.retry_period, |(_, from)| {
            from.checked_duration_since(now)
                .filter(|wait| !wait.is_zero())
                .unwrap_or(times.retry_period * 2)
                .min(times.retry_period * 2)
        });
        tokio::select! {
            () = tokio::time::sleep(wake) => {}
            () = tasks.stopped() => {}
        }
    }
}

/// Gives the Lease back, so that a standby need not wait. Best effort.
pub(super) async fn release(hub: &Stack, me: &str) {
    let leases: Api<Lease> = Api::namespaced(hub.client(), mark::SYSTEM_NAMESPACE);
    if let Ok(mut lease) = leases.get(mark::HUB_LEADER).await
        && let Some(spec) = &mut lease.spec
        && spec.holder_identity.as_deref() == Some(me)
    {
        spec.holder_identity = Some(String::new());
        let _ = leases
            .replace(mark::HUB_LEADER, &PostParams::default(), &lease)
            .await;
    }
}

async fn attempt(
    leases: &Api<Lease>,
    observer: &mut Observer,
    clock: &Clock,
    now: Instant,
    limit: Duration,
) -> Result<Turn, KubeError> {
    let turn = async {
        let current = leases.get_opt(mark::HUB_LEADER).await?;
        if current
            .as_ref()
            .is_some_and(|lease| observer.count(lease).is_err())
        {
            return Ok(Turn::Restored);
        }
        if observer.look(current.as_ref(), now) == Verdict::Wait {
            return Ok(Turn::Theirs);
        }
        let stamp = MicroTime(clock.now());
        let previous = current
            .as_ref()
            .and_then(|lease| lease.spec.clone())
            .unwrap_or_default();
        let ours = previous.holder_identity.as_deref() == Some(&observer.me);
        let spec = LeaseSpec {
            holder_identity: Some(observer.me.clone()),
            lease_duration_seconds: i32::try_from(observer.times.duration.as_secs()).ok(),
            acquire_time: if ours {
                previous.acquire_time
            } else {
                Some(stamp.clone())
            },
            renew_time: Some(stamp),
            lease_transitions: Some(previous.lease_transitions.unwrap_or(0) + i32::from(!ours)),
            ..LeaseSpec::default()
        };
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(mark::HUB_LEADER.to_owned()),
                namespace: Some(mark::SYSTEM_NAMESPACE.to_owned()),
                resource_version: current
                    .as_ref()
                    .and_then(|lease| lease.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(spec),
        };
        let written = match current {
            Some(_) => {
                leases
                    .replace(mark::HUB_LEADER, &PostParams::default(), &lease)
                    .await
            }
            None => leases.create(&PostParams::default(), &lease).await,
        };
        match written {
            Ok(lease) if observer.count(&lease).is_err() => Ok(Turn::Restored),
            Ok(_) => Ok(Turn::Ours),
            Err(KubeError::Api(status)) if status.code == 409 => Ok(Turn::Theirs),
            Err(error) => Err(error),
        }
    };
    match tokio::time::timeout(limit, turn).await {
        Ok(outcome) => outcome,
        Err(_) => Err(KubeError::Service("no answer within the renew deadline".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, version: &str) -> Lease {
        Lease {
            metadata: ObjectMeta {
                resource_version: Some(version.into()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.into()),
                lease_duration_seconds: Some(9),
                ..LeaseSpec::default()
            }),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_standby_takes_over_only_when_the_lease_has_stood_still_for_its_duration() {
        let mut observer = Observer {
            me: "b".into(),
            times: LeaseTimes::default(),
            seen: None,
            highest: 0,
        };
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        assert_eq!(observer.look(None, at(0)), Verdict::Take);
        assert_eq!(observer.look(Some(&lease("a", "1")), at(0)), Verdict::Wait);
        assert_eq!(observer.look(Some(&lease("a", "2")), at(8)), Verdict::Wait);
        assert_eq!(observer.look(Some(&lease("a", "2")), at(16)), Verdict::Wait);
        assert_eq!(observer.look(Some(&lease("a", "2")), at(17)), Verdict::Take);
        assert_eq!(observer.look(Some(&lease("", "3")), at(17)), Verdict::Take);
        assert_eq!(observer.look(Some(&lease("b", "4")), at(17)), Verdict::Renew);
    }

    #[test]
    fn a_lease_that_counts_from_an_older_version_tells_of_a_restored_hub_api() {
        let mut observer = Observer {
            me: "a".into(),
            times: LeaseTimes::default(),
            seen: None,
            highest: 0,
        };
        assert_eq!(observer.count(&lease("a", "1000")), Ok(()));
        assert_eq!(
            observer.count(&lease("a", "1000")),
            Ok(()),
            "a standby reads the same one many times"
        );
        assert_eq!(observer.count(&lease("b", "1020")), Ok(()));
        assert_eq!(observer.count(&lease("b", "400")), Err(Restored));
    }
}
