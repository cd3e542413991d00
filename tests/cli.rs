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

/// Sessions of `hub simulate`: scripts in `tests/golden/simulate`, what they print beside them.
#[rstest::rstest]
fn a_simulation_prints_what_it_printed(#[files("tests/golden/simulate/*.sim")] script: std::path::PathBuf) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hub"))
        .current_dir(root)
        .arg("simulate")
        .arg(script.strip_prefix(root).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let golden = script.with_extension("txt");
    if std::env::var_os("HANSE_UPDATE").is_some() {
        std::fs::write(&golden, &printed).unwrap();
    }
    let kept = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        kept == printed,
        "{} is stale (HANSE_UPDATE=1 renews it); now:\n{printed}",
        golden.display()
    );
}

#[test]
fn a_port_in_use_is_said_and_leaves_no_folder_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let above = tempfile::tempdir().unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hub"))
        .args(["demo", "--listen", &address, "--dir"])
        .arg(above.path().join("demo"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && said.contains("HUB0311") && said.contains(&address),
        "{said}"
    );
    assert!(said.contains("hint:"), "{said}");
    assert_eq!(std::fs::read_dir(above.path()).unwrap().count(), 0);
}

#[test]
fn a_demo_shows_both_teams_and_leaves_nothing_behind() {
    let above = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hub"))
        .args(["demo", "--exit-when-ready", "--dir"])
        .arg(above.path().join("demo"))
        .output()
        .unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for row in [
        "shop       payments            2/2        2/2          ·          ·\n",
        "shop       web                 9/3        3/3        3/3        3/3\n",
        "blog       blog                2/1        1/1          ·        1/1\n",
    ] {
        assert!(table.contains(row), "{table}");
    }
    assert_eq!(std::fs::read_dir(above.path()).unwrap().count(), 0);
}
