//! A work queue of keys: each key is queued once, handled by one worker at a time, and never lost.
//!
//! A key that is added while it is being handled is handled again afterwards. Bounded by the number of keys.
//!
//! A queue may know which keys are in less of a hurry: each is handled as if it had been added so much later. So what
//! matters more goes first, and nothing waits for ever.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, HashSet},
    fmt,
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

/// Keys that wait for work. Cheap to clone.
pub struct Queue<K>(Arc<Inner<K>>);

struct Inner<K> {
    state: Mutex<State<K>>,
    notify: Notify,
    /// How much later than another key this one may be handled. Never called with the state locked.
    lag: Box<dyn Fn(&K) -> Duration + Send + Sync>,
}

impl<K> fmt::Debug for Queue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// How many keys are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// They could be handled now, if a worker were free.
    pub ready: usize,
    /// They are being handled.
    pub running: usize,
    /// They wait for their time: a retry, or a later look.
    pub delayed: usize,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[derive(Debug)]
struct State<K> {
    /// By the time that counts, then in the order of adding.
    ready: BTreeMap<(Instant, u64), K>,
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
        Self::lagging(|_| Duration::ZERO)
    }
}

impl<K> Queue<K> {
    /// A queue in which a key comes `lag` later than one that is added at the same time and has none.
    pub fn lagging(lag: impl Fn(&K) -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            lag: Box::new(lag),
            notify: Notify::new(),
            state: Mutex::new(State {
                ready: BTreeMap::new(),
                waiting: HashSet::new(),
                running: HashSet::new(),
                again: HashSet::new(),
                later: BinaryHeap::new(),
                later_keys: HashMap::new(),
                due: HashMap::new(),
                failures: HashMap::new(),
                next_ticket: 0,
            }),
        }))
    }
}

const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_mins(1);

impl<K: Eq + Hash + Clone> Queue<K> {
    /// Asks for `key` to be handled as soon as a worker is free.
    pub fn add(&self, key: K) {
        let at = Instant::now() + (self.0.lag)(&key);
        let mut state = self.0.state.lock();
        if state.running.contains(&key) {
            state.again.insert(key);
        } else if state.waiting.insert(key.clone()) {
            let ticket = state.ticket();
            state.ready.insert((at, ticket), key);
            self.0.notify.notify_one();
        }
    }

    /// Asks for `key` to be handled after `delay`; an earlier time that was asked for stays.
    pub fn add_after(&self, key: K, delay: Duration) {
        let mut state = self.0.state.lock();
        let at = Instant::now() + delay;
        if state.due.get(&key).is_some_and(|due| *due <= at) {
            return;
        }
        state.due.insert(key.clone(), at);
        let ticket = state.ticket();
        state.later.push(Reverse((at, ticket)));
        state.later_keys.insert(ticket, key);
        self.0.notify.notify_one();
    }

    /// Asks for `key` again after a failure: 200 ms at first, doubled up to a minute.
    pub fn retry(&self, key: K) -> Duration {
        let failures = {
            let mut state = self.0.state.lock();
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
        self.0.state.lock().failures.remove(key);
    }

    /// How many keys wait or are being handled, delayed ones left out.
    #[must_use]
    pub fn len(&self) -> usize {
        let load = self.load();
        load.ready + load.running
    }

    /// How many keys are where.
    #[must_use]
    pub fn load(&self) -> Load {
        let state = self.0.state.lock();
        Load {
            ready: state.ready.len(),
            running: state.running.len(),
            delayed: state.due.len(),
        }
    }

    /// Whether nothing waits and nothing is being handled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for a key. Several workers may wait.
    pub async fn next(&self) -> Work<K> {
        loop {
            let notified = self.0.notify.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let due = self.0.state.lock().take_due(Instant::now());
            for key in due {
                self.add(key);
            }
            let wake = {
                let mut state = self.0.state.lock();
                if let Some((_, key)) = state.ready.pop_first() {
                    state.waiting.remove(&key);
                    state.running.insert(key.clone());
                    if !state.ready.is_empty() || !state.later.is_empty() {
                        self.0.notify.notify_one();
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
    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// Takes out the keys whose time has come.
    fn take_due(&mut self, now: Instant) -> Vec<K> {
        let mut due = Vec::new();
        while let Some(Reverse((at, ticket))) = self.later.peek().copied() {
            if at > now {
                break;
            }
            self.later.pop();
            let Some(key) = self.later_keys.remove(&ticket) else {
                continue;
            };
            if self.due.get(&key) != Some(&at) {
                continue; // an earlier time was asked for since, and has been served
            }
            self.due.remove(&key);
            due.push(key);
        }
        due
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
        let again = {
            let mut state = self.queue.0.state.lock();
            state.running.remove(&self.key);
            state.again.remove(&self.key)
        };
        if again {
            self.queue.add(self.key.clone());
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
    async fn what_matters_more_goes_first_and_nothing_waits_for_ever() {
        let queue =
            Queue::lagging(|key: &&str| Duration::from_secs(if key.starts_with("late") { 5 } else { 0 }));
        for key in ["late-1", "early-1", "late-2", "early-2"] {
            queue.add(key);
        }
        assert_eq!(queue.load().ready, 4);
        for key in ["early-1", "early-2"] {
            assert_eq!(queue.next().await.key(), &key);
        }
        tokio::time::advance(Duration::from_secs(6)).await;
        queue.add("early-3");
        let order = [queue.next().await, queue.next().await, queue.next().await];
        assert_eq!(order.map(|work| *work.key()), ["late-1", "late-2", "early-3"]);
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
