//! Golden sessions of the command line that need no cluster: `TRYCMD=overwrite cargo test --test cli` renews them.

#[test]
fn sessions_print_what_they_printed() {
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("KUBECONFIG", "/nonexistent")
        .env("HOME", "/nonexistent")
        .default_bin_name("hub")
        .case("tests/cli/*.trycmd");
}

/// Files too odd to keep in a repository.
#[test]
fn names_and_sizes_at_the_limit_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.yaml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_hub"))
            .arg("check")
            .arg(&file)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let map = |name: &str, data: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: \"{data}\"}}\n")
    };
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
    assert_eq!(long.len(), 253);
    assert_eq!(check(&map(&long, "")).0, Some(0));
    let (code, said) = check(&map(&format!("{long}e"), ""));
    assert!(
        code == Some(1) && said.contains("f.yaml:3:") && said.contains("HUB0103"),
        "{said}"
    );
    assert_eq!(check(&map("big", &"x".repeat(1_000_000))).0, Some(0));
    let (code, said) = check(&map("big", &"x".repeat(1 << 20)));
    assert!(
        code == Some(1) && said.contains("HUB0113") && said.len() < 1_000,
        "{}",
        said.len()
    );
}
