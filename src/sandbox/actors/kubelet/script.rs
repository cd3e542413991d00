//! What pods do on their nodes.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use crate::sandbox::object;

/// The play of all pods of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct KubeletScript {
    /// Of start delays: the same pod starts as fast in each run.
    pub seed: u64,
    /// From the binding until the containers run.
    pub start: RangeInclusive<Duration>,
    /// From running to ready.
    pub ready_after: Duration,
    /// Pods that aren't restarted, those of Jobs, are done after this.
    pub completes_after: Duration,
    /// From the deletion until the pod is gone, unless its grace period is shorter.
    pub termination: Duration,
    /// What containers print. Of `{container}`, `{image}`, `{pod}` and `{node}` their names are put.
    pub log: String,
    /// The first that fits a pod is followed, in all that it says.
    pub rules: Vec<Rule>,
}

/// What some pods do otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    /// None: in all of them.
    pub namespace: Option<String>,
    /// Labels that a pod must have.
    pub labels: BTreeMap<String, String>,
    /// Annotations that a pod must have.
    pub annotations: BTreeMap<String, String>,
    pub start: Option<RangeInclusive<Duration>>,
    pub play: Option<Play>,
    pub termination: Option<Duration>,
    pub log: Option<String>,
}

/// What becomes of a pod whose containers were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Play {
    /// It runs, and is ready after a while.
    Run { ready_after: Duration },
    /// It runs, and its probes fail.
    NeverReady,
    /// It stays Pending: there is no such image.
    ImagePullBackOff,
    /// It ends with this code each time it has run this long, and is started again.
    CrashLoop { runs: Duration, exit_code: i64 },
    /// It ends with this code. Where it is to be restarted, that is a crash loop.
    Fail { after: Duration, exit_code: i64 },
    /// It is done.
    Complete { after: Duration },
}

impl Default for KubeletScript {
    fn default() -> Self {
        Self {
            seed: 0,
            start: Duration::from_millis(50)..=Duration::from_millis(300),
            ready_after: Duration::ZERO,
            completes_after: Duration::from_secs(1),
            termination: Duration::from_millis(100),
            log: "{container} started as {pod} on {node}\n{image} is played: nothing runs here\n".to_owned(),
            rules: Vec::new(),
        }
    }
}

/// What one pod does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) start: Duration,
    pub(super) play: Play,
    pub(super) termination: Duration,
}

impl KubeletScript {
    pub(super) fn part(&self, pod: &Value) -> Part {
        let rule = self.rules.iter().find(|rule| rule.fits(pod));
        let start = rule.and_then(|rule| rule.start.as_ref()).unwrap_or(&self.start);
        let restarts = pod["spec"]["restartPolicy"].as_str().unwrap_or("Always");
        let usual = if restarts == "Always" {
            Play::Run {
                ready_after: self.ready_after,
            }
        } else {
            Play::Complete {
                after: self.completes_after,
            }
        };
        let play = match rule.and_then(|rule| rule.play).unwrap_or(usual) {
            Play::Fail { after, exit_code } if restarts != "Never" => Play::CrashLoop {
                runs: after,
                exit_code,
            },
            Play::Complete { after } if restarts == "Always" => Play::CrashLoop {
                runs: after,
                exit_code: 0,
            },
            play => play,
        };
        Part {
            start: self.draw(start, pod),
            play,
            termination: rule.and_then(|rule| rule.termination).unwrap_or(self.termination),
        }
    }

    pub(super) fn log_of(&self, pod: &Value, container: &str, image: &str) -> String {
        let rule = self.rules.iter().find(|rule| rule.fits(pod));
        let text = rule.and_then(|rule| rule.log.as_deref()).unwrap_or(&self.log);
        let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        let names = [
            ("{container}", container),
            ("{image}", image),
            ("{pod}", object::name(pod)),
            ("{node}", node),
        ];
        names
            .iter()
            .fold(text.to_owned(), |text, (mark, name)| text.replace(mark, name))
    }

    /// A time in the range, by the pod's name.
    fn draw(&self, range: &RangeInclusive<Duration>, pod: &Value) -> Duration {
        let (least, most) = (*range.start(), *range.end());
        let micros = u64::try_from(most.saturating_sub(least).as_micros()).unwrap_or(u64::MAX);
        let names = object::meta(pod, "namespace")
            .bytes()
            .chain(object::name(pod).bytes());
        // FNV-1a, then one step of SplitMix64.
        let mut hash = names.fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
        least + Duration::from_micros(hash % micros.saturating_add(1).max(1))
    }
}

impl Rule {
    fn fits(&self, pod: &Value) -> bool {
        let namespace = self.namespace.as_deref();
        namespace.is_none_or(|namespace| namespace == object::meta(pod, "namespace"))
            && self
                .labels
                .iter()
                .all(|(key, value)| object::label(pod, key) == Some(value))
            && self
                .annotations
                .iter()
                .all(|(key, value)| pod["metadata"]["annotations"][key] == **value)
    }
}
