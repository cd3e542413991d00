//! The metrics of the hub, all with the prefix `hanse_` and in base units.

use std::sync::LazyLock;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::model::fleet::Reach;

/// Which member, by the name of its Cluster object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Member {
    /// Name of the Cluster object.
    pub cluster: String,
}

impl Member {
    /// The label of a member.
    #[must_use]
    pub fn named(cluster: &str) -> Self {
        let cluster = cluster.to_owned();
        Self { cluster }
    }
}

/// What was written where, and how that ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Write {
    /// Name of the Cluster object, or `hub` for the hub API.
    pub server: String,
    /// What was tried.
    pub verb: Verb,
    /// How it ended.
    pub outcome: Outcome,
}

/// The ways to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Verb {
    /// A create-only apply.
    Create,
    /// An apply over what is ours.
    Apply,
    /// Any other patch of an object.
    Patch,
    /// A status.
    Status,
    /// A deletion.
    Delete,
    /// An event.
    Event,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// It took effect.
    Done,
    /// Somebody was faster, or something foreign is in the way.
    Conflict,
    /// The server refused; trying the same again does not help.
    Refused,
    /// No answer, or one that asks to come back.
    Failed,
    /// It was never sent: another process leads.
    NotLeader,
}

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Members by reach.
    pub member_reachable: Family<Member, Gauge>,
    /// Time until a probe was answered.
    pub probe_seconds: Histogram,
    /// Events folded into rows.
    pub watch_events: Family<Member, Counter>,
    /// Streams that broke off.
    pub watch_failures: Family<Member, Counter>,
    /// Snapshots made.
    pub snapshots: Counter,
    /// Writes, by server, verb and outcome.
    pub writes: Family<Write, Counter>,
    /// From a template's change to its apply being answered by a member.
    pub apply_seconds: Histogram,
    /// Keys that wait for a pass.
    pub queue_depth: Gauge,
    /// Passes that ended with an error.
    pub pass_failures: Counter,
    /// Bindings in the index.
    pub bindings: Gauge,
    /// Edits in members that were repaired.
    pub drift_corrected: Counter,
    /// Keys that could be looked after in the member now, if a worker were free.
    pub lane_depth: Family<Member, Gauge>,
    /// Keys that are being looked after in the member.
    pub lane_in_flight: Family<Member, Gauge>,
    /// Keys that wait for their time in the member: a retry, or a later look.
    pub lane_waiting: Family<Member, Gauge>,
    /// Times that a workload left a member that did not answer.
    pub failovers: Counter,
    /// Bindings of which something waits for room.
    pub waiting: Gauge,
    /// Whether nothing may leave lost members now.
    pub failovers_held: Gauge,
    /// Whether this process leads.
    pub leader: Gauge,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// The metrics of this process.
#[must_use]
pub fn metrics() -> &'static Metrics {
    &METRICS
}

/// From a millisecond to half a minute.
fn seconds() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ])
}

impl Metrics {
    fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("hanse"),
            member_reachable: Family::default(),
            probe_seconds: seconds(),
            watch_events: Family::default(),
            watch_failures: Family::default(),
            snapshots: Counter::default(),
            writes: Family::default(),
            apply_seconds: seconds(),
            queue_depth: Gauge::default(),
            pass_failures: Counter::default(),
            bindings: Gauge::default(),
            drift_corrected: Counter::default(),
            lane_depth: Family::default(),
            lane_in_flight: Family::default(),
            lane_waiting: Family::default(),
            failovers: Counter::default(),
            waiting: Gauge::default(),
            failovers_held: Gauge::default(),
            leader: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let Self { registry, .. } = self;
        let mut add = |name, help, metric: &dyn Registered| metric.register(registry, name, help);
        add(
            "member_reachable",
            "Whether the last probe of the member was answered",
            &self.member_reachable,
        );
        add(
            "probe_duration",
            "Time until a probe of a member was answered",
            &self.probe_seconds,
        );
        add(
            "watch_events",
            "Watch events of the member folded into rows",
            &self.watch_events,
        );
        add(
            "watch_failures",
            "Watches of the member that broke off",
            &self.watch_failures,
        );
        add("snapshots", "Snapshots made of the fleet", &self.snapshots);
        add("writes", "Writes by server, verb and outcome", &self.writes);
        add(
            "apply_duration",
            "Time from a change at the hub API to the answer of a member",
            &self.apply_seconds,
        );
        add("queue_depth", "Keys that wait for a pass", &self.queue_depth);
        add(
            "pass_failures",
            "Passes that ended with an error",
            &self.pass_failures,
        );
        add("bindings", "WorkloadBindings in the index", &self.bindings);
        add(
            "drift_corrected",
            "Edits in members that were repaired",
            &self.drift_corrected,
        );
        add(
            "lane_depth",
            "Bindings that are due in the member and wait for a worker",
            &self.lane_depth,
        );
        add(
            "lane_in_flight",
            "Bindings that are being looked after in the member",
            &self.lane_in_flight,
        );
        add(
            "lane_waiting",
            "Bindings that wait for a retry or a later look in the member",
            &self.lane_waiting,
        );
        add(
            "failovers",
            "Times that a workload left a member that did not answer",
            &self.failovers,
        );
        add(
            "waiting",
            "Bindings of which something waits for room",
            &self.waiting,
        );
        add(
            "failovers_held",
            "Whether nothing may leave lost members now: too many are lost, or were left within an hour",
            &self.failovers_held,
        );
        add("leader", "Whether this process is the leader", &self.leader);
    }

    /// Takes a probe's outcome.
    pub fn reach(&self, member: &Member, reach: Reach) {
        self.member_reachable
            .get_or_create(member)
            .set((reach == Reach::Reachable).into());
    }

    /// Takes how much is to be done in a member.
    pub fn lane(&self, member: &Member, ready: usize, running: usize, delayed: usize) {
        let values = [
            (&self.lane_depth, ready),
            (&self.lane_in_flight, running),
            (&self.lane_waiting, delayed),
        ];
        for (family, value) in values {
            let value = value.try_into().unwrap_or(i64::MAX);
            family.get_or_create(member).set(value);
        }
    }

    /// Drops what is shown of a member that was removed.
    pub fn forget(&self, member: &Member) {
        self.member_reachable.remove(member);
        self.watch_events.remove(member);
        self.watch_failures.remove(member);
        self.lane_depth.remove(member);
        self.lane_in_flight.remove(member);
        self.lane_waiting.remove(member);
    }

    /// All metrics in the `OpenMetrics` text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Kinds of metrics that can be put into the registry: histograms are of seconds.
trait Registered {
    fn register(&self, registry: &mut Registry, name: &str, help: &str);
}

impl Registered for Histogram {
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register_with_unit(name, help, Unit::Seconds, self.clone());
    }
}

macro_rules! plain {
    ($($metric:ty),*) => {$(
        impl Registered for $metric {
            fn register(&self, registry: &mut Registry, name: &str, help: &str) {
                registry.register(name, help, self.clone());
            }
        }
    )*};
}

plain!(Counter, Gauge, Family<Member, Gauge>, Family<Member, Counter>, Family<Write, Counter>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_named_once_with_the_prefix_and_explained() {
        let metrics = Metrics::new();
        metrics.reach(&Member::named("eu-1"), Reach::Reachable);
        let write = Write {
            server: "hub".into(),
            verb: Verb::Apply,
            outcome: Outcome::Done,
        };
        metrics.writes.get_or_create(&write).inc();
        let text = metrics.text();
        let helps: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP "))
            .collect();
        let names: std::collections::BTreeSet<_> =
            helps.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names.len(), helps.len());
        assert!(names.iter().all(|name| name.starts_with("hanse_")), "{names:?}");
        assert!(
            text.contains(r#"hanse_writes_total{server="hub",verb="Apply",outcome="Done"} 1"#),
            "{text}"
        );
        assert!(text.contains("hanse_probe_duration_seconds_count"), "{text}");
        metrics.forget(&Member::named("eu-1"));
        assert!(!metrics.text().contains("eu-1"));
    }
}
