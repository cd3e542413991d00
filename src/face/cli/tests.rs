use clap::CommandFactory;
use rstest::rstest;
use serde_json::json;

use super::{args::Args, get::redact, plan::Phase, reference, table};

#[test]
fn the_command_line_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn the_reference_page_of_the_command_line_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/cli.md");
    let made = reference::markdown();
    if std::env::var_os("HANSE_UPDATE").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == made, "docs/reference/cli.md is stale: run `make crds`");
}

#[test]
fn every_verb_shows_an_example_or_takes_nothing() {
    for verb in Args::command().get_subcommands() {
        let has_example = verb
            .get_after_help()
            .is_some_and(|text| text.to_string().contains("hub "));
        assert!(
            has_example || verb.get_name() == "version",
            "hub {} has no example",
            verb.get_name()
        );
    }
}

#[test]
fn the_bytes_of_a_secret_are_taken_out_everywhere() {
    let mut secret = json!({
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"k\":\"aHVudGVyMg==\"}}"}},
        "data": {"k": "aHVudGVyMg=="},
        "stringData": {"p": "hunter2"},
    });
    redact(&mut secret);
    let text = secret.to_string();
    assert!(
        !text.contains("hunter2") && !text.contains("aHVudGVyMg=="),
        "{text}"
    );
    assert_eq!(secret["data"]["k"], "<redacted>");
}

#[rstest]
#[case(5, "5s")]
#[case(120, "2m")]
#[case(135, "2m15s")]
#[case(3_600, "60m")]
#[case(7_200, "2h")]
#[case(200_000, "2d")]
fn ages_are_short(#[case] seconds: i64, #[case] expected: &str) {
    let then = jiff::Timestamp::from_second(1_000).unwrap();
    let now = jiff::Timestamp::from_second(1_000 + seconds).unwrap();
    assert_eq!(table::age(then, now), expected);
}

#[test]
fn what_others_need_is_applied_first() {
    let text = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}\n---\n\
                {apiVersion: hanse.dev/v1alpha1, kind: PropagationPolicy, metadata: {name: a}}\n---\n\
                {apiVersion: hanse.dev/v1alpha1, kind: Tenant, metadata: {name: a}}\n---\n\
                {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n";
    let (documents, _) = crate::model::manifest::read("f", text);
    let phases: Vec<Phase> = documents.iter().map(Phase::of).collect();
    assert_eq!(
        phases,
        [Phase::Templates, Phase::Policies, Phase::Tenants, Phase::Ground]
    );
}
