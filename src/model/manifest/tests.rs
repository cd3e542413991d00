use std::fmt::Write as _;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Code, Diagnostic, Document, load, read};

fn object(body: &str) -> String {
    format!("apiVersion: v1\nkind: Thing\nmetadata:\n  name: a\n{body}")
}

/// The `x` of a document.
fn x(body: &str) -> Value {
    let (documents, diagnostics) = read("f.yaml", &object(body));
    assert_eq!(diagnostics, []);
    documents[0].object["x"].clone()
}

fn problems(text: &str) -> Vec<Diagnostic> {
    read("f.yaml", text).1
}

fn slice<'t>(text: &'t str, document: &Document, pointer: &str) -> (&'t str, &'t str) {
    let place = document.place(pointer);
    (
        place.key.clone().map_or("", |key| &text[key]),
        &text[place.value.clone()],
    )
}

#[rstest]
#[case::strict_booleans("x: [no, yes, on, off, y, n, true, False]", json!(["no", "yes", "on", "off", "y", "n", true, false]))]
#[case::octals("x: [014, 0o14, 0x1F, 0b11, 08, 1_000, -017]", json!([12, 12, 31, 3, 8, 1000, -15]))]
#[case::floats("x: [1.5, 1e3, .5, 1.2.3, 1e, 6.]", json!([1.5, 1000, 0.5, "1.2.3", "1e", 6]))]
#[case::nulls("x:\n- ~\n- null\n-\n- ''", json!([null, null, null, ""]))]
#[case::dates_and_versions("x: [2001-01-01, v1, 1.2.3.4, '1', \"true\"]", json!(["2001-01-01", "v1", "1.2.3.4", "1", "true"]))]
#[case::large("x: 18446744073709551615", json!(18_446_744_073_709_551_615_u64))]
#[case::times("x: 12:30:45", json!("12:30:45"))]
#[case::block("x: |\n  a\n   b\n", json!("a\n b\n"))]
#[case::folded("x: >-\n  a\n  b\n", json!("a b"))]
#[case::comments("x: a # b\n# c\n", json!("a"))]
#[case::hash_in_text("x: a#b", json!("a#b"))]
#[case::keys("x: {1: a, true: b, 0x10: c}", json!({"1": "a", "true": "b", "16": "c"}))]
#[case::string_tag("x: !!str 12", json!("12"))]
#[case::alias("y: &a {b: [1]}\nx: *a", json!({"b": [1]}))]
#[case::merge("y: &a {b: 1, c: 2}\nx: {<<: *a, c: 3}", json!({"b": 1, "c": 3}))]
#[case::merge_list("y: &a {b: 1}\nz: &d {b: 2, e: 3}\nx: {<<: [*a, *d]}", json!({"b": 1, "e": 3}))]
#[case::quoted_merge_key("x: {'<<': 1}", json!({"<<": 1}))]
#[case::escapes("x: \"\\ud83d\\ude00 \\/ \\t\"", json!("😀 / \t"))]
#[case::windows_line_ends("x:\r\n  - a\r\n  - b\r\n", json!(["a", "b"]))]
fn values_are_read_as_kubectl_reads_them(#[case] body: &str, #[case] expected: Value) {
    assert_eq!(x(body), expected);
}

#[rstest]
#[case::broken("a: b: c\n", Code::SYNTAX, 1, 5)]
#[case::unclosed("a: [1,\n", Code::SYNTAX, 1, 4)]
#[case::tab("a:\n\tb: 1\n", Code::TAB_INDENT, 2, 1)]
#[case::template("a: {{ .Values.x }}\n", Code::BAD_KEY, 1, 5)]
#[case::duplicate("a: 1\nb: 2\na: 3\n", Code::DUPLICATE_KEY, 3, 1)]
#[case::duplicate_after_wide_characters("ä: {é: 1, é: 2}\n", Code::DUPLICATE_KEY, 1, 11)]
#[case::unknown_alias("a: *b\n", Code::BAD_ALIAS, 1, 4)]
#[case::alias_in_itself("a: &b [*b]\n", Code::BAD_ALIAS, 1, 8)]
#[case::merge_of_a_scalar("a: &b 1\nc: {<<: *b}\n", Code::BAD_ALIAS, 2, 5)]
#[case::not_a_number("a: .nan\n", Code::BAD_SCALAR, 1, 4)]
#[case::too_many_digits("a: 123456789012345678901234567890\n", Code::BAD_SCALAR, 1, 4)]
#[case::list_as_document("- a\n", Code::NOT_AN_OBJECT, 1, 1)]
#[case::text_as_document("hello\n", Code::NOT_AN_OBJECT, 1, 1)]
#[case::complex_key("? [a]\n: b\n", Code::BAD_KEY, 1, 3)]
fn a_mistake_has_a_code_and_a_place(
    #[case] text: &str,
    #[case] code: Code,
    #[case] line: usize,
    #[case] column: usize,
) {
    let found = problems(text);
    let first = &found[0];
    assert_eq!(
        (first.code, first.line, first.column),
        (code, line, column),
        "{found:?}"
    );
    assert!(first.hint.is_some() || code == Code::BAD_ALIAS, "{first:?}");
}

#[rstest]
#[case::no_kind("apiVersion: v1\nmetadata: {name: a}\n", Code::MISSING_KIND, "kind")]
#[case::empty_version(
    "apiVersion: ''\nkind: A\nmetadata: {name: a}\n",
    Code::MISSING_KIND,
    "apiVersion"
)]
#[case::no_metadata("apiVersion: v1\nkind: A\n", Code::MISSING_NAME, "metadata.name")]
#[case::generated(
    "apiVersion: v1\nkind: A\nmetadata: {generateName: a-}\n",
    Code::MISSING_NAME,
    "metadata.name"
)]
#[case::number(
    "apiVersion: v1\nkind: A\nmetadata: {name: 12}\n",
    Code::BAD_NAME,
    "must be a string"
)]
#[case::upper_case(
    "apiVersion: v1\nkind: A\nmetadata: {name: Web}\n",
    Code::BAD_NAME,
    "lower-case"
)]
#[case::namespace(
    "apiVersion: v1\nkind: A\nmetadata: {name: a, namespace: a.b}\n",
    Code::BAD_NAME,
    "metadata.namespace"
)]
fn an_object_needs_a_kind_and_a_valid_name(#[case] text: &str, #[case] code: Code, #[case] words: &str) {
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].code, code);
    assert!(found[0].message.contains(words), "{}", found[0].message);
}

#[rstest]
#[case("apps/v1", &"a".repeat(253), true)]
#[case("apps/v1", &"a".repeat(254), false)]
#[case("apps/v1", "a..b", false)]
#[case("apps/v1", "-a", false)]
#[case("rbac.authorization.k8s.io/v1", "system:node", true)]
#[case("rbac.authorization.k8s.io/v1", "a/b", false)]
fn names_follow_the_rule_of_their_kind(#[case] version: &str, #[case] name: &str, #[case] valid: bool) {
    let text = format!("apiVersion: {version}\nkind: A\nmetadata: {{name: '{name}'}}\n");
    assert_eq!(problems(&text).is_empty(), valid);
}

#[test]
fn a_duplicate_key_names_both_places() {
    let found = problems("a:\n  b: 1\n  c: 2\n  b: 3\n");
    assert_eq!(
        found[0].to_string(),
        "f.yaml:4:3: error[HUB0003]: key \"b\" stands twice, first at 2:3"
    );
}

#[test]
fn every_field_knows_its_place() {
    let text = object("spec:\n  ports:\n  - name: web\n    port: 80\n  x/y~z: {a: [1, 2]}\n");
    let (documents, _) = read("f.yaml", &text);
    let document = &documents[0];
    assert_eq!(slice(&text, document, "/spec/ports/0/port"), ("port", "80"));
    assert_eq!(
        slice(&text, document, "/spec/ports"),
        ("ports", "name: web\n    port: 80")
    );
    assert_eq!(slice(&text, document, "/spec/x~1y~0z/a/1"), ("", "2"));
    assert_eq!(
        slice(&text, document, "/spec/ports/0/nope/deeper"),
        ("", "name: web\n    port: 80")
    );
    let error = document.error_at_key(Code::UNKNOWN_FIELD, "/spec/ports/0/port", "unknown field");
    assert_eq!((error.line, error.column), (8, 5));
    let excerpt = error.excerpt.unwrap();
    assert_eq!(
        (excerpt.text.as_str(), &excerpt.text[excerpt.span]),
        ("    port: 80", "port")
    );
}

#[test]
fn a_diagnostic_serialises_to_what_check_prints() {
    let diagnostic = &problems("a: 1\na: 2\n")[0];
    let expected = json!({
        "code": "HUB0003", "severity": "error", "file": "f.yaml", "line": 2, "column": 1,
        "message": "key \"a\" stands twice, first at 1:1", "hint": "remove one of the two",
    });
    assert_eq!(serde_json::to_value(diagnostic).unwrap(), expected);
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let text = format!(
        "{}---\na: b: c\n---\n{}---\nx: [\n---\n{}",
        object(""),
        object(""),
        object("")
    );
    let (documents, diagnostics) = read("f.yaml", &text);
    assert_eq!(documents.len(), 3);
    assert_eq!(
        diagnostics.iter().map(|one| one.line).collect::<Vec<_>>(),
        [6, 13],
        "{diagnostics:?}"
    );
    assert_eq!(
        documents[2].place("/kind").value,
        text.rfind("Thing").map(|at| at..at + 5).unwrap()
    );
}

#[test]
fn lists_are_taken_apart_and_empty_documents_skipped() {
    let text = "---\n# nothing\n---\n{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [\n\t{\"apiVersion\": \"v1\", \"kind\": \"A\", \"metadata\": {\"name\": \"a\"}},\n\t{\"apiVersion\": \"v1\", \"kind\": \"B\", \"metadata\": {\"name\": \"b\"}}]}\n---\n";
    let (documents, diagnostics) = read("f.json", text);
    assert_eq!(diagnostics, []);
    let kinds: Vec<&str> = documents.iter().map(Document::kind).collect();
    assert_eq!(kinds, ["A", "B"]);
    assert_eq!(
        documents[1]
            .source()
            .position(documents[1].place("/metadata/name").value.start)
            .0,
        6
    );
}

#[test]
fn more_documents_than_a_parser_budget_are_read() {
    let text = format!("{}---\n", object("")).repeat(3000);
    assert_eq!(read("f.yaml", &text).0.len(), 3000);
}

#[test]
fn an_alias_bomb_is_refused_in_little_time_and_memory() {
    let mut text = object("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let row = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{row}]").unwrap();
    }
    let found = problems(&text);
    assert_eq!(found[0].code, Code::TOO_LARGE, "{found:?}");
}

#[rstest]
#[case::flow(&format!("a: {}{}", "[".repeat(5000), "]".repeat(5000)))]
#[case::block(&(0..1000).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<Vec<_>>().concat())]
#[case::through_aliases(&format!("x0: &x0 [1]\n{}", (1..500).map(|n| format!("x{n}: &x{n} [*x{}]\n", n - 1)).collect::<Vec<_>>().concat()))]
fn depth_is_bounded(#[case] body: &str) {
    let found = problems(&object(body));
    assert_eq!(found[0].code, Code::TOO_LARGE, "{:?}", found[0]);
}

#[test]
fn an_object_above_one_mebibyte_is_refused() {
    let found = problems(&object(&format!("data: {{a: '{}'}}\n", "x".repeat(1 << 20))));
    assert_eq!(found[0].code, Code::OBJECT_TOO_LARGE);
    assert!(problems(&object(&format!("data: {{a: '{}'}}\n", "x".repeat(1_000_000)))).is_empty());
}

#[test]
fn folders_are_read_in_order_and_the_rest_of_them_skipped() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("b/.git")).unwrap();
    for name in ["b/2.yml", "a.yaml", "c.json", "d.txt", "b/.git/x.yaml"] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    let texts = load(&[
        folder.path().display().to_string(),
        folder.path().join("d.txt").display().to_string(),
    ])
    .unwrap();
    assert_eq!(
        texts.iter().map(|text| text.text.as_str()).collect::<Vec<_>>(),
        ["a.yaml", "b/2.yml", "c.json", "d.txt"]
    );
}

#[test]
fn a_missing_file_is_a_diagnostic_with_its_name() {
    let error = load(&["/nowhere/x.yaml".to_owned()]).unwrap_err().diagnostic();
    assert_eq!(
        (error.code, error.file.as_str(), error.line),
        (Code::UNREADABLE, "/nowhere/x.yaml", 0)
    );
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors");
    let pages: std::collections::BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("HUB"))
        .collect();
    let codes: std::collections::BTreeSet<String> =
        Code::ALL.iter().map(|(code, _)| format!("{code}.md")).collect();
    assert_eq!(pages, codes);
}

proptest! {
    #[test]
    fn any_json_object_reads_back_as_itself(value in json_value()) {
        let object = json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "x": value});
        for text in [object.to_string(), serde_json::to_string_pretty(&object).unwrap()] {
            let (documents, diagnostics) = read("f.json", &text);
            prop_assert_eq!(&diagnostics, &[]);
            prop_assert_eq!(&documents[0].object, &object);
        }
    }

    #[test]
    fn no_text_makes_reading_panic(text in "[-a-c:\\[\\]{}&*<,'\"#|>\t\n é!?%@]{0,60}") {
        for diagnostic in read("f.yaml", &text).1 {
            prop_assert!(diagnostic.line >= 1 && diagnostic.column >= 1);
        }
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(|number: f64| json!(number)),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z/~. é]{1,8}", inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}
