//! A pod's life, moment by moment.

use rstest::rstest;

use super::life::{Moment, moment};
use serde_json::json;

use super::*;

fn part(play: Play) -> Part {
    Part {
        start: Duration::from_secs(1),
        play,
        termination: Duration::ZERO,
    }
}

fn running(ready: bool, restarts: i64, last_exit: Option<i64>) -> Moment {
    Moment::Running {
        ready,
        restarts,
        last_exit,
    }
}

const SLOW: Play = Play::Run {
    ready_after: Duration::from_secs(5),
};
const LOOP: Play = Play::CrashLoop {
    runs: Duration::from_secs(2),
    exit_code: 3,
};

fn waiting(restarts: i64, seconds: u64) -> Moment {
    Moment::BackOff {
        restarts,
        exit_code: 3,
        wait: Duration::from_secs(seconds),
    }
}

#[rstest]
#[case(SLOW, 0, Moment::Creating, Some(1))]
#[case(SLOW, 1, running(false, 0, None), Some(5))]
#[case(SLOW, 6, running(true, 0, None), None)]
#[case(LOOP, 2, running(true, 0, None), Some(1))]
#[case(LOOP, 3, waiting(0, 10), Some(10))]
#[case(LOOP, 13, running(true, 1, Some(3)), Some(2))]
#[case(LOOP, 15, waiting(1, 20), Some(20))]
#[case(Play::Complete { after: Duration::from_secs(4) }, 5, Moment::Ended { exit_code: 0 }, None)]
fn a_moment_follows_from_the_age(
    #[case] play: Play,
    #[case] age: u64,
    #[case] now: Moment,
    #[case] again: Option<u64>,
) {
    let expected = (now, again.map(Duration::from_secs));
    assert_eq!(moment(&part(play), Duration::from_secs(age)), expected);
}

#[test]
fn a_crash_loop_of_a_year_is_reckoned_at_once() {
    let (now, again) = moment(&part(LOOP), Duration::from_hours(365 * 24));
    let (Moment::Running { restarts, .. } | Moment::BackOff { restarts, .. }) = now else {
        panic!("{now:?}");
    };
    // One round takes 302 seconds once the wait has grown to five minutes.
    assert!((104_400..104_450).contains(&restarts), "{restarts}");
    assert!(again.is_some());
}

#[test]
fn the_first_rule_that_fits_is_followed() {
    let mut script = KubeletScript::default();
    for (app, play) in [("web", Play::NeverReady), ("web", Play::ImagePullBackOff)] {
        script.rules.push(Rule {
            namespace: Some("shop".to_owned()),
            labels: [("app".to_owned(), app.to_owned())].into(),
            play: Some(play),
            ..Rule::default()
        });
    }
    let play = |namespace: &str, app: &str| {
        let metadata = json!({"name": "a", "namespace": namespace, "labels": {"app": app}});
        script.part(&json!({"metadata": metadata})).play
    };
    assert_eq!(play("shop", "web"), Play::NeverReady);
    assert_eq!(
        play("shop", "db"),
        Play::Run {
            ready_after: Duration::ZERO
        }
    );
    assert_eq!(
        play("bank", "web"),
        Play::Run {
            ready_after: Duration::ZERO
        }
    );
}

#[test]
fn the_same_pod_starts_as_fast_in_each_run_and_within_the_range() {
    let script = KubeletScript::default();
    for number in 0..100 {
        let pod = json!({"metadata": {"name": format!("web-{number}"), "namespace": "shop"}});
        let start = script.part(&pod).start;
        assert!(script.start.contains(&start));
        assert_eq!(start, script.part(&pod).start);
    }
}
