//! Many worlds, each with an hour of changes and faults: whatever happens, nothing is done that must not be, and in fair
//! weather all is as it should be soon, and nothing is written any more.
//!
//! `HANSE_SEED` is the first number, `HANSE_SEEDS` how many worlds are played; of a single one the whole story is told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::shop::seed;
use crate::world::{self, Story};

/// How many worlds are played, unless it is said: `make hours` plays 200, of a faster build.
const SEEDS: u64 = 16;

#[test]
fn an_hour_of_changes_and_faults_does_no_harm_in_any_world() {
    play(SEEDS, Duration::from_hours(1));
}

#[test]
#[ignore = "takes long: `make soak`"]
fn a_day_of_changes_and_faults_does_no_harm_in_any_world() {
    play(10, Duration::from_hours(24));
}

fn play(worlds: u64, length: Duration) {
    let first = seed();
    let worlds = match std::env::var("HANSE_SEEDS") {
        Ok(text) => text.parse().expect("HANSE_SEEDS is a number"),
        Err(_) => worlds,
    };
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let started = Instant::now();
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= worlds {
                        break;
                    }
                    let seed = first + number;
                    let (story, outcome) = one(seed, length);
                    if worlds == 1 {
                        eprintln!("{}", story.end(usize::MAX));
                    }
                    if let Err(words) = outcome {
                        let story = story.end(40);
                        eprintln!("HANSE_SEED={seed} ended badly:\n{story}\n{words}\n");
                        failed.lock().push(seed);
                    }
                }
            });
        }
    });
    let (took, failed) = (started.elapsed(), failed.into_inner());
    eprintln!("{worlds} worlds of {length:?} in {took:.1?}, {at_once} at a time");
    assert!(
        failed.is_empty(),
        "of {worlds} worlds these ended badly: {failed:?}"
    );
}

/// In a thread of its own, so that it ends alone. What happened, and why it ended if it ended badly.
fn one(seed: u64, length: Duration) -> (Story, Result<(), String>) {
    let story = Story::default();
    let told = story.clone();
    let world = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(world::play(seed, length, &told));
    });
    let outcome = world.join().map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        words
            .or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()))
            .unwrap_or_default()
    });
    (story, outcome)
}
