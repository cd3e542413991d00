//! Which keys wait for which actor: each once, in the order of their asking, or at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::sandbox::store::Key;

/// An actor by its place in the list of actors, and what it shall look at.
pub(super) type Item = (usize, Key);

/// As client-go's default rate limiter of items.
const FIRST_RETRY: Duration = Duration::from_millis(5);
const LAST_RETRY: Duration = Duration::from_secs(1000);

/// Deterministic: the same calls at the same times give the same order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: VecDeque<Item>,
    /// Every item of `ready`.
    waiting: BTreeSet<Item>,
    later: BTreeSet<(Instant, Item)>,
    /// When an item of `later` is due: one time each, the earliest that was asked for.
    due: BTreeMap<Item, Instant>,
    failures: BTreeMap<Item, u32>,
}

impl Queue {
    pub(super) fn add(&mut self, item: Item) {
        if self.waiting.insert(item.clone()) {
            self.ready.push_back(item);
        }
    }

    /// An earlier time that was asked for stays.
    pub(super) fn add_at(&mut self, item: Item, at: Instant) {
        if let Some(due) = self.due.get(&item) {
            if *due <= at {
                return;
            }
            self.later.remove(&(*due, item.clone()));
        }
        self.due.insert(item.clone(), at);
        self.later.insert((at, item));
    }

    /// Again after a failure: each time in a row waits twice as long.
    pub(super) fn retry(&mut self, item: Item, now: Instant) {
        let failures = self.failures.entry(item.clone()).or_default();
        let wait = FIRST_RETRY
            .saturating_mul(1 << (*failures).min(20))
            .min(LAST_RETRY);
        *failures += 1;
        self.add_at(item, now + wait);
    }

    /// It went well: the next failure is the first again.
    pub(super) fn forget(&mut self, item: &Item) {
        self.failures.remove(item);
    }

    /// The next item that may be handled now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Item> {
        while let Some((at, item)) = self.later.pop_first() {
            if at > now {
                self.later.insert((at, item));
                break;
            }
            self.due.remove(&item);
            self.add(item);
        }
        let item = self.ready.pop_front()?;
        self.waiting.remove(&item);
        Some(item)
    }

    /// When the first of those that wait for a time is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str) -> Item {
        (0, Key::new("pods", Some("shop"), name))
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_waits_once_and_keys_keep_their_order() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for name in ["b", "a", "b"] {
            queue.add(item(name));
        }
        assert_eq!(queue.pop(now), Some(item("b")));
        assert_eq!(queue.pop(now), Some(item("a")));
        assert_eq!(queue.pop(now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_time_asked_for_counts() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for seconds in [9, 2, 5] {
            queue.add_at(item("a"), now + Duration::from_secs(seconds));
        }
        assert_eq!(queue.next_due(), Some(now + Duration::from_secs(2)));
        assert_eq!(queue.pop(now + Duration::from_secs(1)), None);
        assert_eq!(queue.pop(now + Duration::from_secs(2)), Some(item("a")));
        assert_eq!(queue.next_due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_each_time_and_success_forgets_them() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let mut wait = |queue: &mut Queue| {
            queue.retry(item("a"), now);
            let due = queue.next_due().unwrap();
            queue.pop(due);
            due - now
        };
        assert_eq!(wait(&mut queue), Duration::from_millis(5));
        assert_eq!(wait(&mut queue), Duration::from_millis(10));
        for _ in 0..40 {
            assert!(wait(&mut queue) <= LAST_RETRY);
        }
        queue.forget(&item("a"));
        assert_eq!(wait(&mut queue), Duration::from_millis(5));
    }
}
