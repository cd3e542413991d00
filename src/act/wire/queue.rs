//! A work queue of keys: each key is queued once, handled by one worker at a time, and never lost.
//!
//! A key that is added while it is being handled is handled again afterwards. Bounded by the number of keys.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

/// Keys that wait for work. Cheap to clone.
#[derive(Debug)]
pub struct Queue<K>(Arc<(Mutex<State<K>>, Notify)>);

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[derive(Debug)]
struct State<K> {
    ready: VecDeque<K>,
    /// Every key in `ready`.
    waiting: HashSet<K>,
    running: HashSet<K>,
    /// Added while running.
    again: HashSet<K>,
    later: BinaryHeap<Reverse<(Instant, u64)>>,
    later_keys: HashMap<u64, K>,
    /// The earliest time at which a key is due, so that a later one is not kept beside it.
    due: HashMap<K, Instant>,
    failures: HashMap<K, u32>,
    next_ticket: u64,
}

/// A key in the hands of one worker. Dropping it says that the work is over, however it ended.
#[derive(Debug)]
pub struct Work<K: Eq + Hash + Clone> {
    key: K,
    queue: Queue<K>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self(Arc::new((
            Mutex::new(State {
                ready: VecDeque::new(),
                waiting: HashSet::new(),
                running: HashSet::new(),
                again: HashSet::new(),
                later: BinaryHeap::new(),
                later_keys: HashMap::new(),
                due: HashMap::new(),
                failures: HashMap::new(),
                next_ticket: 0,
            }),
            Notify::new(),
        )))
    }
}

const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_mins(1);

impl<K: Eq + Hash + Clone> Queue<K> {
    /// Asks for `key` to be handled as soon as a worker is free.
    pub fn add(&self, key: K) {
        let mut state = self.0.0.lock();
        if state.running.contains(&key) {
            state.again.insert(key);
        } else if state.waiting.insert(key.clone()) {
            state.ready.push_back(key);
            self.0.1.notify_one();
        }
    }

    /// Asks for `key` to be handled after `delay`; an earlier time that was asked for stays.
    pub fn add_after(&self, key: K, delay: Duration) {
        let mut state = self.0.0.lock();
        let at = Instant::now() + delay;
        if state.due.get(&key).is_some_and(|due| *due <= at) {
            return;
        }
        state.due.insert(key.clone(), at);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.later.push(Reverse((at, ticket)));
        state.later_keys.insert(ticket, key);
        self.0.1.notify_one();
    }

    /// Asks for `key` again after a failure: 200 ms at first, doubled up to a minute.
    pub fn retry(&self, key: K) -> Duration {
        let failures = {
            let mut state = self.0.0.lock();
            let failures = state.failures.entry(key.clone()).or_default();
            *failures += 1;
            *failures
        };
        let delay = FIRST_RETRY
            .saturating_mul(1 << (failures - 1).min(12))
            .min(LAST_RETRY);
        self.add_after(key, delay);
        delay
    }

    /// The work on `key` went well: its next failure is the first again.
    pub fn forget(&self, key: &K) {
        self.0.0.lock().failures.remove(key);
    }

    /// How many keys wait or are being handled, delayed ones left out.
    #[must_use]
    pub fn len(&self) -> usize {
        let state = self.0.0.lock();
        state.ready.len() + state.running.len()
    }

    /// Whether nothing waits and nothing is being handled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for a key. Several workers may wait.
    pub async fn next(&self) -> Work<K> {
        loop {
            let notified = self.0.1.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let wake = {
                let mut state = self.0.0.lock();
                state.promote(Instant::now());
                if let Some(key) = state.ready.pop_front() {
                    state.waiting.remove(&key);
                    state.running.insert(key.clone());
                    if !state.ready.is_empty() || !state.later.is_empty() {
                        self.0.1.notify_one();
                    }
                    return Work {
                        key,
                        queue: self.clone(),
                    };
                }
                state.later.peek().map(|Reverse((at, _))| *at)
            };
            match wake {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, notified).await;
                }
                None => notified.await,
            }
        }
    }
}

impl<K: Eq + Hash + Clone> State<K> {
    fn promote(&mut self, now: Instant) {
        while let Some(Reverse((at, ticket))) = self.later.peek().copied() {
            if at > now {
                return;
            }
            self.later.pop();
            let Some(key) = self.later_keys.remove(&ticket) else {
                continue;
            };
            if self.due.get(&key) != Some(&at) {
                continue; // an earlier time was asked for since, and has been served
            }
            self.due.remove(&key);
            if self.running.contains(&key) {
                self.again.insert(key);
            } else if self.waiting.insert(key.clone()) {
                self.ready.push_back(key);
            }
        }
    }
}

impl<K: Eq + Hash + Clone> Work<K> {
    /// The key to handle.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash + Clone> Drop for Work<K> {
    fn drop(&mut self) {
        let mut state = self.queue.0.0.lock();
        state.running.remove(&self.key);
        if state.again.remove(&self.key) && state.waiting.insert(self.key.clone()) {
            let key = self.key.clone();
            state.ready.push_back(key);
            self.queue.0.1.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_added_while_it_is_handled_is_handled_once_more() {
        let queue = Queue::default();
        queue.add("a");
        queue.add("a");
        let work = queue.next().await;
        queue.add("a");
        queue.add("a");
        assert!(
            tokio::time::timeout(Duration::from_secs(1), queue.next())
                .await
                .is_err()
        );
        drop(work);
        assert_eq!(queue.next().await.key(), &"a");
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_time_asked_for_counts() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_after("a", Duration::from_secs(9));
        queue.add_after("a", Duration::from_secs(2));
        queue.add_after("a", Duration::from_secs(5));
        drop(queue.next().await);
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        assert!(
            tokio::time::timeout(Duration::from_mins(1), queue.next())
                .await
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_each_time_and_success_forgets_them() {
        let queue = Queue::default();
        assert_eq!(queue.retry("a"), Duration::from_millis(200));
        assert_eq!(queue.retry("a"), Duration::from_millis(400));
        for _ in 0..40 {
            assert!(queue.retry("a") <= Duration::from_mins(1));
        }
        queue.forget(&"a");
        assert_eq!(queue.retry("a"), Duration::from_millis(200));
    }
}
