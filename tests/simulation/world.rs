//! A small world in which a day's worth of things happens: three members, a few templates, people who change them at the
//! hub and in members, and weather. All of it is drawn from a number; the same number is the same world.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hanse::face::cli::embedded::{self, Embedded, tokio_clock};
use hanse::sandbox::{Cluster, Odds, Write};
use jiff::SignedDuration;
use kube::api::{DeleteParams, Patch, PatchParams};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::observer::Observer;
use crate::shop::{SHOP, api, apply, deployment, held, observe, plant_foreign, policy, tenant};

/// After bad weather everything is as it should be within this virtual time.
const RECOVERY: Duration = Duration::from_mins(10);
/// Numbers of Clusters may follow for 30 s, and what was drawn last in a storm for a while more.
const CALM: Duration = Duration::from_mins(2);
/// So long nothing may be written.
const REST: Duration = Duration::from_mins(3);
/// It is in every member from the beginning, changes often, and is never to go.
const STEADY: &str = "steady";

/// What happened, for who looks into a world that ended badly.
#[derive(Clone, Default)]
pub(crate) struct Story(Arc<Mutex<Vec<String>>>);

impl Story {
    /// The last lines.
    pub(crate) fn end(&self, lines: usize) -> String {
        let all = self.0.lock();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

struct World {
    federation: Embedded,
    observer: Observer,
    chances: fastrand::Rng,
    started: Instant,
    story: Story,
    /// Templates as they should be, by kind and name.
    wanted: BTreeMap<(&'static str, String), Value>,
    changes: u32,
    /// How many writes of each member were judged, and how many there were then: what was written at this very moment
    /// the observer may not have seen yet.
    judged: [(usize, usize); 3],
}

/// Plays the world of a number for a time, and panics when something is not as it must be.
pub(crate) async fn play(seed: u64, length: Duration, story: &Story) {
    let mut world = World::begin(seed, story).await;
    world.live(length).await;
    world.calms_down().await;
    world.is_at_rest().await;
    for _ in 0..2 {
        world.is_just();
        tokio::time::sleep(CALM).await;
    }
    world.federation.end().await;
}

impl World {
    async fn begin(seed: u64, story: &Story) -> Self {
        let mut federation = Embedded::start(&embedded::Options {
            seed,
            clock: tokio_clock(),
            change: |of| of.nodes = of.nodes.min(1),
            ..embedded::Options::default()
        });
        federation.federate(|_| {}).await.unwrap();
        let observer = observe(&federation);
        let mut world = Self {
            federation,
            observer,
            chances: fastrand::Rng::with_seed(seed),
            started: Instant::now(),
            story: story.clone(),
            wanted: BTreeMap::new(),
            changes: 0,
            judged: [(0, 0); 3],
        };
        let hub = world.federation.hub().clone();
        apply(&hub, &tenant()).await;
        apply(&hub, &policy()).await;
        world.divide().await;
        world.want(deployment(STEADY, 2)).await;
        for member in world.federation.members() {
            plant_foreign(member).await;
        }
        for template in ["web", "text", "service"] {
            world.make(template).await;
        }
        world
    }

    /// Policies that divide replicas: those that stay where they are, and those that move away from a lost member.
    async fn divide(&mut self) {
        let weighted = json!({"weighted": [
            {"clusters": {"names": ["member-1"]}, "weight": 2}, {"clusters": {"names": ["member-2", "member-3"]}, "weight": 1},
        ]});
        let policies = api(self.federation.hub().unfaulted(), "PropagationPolicy");
        for (share, failover) in [("divided", Value::Null), ("moving", json!({"after": "1m"}))] {
            let policy = json!({
                "apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": share, "namespace": SHOP},
                "spec": {
                    "priority": 10,
                    "resourceSelectors": [
                        {"apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": {"matchLabels": {"share": share}}},
                    ],
                    "placement": {"replicas": {"mode": "Divided", "divide": weighted}},
                    "failover": failover,
                },
            });
            let params = PatchParams::apply("ana").force();
            match policies.patch(share, &params, &Patch::Apply(&policy)).await {
                Ok(_) => self.make(share).await,
                // Until the hub can do it.
                Err(kube::Error::Api(refused)) if refused.message.contains("not implemented") => {}
                Err(error) => panic!("{share}: {error}"),
            }
        }
    }

    /// Whether its replicas are divided.
    fn is_divided(template: &Value) -> bool {
        template["metadata"]["labels"]["share"].is_string()
    }

    fn say(&self, what: impl Into<String>) {
        let seconds = self.started.elapsed().as_secs();
        let line = format!("{}:{:02} {}", seconds / 60, seconds % 60, what.into());
        self.story.0.lock().push(line);
    }

    /// As a person at the hub API, who has no bad weather.
    async fn want(&mut self, template: Value) {
        let (of, name) = (kind(&template), name(&template).to_owned());
        let params = PatchParams::apply("ana").force();
        let started = Instant::now();
        let objects = api(self.federation.hub().unfaulted(), of);
        // One that is being deleted under that name, or whose namespace is not made yet, ends first.
        while let Err(error) = objects.patch(&name, &params, &Patch::Apply(&template)).await {
            assert!(started.elapsed() < RECOVERY, "{of} {name}: {error}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        self.wanted.insert((of, name), template);
    }

    /// A template, as it is first or changed.
    async fn make(&mut self, what: &str) {
        self.changes += 1;
        let turn = self.changes.to_string();
        let mut template = match what {
            "text" => json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words", "namespace": SHOP},
                "data": {"turn": turn},
            }),
            "service" => json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": SHOP},
                "spec": {"selector": {"app": "web"}, "ports": [
                    {"name": "http", "port": 8000 + self.changes, "targetPort": 8080},
                ]},
            }),
            share @ ("divided" | "moving") => {
                let mut template = deployment(share, self.chances.i32(1..9));
                template["metadata"]["labels"] = json!({"share": share});
                template
            }
            name => deployment(name, self.chances.i32(1..4)),
        };
        if kind(&template) == "Deployment" {
            template["spec"]["template"]["metadata"]["annotations"] = json!({"turn": turn});
        }
        self.say(format!("template {what} is made or changed: {turn}"));
        self.want(template).await;
    }

    async fn live(&mut self, length: Duration) {
        while self.started.elapsed() < length {
            // Half of the time little happens; then much at once.
            let pause = if self.chances.bool() {
                self.chances.u64(30..180)
            } else {
                self.chances.u64(1..15)
            };
            self.happen().await;
            tokio::time::sleep(Duration::from_secs(pause)).await;
            self.is_just();
        }
    }

    async fn happen(&mut self) {
        let number = self.chances.usize(0..4);
        let cluster = self.federation.clusters().nth(number).unwrap().clone();
        let name = cluster.name().to_owned();
        match self.chances.u8(0..100) {
            0..20 => self.change().await,
            20..25 => self.remove().await,
            25..35 => self.meddle().await,
            35..40 => self.place().await,
            40..48 => self.kill().await,
            48..60 => self.storm(&cluster),
            60..64 => {
                self.say(format!("{name} is frozen"));
                cluster.faults().freeze();
            }
            64..68 => {
                self.say(format!("{name} is down"));
                cluster.faults().take_down();
            }
            68..72 => {
                self.say(format!("{name} forgets its history"));
                cluster.compact();
            }
            72..75 => {
                self.say(format!("watches of {name} are cut"));
                cluster.faults().cut_watches();
            }
            75..78 => {
                self.say(format!("connections of {name} are half open"));
                cluster.faults().silence_watches();
            }
            78..81 => {
                let ahead = self.chances.i64(-600..600);
                self.say(format!("the clock of {name} is {ahead} s ahead"));
                cluster.faults().set_clock_skew(SignedDuration::from_secs(ahead));
            }
            _ => {
                self.say("the weather is fair");
                for cluster in self.federation.clusters() {
                    cluster.faults().clear();
                }
                self.serve().await;
            }
        }
    }

    async fn change(&mut self) {
        let what = *self
            .chances
            .choice(&["web", "cart", "text", "service", STEADY, "divided", "moving"])
            .unwrap_or(&STEADY);
        let divides = self.wanted.values().any(Self::is_divided);
        if divides || !matches!(what, "divided" | "moving") {
            self.make(what).await;
        }
    }

    async fn remove(&mut self) {
        let mut there: Vec<_> = self.wanted.keys().cloned().collect();
        there.retain(|(_, name)| ![STEADY, "divided", "moving"].contains(&name.as_str()));
        let Some((of, name)) = self.chances.choice(&there).cloned() else {
            return;
        };
        self.say(format!("template {of} {name} is deleted"));
        let params = DeleteParams::background();
        let objects = api(self.federation.hub().unfaulted(), of);
        objects.delete(&name, &params).await.unwrap();
        self.wanted.remove(&(of, name));
    }

    /// Somebody in a member changes or deletes what is the hub's.
    async fn meddle(&mut self) {
        let number = self.chances.usize(0..3);
        let member = self.federation.members()[number].clone();
        let there: Vec<_> = self.wanted.keys().cloned().collect();
        let Some((of, name)) = self.chances.choice(&there).cloned() else {
            return;
        };
        let objects = api(member.unfaulted(), of);
        if self.chances.u8(0..3) == 0 {
            self.say(format!("somebody deletes {of} {name} in {}", member.name()));
            let _ = objects.delete(&name, &DeleteParams::background()).await;
            return;
        }
        let change = match of {
            "Deployment" => json!({"spec": {"replicas": self.chances.i32(0..6)}}),
            "ConfigMap" => json!({"data": {"turn": "theirs"}}),
            _ => json!({"spec": {"selector": {"app": "theirs"}}}),
        };
        self.say(format!("somebody changes {of} {name} in {}", member.name()));
        let params = PatchParams {
            field_manager: Some("kubectl-edit".to_owned()),
            ..PatchParams::default()
        };
        let _ = objects.patch(&name, &params, &Patch::Merge(&change)).await;
    }

    /// A member is cordoned or freed, or its labels change.
    async fn place(&mut self) {
        let number = self.chances.usize(0..3);
        let name = self.federation.members()[number].name().to_owned();
        let cordoned = self.chances.bool();
        self.say(format!("{name} is cordoned: {cordoned}"));
        self.cordon(&name, cordoned).await;
    }

    async fn cordon(&self, name: &str, cordoned: bool) {
        let clusters = api(self.federation.hub().unfaulted(), "Cluster");
        let change = json!({"spec": {"cordoned": cordoned}});
        let params = PatchParams::default();
        clusters
            .patch(name, &params, &Patch::Merge(&change))
            .await
            .unwrap();
    }

    /// The hub dies, and another one serves, now or when the weather is fair.
    async fn kill(&mut self) {
        let asked = self.chances.bool();
        self.say(if asked {
            "the hub is stopped"
        } else {
            "the hub is killed"
        });
        if asked {
            self.federation.stop_hub().await;
        } else {
            self.federation.kill().await;
        }
        if self.chances.u8(0..4) > 0 {
            tokio::time::sleep(Duration::from_secs(self.chances.u64(0..20))).await;
            self.serve().await;
        }
    }

    async fn serve(&mut self) {
        let served = timeout(Duration::from_secs(5), self.federation.serve()).await;
        self.say(format!("a hub serves: {}", matches!(served, Ok(Ok(())))));
    }

    fn storm(&mut self, cluster: &Cluster) {
        let chances = &mut self.chances;
        let mut odds = || if chances.bool() { 0 } else { chances.u32(0..100) };
        let odds = Odds {
            too_many_requests: odds(),
            server_errors: odds(),
            refused_connections: odds(),
            lost_replies: odds(),
            cut_watches: odds(),
            half_open: odds() / 4,
            silent_watches: odds() / 4,
            stale_reads: odds() * 4,
            dropped_events: 0,
        };
        let [latency, late] =
            [self.chances.u64(1..400), self.chances.u64(1..2000)].map(Duration::from_millis);
        self.say(format!(
            "storm over {}: {odds:?}, {latency:?}, events {late:?}",
            cluster.name()
        ));
        let faults = cluster.faults();
        faults.set_odds(odds);
        faults.set_latency(Duration::ZERO..latency);
        faults.set_watch_delay(Duration::ZERO..late);
    }

    /// The weather is fair and all that people did is undone: everything must come to be as they want it.
    async fn calms_down(&mut self) {
        self.say("the weather is fair for good");
        for cluster in self.federation.clusters() {
            cluster.faults().clear();
        }
        self.federation.serve().await.unwrap();
        for number in 0..3 {
            let name = self.federation.members()[number].name().to_owned();
            self.cordon(&name, false).await;
        }
        let started = Instant::now();
        loop {
            let Some(wrong) = self.wrong().await else { break };
            assert!(started.elapsed() < RECOVERY, "not as it should be: {wrong}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.say(format!("all is well after {:?}", started.elapsed()));
    }

    /// What is not as it should be.
    async fn wrong(&self) -> Option<String> {
        let bindings = api(self.federation.hub().unfaulted(), "WorkloadBinding");
        let bindings = bindings
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items;
        for binding in &bindings {
            let conditions = binding.data["status"]["conditions"].as_array();
            let is_true = |wanted: &str| {
                let mut conditions = conditions.into_iter().flatten();
                conditions.any(|condition| condition["type"] == wanted && condition["status"] == "True")
            };
            if !is_true("Applied") || !is_true("Available") {
                return Some(format!("binding {}", serde_json::to_string(binding).unwrap()));
            }
        }
        if bindings.len() != self.wanted.len() {
            return Some(format!(
                "{} bindings of {} templates",
                bindings.len(),
                self.wanted.len()
            ));
        }
        let mut all = Vec::new();
        for member in self.federation.members() {
            all.push(held(member).await);
        }
        for ((of, name), template) in self
            .wanted
            .iter()
            .filter(|(_, template)| Self::is_divided(template))
        {
            let replicas = |held: &BTreeMap<String, Value>| {
                held.get(&format!("{of}/{name}"))?["spec"]["replicas"].as_i64()
            };
            let shares: Vec<_> = all.iter().map(replicas).collect();
            if Some(shares.iter().flatten().sum()) != template["spec"]["replicas"].as_i64() {
                return Some(format!("{name} is divided into {shares:?}: {template}"));
            }
        }
        for (member, held) in self.federation.members().iter().zip(all) {
            for ((of, name), template) in &self.wanted {
                if Self::is_divided(template) {
                    continue;
                }
                let Some(found) = held.get(&format!("{of}/{name}")) else {
                    return Some(format!("{} has no {of} {name}", member.name()));
                };
                if let Some(path) = difference(template, found) {
                    return Some(format!(
                        "{of} {name} in {} differs in {path}: {found}",
                        member.name()
                    ));
                }
            }
            let ours = ["Deployment/", "ConfigMap/", "Service/"];
            let strange = held.keys().find(|key| {
                let (of, name) = key.split_once('/').unwrap_or_default();
                ours.iter().any(|our| key.starts_with(our))
                    && !["foreign", "text"].contains(&name)
                    && !self
                        .wanted
                        .keys()
                        .any(|(wanted, named)| *wanted == of && named == name)
            });
            if let Some(strange) = strange {
                return Some(format!("{} still has {strange}", member.name()));
            }
        }
        None
    }

    /// What each binding says.
    async fn statuses(&self) -> BTreeMap<String, String> {
        let bindings = api(self.federation.hub().unfaulted(), "WorkloadBinding");
        let bindings = bindings.list(&kube::api::ListParams::default()).await.unwrap();
        let told = |binding: kube::api::DynamicObject| {
            let name = binding.metadata.name.unwrap_or_default();
            (name, binding.data["status"].to_string())
        };
        bindings.items.into_iter().map(told).collect()
    }

    /// Where all is as it should be nothing is written, not even by a hub that has just begun.
    async fn is_at_rest(&mut self) {
        for restarts in [false, true] {
            tokio::time::sleep(CALM).await;
            let before = self.written();
            let told = self.statuses().await;
            if restarts {
                self.federation.kill().await;
                self.federation.serve().await.unwrap();
            }
            tokio::time::sleep(REST).await;
            let clusters = self.federation.clusters().zip(&before);
            for (cluster, before) in clusters {
                let written = cluster.writes_since(*before).into_iter().find(counts);
                if let Some(written) = written {
                    let mut now = self.statuses().await;
                    now.retain(|name, status| told.get(name) != Some(status));
                    let before: Vec<_> = now.keys().map(|name| told.get(name)).collect();
                    panic!(
                        "at rest, in {}, restarted: {restarts}: {written:?}\n{before:?}\n{now:?}",
                        cluster.name()
                    );
                }
            }
        }
        assert_eq!(self.wrong().await, None);
    }

    fn written(&self) -> Vec<usize> {
        let clusters = self.federation.clusters();
        clusters.map(Cluster::written).collect()
    }

    /// Nothing was done lately that must not be done at any time.
    fn is_just(&mut self) {
        for (member, judged) in self.federation.members().iter().zip(&mut self.judged) {
            let mut writes = member.writes_since(judged.0);
            writes.truncate(judged.1 - judged.0);
            *judged = (judged.1, member.written());
            let deleted = writes.iter().find(|write| {
                write.user.starts_with("system:serviceaccount:hanse-system:")
                    && write.verb == "delete"
                    && write.name.as_deref() == Some(STEADY)
                    && (200..300).contains(&write.status)
            });
            assert_eq!(deleted, None, "{}: it was never to go", member.name());
            let wrong = self
                .observer
                .judge(member.name(), writes.into_iter().map(crate::Write::from));
            assert_eq!(wrong, Vec::<String>::new());
        }
    }
}

/// Writes of the hub, but Leases, and tokens, which a hub gets before it serves.
fn counts(write: &Write) -> bool {
    write.user.starts_with("system:serviceaccount:hanse-system:")
        && write.resource != "leases"
        && write.subresource.as_deref() != Some("token")
}

fn kind(object: &Value) -> &'static str {
    match object["kind"].as_str() {
        Some("Deployment") => "Deployment",
        Some("Service") => "Service",
        _ => "ConfigMap",
    }
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Where an object does not have what its template says.
fn difference(template: &Value, found: &Value) -> Option<String> {
    fn inside(wanted: &Value, found: &Value, path: &str) -> Option<String> {
        match (wanted, found) {
            (Value::Object(wanted), _) => wanted
                .iter()
                .find_map(|(field, value)| inside(value, &found[field], &format!("{path}/{field}"))),
            (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
                let items = wanted.iter().zip(found).enumerate();
                let mut items =
                    items.filter_map(|(at, (one, other))| inside(one, other, &format!("{path}/{at}")));
                items.next()
            }
            _ => (wanted != found).then(|| path.to_owned()),
        }
    }
    ["spec", "data"]
        .into_iter()
        .filter(|part| !template[*part].is_null())
        .find_map(|part| inside(&template[part], &found[part], part))
}
