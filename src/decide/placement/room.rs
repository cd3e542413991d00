//! What members can still take: what was seen, less what was decided and is not seen yet.
//!
//! A decision is *assumed* to take its room at once, so that two decisions never count on the same room; pods that
//! became ready are seen in the facts and are assumed no longer. What does not come within [`PATIENCE`] is given up:
//! it may never come, and room must not be lost for ever.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::model::clock::Timestamp;
use crate::model::fleet::{BindingKey, Member, Snapshot};
use crate::model::name::ClusterName;
use crate::model::pod::{NodeRoom, PodShape};

/// How long pods may take to be ready before their room counts as free again, as far as they do not take it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How many pods of a binding are ready in a member.
pub type Ready<'a> = &'a dyn Fn(&BindingKey, &ClusterName) -> u64;

/// The room of all members, with what is assumed.
#[derive(Debug, Clone, Default)]
pub struct Rooms {
    /// What was seen, to notice that it changed.
    seen: BTreeMap<ClusterName, Arc<[NodeRoom]>>,
    /// What is left of it, for members in which something is assumed.
    left: BTreeMap<ClusterName, Vec<NodeRoom>>,
    assumed: HashMap<BindingKey, Vec<Assumed>>,
    /// Who is assumed where.
    there: BTreeMap<ClusterName, BTreeSet<BindingKey>>,
    /// When the next assumption ends.
    until: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Assumed {
    cluster: ClusterName,
    pod: Arc<PodShape>,
    replicas: u64,
    until: Timestamp,
}

impl Rooms {
    /// Takes up what members show now.
    pub fn refresh(&mut self, fleet: &Snapshot, ready: Ready<'_>, now: Timestamp) {
        let expired = self.until.is_some_and(|until| until <= now);
        self.seen.retain(|name, _| fleet.members.contains_key(name));
        for (name, member) in &fleet.members {
            let Some(room) = &member.room else {
                self.seen.remove(name);
                self.left.remove(name);
                continue;
            };
            let same = self.seen.get(name).is_some_and(|seen| Arc::ptr_eq(seen, room));
            if !same || (expired && self.there.contains_key(name)) {
                self.seen.insert(name.clone(), room.clone());
                self.deduct(name, room, ready, now);
            }
        }
        if expired {
            self.until = self
                .assumed
                .values()
                .flatten()
                .map(|assumed| assumed.until)
                .filter(|until| *until > now)
                .min();
        }
    }

    /// Counts what is assumed in a member against what was seen there.
    fn deduct(&mut self, name: &ClusterName, room: &[NodeRoom], ready: Ready<'_>, now: Timestamp) {
        self.left.remove(name);
        let Some(here) = self.there.get(name) else { return };
        let mut left = room.to_vec();
        let mut over = Vec::new();
        for key in here {
            let assumed = self.assumed.get(key).into_iter().flatten();
            let Some(assumed) = assumed.into_iter().find(|assumed| assumed.cluster == *name) else {
                continue;
            };
            let missing = assumed.replicas.saturating_sub(ready(key, name));
            if missing == 0 || assumed.until <= now {
                over.push(key.clone());
            } else {
                take(&mut left, &assumed.pod, missing);
            }
        }
        for key in over {
            self.leave(&key, name);
        }
        if self.there.contains_key(name) {
            self.left.insert(name.clone(), left);
        }
    }

    fn leave(&mut self, key: &BindingKey, name: &ClusterName) {
        if let Some(all) = self.assumed.get_mut(key) {
            all.retain(|assumed| assumed.cluster != *name);
            if all.is_empty() {
                self.assumed.remove(key);
            }
        }
        if let Some(here) = self.there.get_mut(name) {
            here.remove(key);
            if here.is_empty() {
                self.there.remove(name);
            }
        }
    }

    /// What is left everywhere, without who took the rest.
    pub(super) fn only_room(&self) -> Self {
        Self {
            seen: self.seen.clone(),
            left: self.left.clone(),
            ..Self::default()
        }
    }

    /// So many pods take room in a member.
    pub(super) fn take(&mut self, cluster: &ClusterName, pod: &PodShape, pods: u64) {
        if let Some(seen) = self.seen.get(cluster).filter(|_| pods > 0) {
            let left = self.left.entry(cluster.clone()).or_insert_with(|| seen.to_vec());
            take(left, pod, pods);
        }
    }

    /// A decision was made: its pods will take this room, as far as `ready` does not see them yet.
    pub fn assume(
        &mut self,
        key: &BindingKey,
        pod: &Arc<PodShape>,
        shares: &[(ClusterName, u64)],
        ready: Ready<'_>,
        now: Timestamp,
    ) {
        self.forget(key);
        let until = now.checked_add(PATIENCE).unwrap_or(now);
        for (cluster, replicas) in shares {
            let missing = replicas.saturating_sub(ready(key, cluster));
            if missing == 0 {
                continue;
            }
            self.there.entry(cluster.clone()).or_default().insert(key.clone());
            self.assumed.entry(key.clone()).or_default().push(Assumed {
                cluster: cluster.clone(),
                pod: pod.clone(),
                replicas: *replicas,
                until,
            });
            self.until = Some(self.until.map_or(until, |before| before.min(until)));
            self.take(cluster, pod, missing);
        }
    }

    /// What was decided for a binding does not hold any more.
    pub fn forget(&mut self, key: &BindingKey) {
        for assumed in self.assumed.remove(key).unwrap_or_default() {
            if let Some(here) = self.there.get_mut(&assumed.cluster) {
                here.remove(key);
                if here.is_empty() {
                    self.there.remove(&assumed.cluster);
                }
            }
            // Counted anew when it is next looked at.
            self.seen.remove(&assumed.cluster);
        }
    }

    /// How many pods of that shape the member can still take; `None` while its nodes are not known.
    pub(super) fn of(&self, member: &Member, pod: &PodShape) -> Option<u64> {
        let seen = member.room.as_ref()?;
        let left = self.left.get(&member.name).map_or(&**seen, Vec::as_slice);
        let all = left.iter().map(|at| pod.room(at));
        Some(all.fold(0, u64::saturating_add))
    }
}

/// Takes the room of so many pods, spread over the nodes by what each can take, as schedulers do by default.
fn take(nodes: &mut [NodeRoom], pod: &PodShape, pods: u64) {
    let fits: Vec<u64> = nodes.iter().map(|at| pod.room(at)).collect();
    let all: u128 = fits.iter().map(|fit| u128::from(*fit)).sum();
    let pods = u128::from(pods).min(all);
    let mut before = 0_u128;
    for (at, fit) in nodes.iter_mut().zip(&fits) {
        // Rounded so that the sum is exact.
        let after = before + u128::from(*fit);
        let share =
            (pods * after).checked_div(all).unwrap_or(0) - (pods * before).checked_div(all).unwrap_or(0);
        before = after;
        at.free.take(&pod.asks, u64::try_from(share).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::fleet::{Reach, Resources};
    use crate::model::pod::{Amounts, NodeFacts};

    fn node(cpu: u64) -> NodeRoom {
        let allocatable = Amounts {
            base: Resources {
                cpu_milli: cpu * 1000,
                memory: 1 << 40,
                pods: 110,
            },
            ..Amounts::default()
        };
        NodeRoom {
            node: Arc::new(NodeFacts {
                allocatable: allocatable.clone(),
                ..NodeFacts::default()
            }),
            free: allocatable,
        }
    }

    fn fleet(nodes: &[u64]) -> Snapshot {
        let member = Member {
            reach: Reach::Reachable,
            room: Some(nodes.iter().map(|cpu| node(*cpu)).collect()),
            ..Member::unheard("m1".parse().unwrap())
        };
        Snapshot {
            members: [(member.name.clone(), Arc::new(member))].into(),
        }
    }

    fn pod() -> Arc<PodShape> {
        let spec = json!({"containers": [{"resources": {"requests": {"cpu": "1"}}}]});
        Arc::new(PodShape::of(&spec))
    }

    fn key(name: &str) -> BindingKey {
        BindingKey {
            namespace: "shop".parse().unwrap(),
            name: name.parse().unwrap(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn room(rooms: &mut Rooms, fleet: &Snapshot, ready: u64, now: i64) -> u64 {
        rooms.refresh(fleet, &|_, _| ready, at(now));
        rooms
            .of(&fleet.members[&"m1".parse::<ClusterName>().unwrap()], &pod())
            .unwrap()
    }

    #[test]
    fn what_is_decided_takes_its_room_until_it_is_seen_or_given_up() {
        let mut rooms = Rooms::default();
        let member: ClusterName = "m1".parse().unwrap();
        assert_eq!(room(&mut rooms, &fleet(&[4, 4]), 0, 0), 8);
        rooms.assume(&key("web"), &pod(), &[(member.clone(), 5)], &|_, _| 0, at(0));
        assert_eq!(
            room(&mut rooms, &fleet(&[4, 4]), 0, 1),
            3,
            "nothing is seen of it yet"
        );
        assert_eq!(room(&mut rooms, &fleet(&[2, 4]), 2, 2), 3, "two of them are seen");
        assert_eq!(
            room(&mut rooms, &fleet(&[2, 4]), 2, 61),
            6,
            "the others never came"
        );

        rooms.assume(&key("web"), &pod(), &[(member, 5)], &|_, _| 0, at(61));
        rooms.forget(&key("web"));
        assert_eq!(room(&mut rooms, &fleet(&[2, 4]), 2, 62), 6);
    }

    #[test]
    fn decisions_of_one_pass_see_each_other() {
        let mut rooms = Rooms::default();
        let (fleet, member): (_, ClusterName) = (fleet(&[4, 4]), "m1".parse().unwrap());
        for (name, left) in [("a", 6), ("b", 4), ("c", 2)] {
            rooms.refresh(&fleet, &|_, _| 0, at(0));
            rooms.assume(&key(name), &pod(), &[(member.clone(), 2)], &|_, _| 0, at(0));
            assert_eq!(rooms.of(&fleet.members[&member], &pod()), Some(left), "{name}");
        }
    }

    #[test]
    fn two_halves_on_two_nodes_are_no_whole() {
        let mut rooms = Rooms::default();
        let spec = json!({"containers": [{"resources": {"requests": {"cpu": "3"}}}]});
        let fleet = fleet(&[2, 2]);
        rooms.refresh(&fleet, &|_, _| 0, at(0));
        let member = fleet.members.values().next().unwrap();
        assert_eq!(rooms.of(member, &PodShape::of(&spec)), Some(0));
    }
}
