use std::fmt::Write as _;

use rstest::rstest;

use super::command::{MANUAL, Reader};

/// The reader of a session that has a fleet of three.
fn reader() -> Reader {
    let mut reader = Reader::default();
    reader.read("fleet members=3").unwrap();
    reader
}

#[rstest]
#[case::unknown("freze member-1", "freze", "did you mean freeze?")]
#[case::missing("wait", "", "wait TIME")]
#[case::time("wait 5 minutes", "5", "for example 30s, 5m or 1h30m")]
#[case::too_much("wait 5s 6s", "6s", "wait TIME")]
#[case::member("freeze member-4", "member-4", "member-1 to member-3")]
#[case::no_object("delete web -n shop", "web", "deployment/web")]
#[case::fault("faults member-1 too-mny=3", "too-mny", "did you mean too-many?")]
#[case::odds("faults member-1 errors=1001", "1001", "0 to 1000")]
#[case::clock("clock member-1 ahed 5m", "ahed", "did you mean ahead?")]
#[case::status("until cluster/member-1 Ready=maybe", "Ready=maybe", "True, False or Unknown")]
#[case::within("until settled before=3m", "before", "within=5m")]
#[case::namespace("apply x -n", "-n", "-n shop")]
#[case::twice("fleet members=2", "fleet", "another session")]
#[case::not_the_hub("kill member-1", "member-1", "kill hub")]
fn what_is_wrong_is_said_with_its_place(#[case] line: &str, #[case] place: &str, #[case] hint: &str) {
    let wrong = reader().read(line).unwrap_err();
    assert_eq!(&line[wrong.span.clone()], place, "{wrong:?}");
    assert!(wrong.hint.contains(hint), "{wrong:?}");
}

#[rstest]
#[case("fleet members=0")]
#[case("fleet members=10000")]
#[case("fleet members=-1")]
#[case("fleet seed=x")]
#[case("show clusters")]
fn a_session_begins_with_a_fleet_that_can_be(#[case] line: &str) {
    assert!(Reader::default().read(line).is_err());
}

#[rstest]
#[case("")]
#[case("   # only a comment")]
fn a_line_may_say_nothing(#[case] line: &str) {
    assert_eq!(Reader::default().read(line).unwrap(), None);
}

#[test]
fn the_reference_page_of_scripts_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/simulate.md");
    let mut made = String::from(INTRODUCTION);
    for (usage, what) in MANUAL {
        let _ = writeln!(made, "| `{usage}` | {} |", what.replace('|', "\\|"));
    }
    if std::env::var_os("HANSE_UPDATE").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/reference/simulate.md is stale: run `make crds`"
    );
}

const INTRODUCTION: &str = "# Scripts of `hub simulate`

<!-- Made from src/face/cli/simulate by `make crds`; do not edit. -->

`hub simulate SCRIPT` runs the hub, unchanged, against a fleet in its own process, and does to it what the script says.
Time is virtual: it moves on only when everybody waits, so a day passes in a blink. The same script prints the same every
time; the scripts in `tests/golden/simulate` and their output beside them are the examples. Only what fails by chance
(`faults`) may fail for another request of the same moment: there, choose times with `at` and show how it ends.

One command a line. `#` begins a comment. A CLUSTER is `hub` (the hub API), `member-1`, `member-2`, … or `members` for all of
those; members are in the regions eu-west, us-east, ap-south, in turn. TIME is `30s`, `5m` or `1h30m`. Each line is
printed with the virtual time at which it began, then what it shows.

A script is read whole first. If a line is not understood nothing begins, and the exit code is 1; when `until` waits in
vain it is 3. Without SCRIPT, or with `-`, lines are read from stdin one by one; on a terminal a mistake does not end the
session.

| command | |
|---|---|
";
