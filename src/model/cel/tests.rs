use rstest::rstest;
use serde_json::{Value, json};

use super::{Error, Program};

fn fleet() -> Value {
    json!({
        "name": "eu-1", "labels": {"env": "prod", "a/b": "c"},
        "status": {
            "nodes": {"ready": 3, "total": 4}, "idle": {"cpu": "7500m"}, "kubernetesVersion": "v1.37.2",
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "Lost", "status": "False"}],
        },
    })
}

#[rstest]
#[case::signed_integers("cluster.status.nodes.ready == 3", true)]
#[case::arithmetic("cluster.status.nodes.total - cluster.status.nodes.ready == 1", true)]
#[case::comparison("cluster.status.nodes.ready >= 4", false)]
#[case::labels("cluster.labels['env'] == 'prod' && cluster.labels['a/b'] == 'c'", true)]
#[case::presence("has(cluster.labels.nope)", false)]
#[case::membership("'env' in cluster.labels", true)]
#[case::loops(
    "cluster.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')",
    true
)]
#[case::nested(
    "cluster.status.conditions.all(a, cluster.status.conditions.exists_one(b, a.type == b.type))",
    true
)]
#[case::map_and_filter(
    "cluster.status.conditions.filter(c, c.status == 'True').map(c, c.type) == ['Ready']",
    true
)]
#[case::regex("cluster.name.matches('^eu-[0-9]+$')", true)]
#[case::quantities("quantity(cluster.status.idle.cpu).isGreaterThan(quantity('7'))", true)]
#[case::versions(
    "semver(cluster.status.kubernetesVersion.substring(1)).isGreaterThan(semver('1.30.0'))",
    true
)]
#[case::math("math.greatest(1, cluster.status.nodes.ready) == 3", true)]
#[case::sets("sets.contains(['prod', 'dev'], [cluster.labels.env])", true)]
#[case::optional_keys(
    "cluster.labels[?'env'].orValue('') + cluster.labels[?'no'].orValue('-') == 'prod-'",
    true
)]
#[case::optional_fields(
    "cluster.?status.?nope.?deep.orValue(7) == 7 && cluster.?name.hasValue()",
    true
)]
#[case::ternary("cluster.status.nodes.ready > 2 ? true : false", true)]
fn conditions_on_a_cluster_hold_as_in_the_api_server(#[case] text: &str, #[case] expected: bool) {
    let program = Program::compile(text, &["cluster"]).unwrap();
    assert_eq!(program.evaluate_bool(&[("cluster", &fleet())]), Ok(expected));
}

#[rstest]
#[case::syntax("cluster.", "failed to compile the expression at 1:")]
#[case::second_line("1 +\n* 2", "failed to compile the expression at 2:")]
#[case::empty("", "failed to compile the expression at 1:1")]
#[case::variable("clusters.name == 'a'", "there is no variable \"clusters\"")]
#[case::loop_variable_outside("[1].all(x, x > 0) && x > 0", "there is no variable \"x\"")]
#[case::function("cluster.name.tolower() == 'a'", "there is no function \"tolower\"")]
#[case::function_in_namespace("math.power(1, 2) == 1", "there is no function \"math.power\"")]
#[case::brackets(&format!("{}1{}", "(".repeat(200), ")".repeat(200)), "nests too deeply")]
#[case::sum(&format!("1{} == 1", "+1".repeat(1500)), "nests too deeply")]
#[case::path(&format!("cluster{} == 1", ".a".repeat(1500)), "nests too deeply")]
#[case::ternaries(&format!("{}1", "1==1?1:".repeat(500)), "nests too deeply")]
#[case::negations(&format!("{}true", "!(".repeat(100)), "nests too deeply")]
#[case::brackets_closed_in_strings(&"[')',".repeat(600), "")]
#[case::long(&format!("'{}' == ''", "x".repeat(5000)), "bytes, at most 4096")]
#[case::loops(
    "[1].all(a,[1].all(b,[1].all(c,[1].all(d,[1].all(e,true)))))",
    "nests too deeply"
)]
fn an_expression_that_is_wrong_is_refused_when_compiled(#[case] text: &str, #[case] expected: &str) {
    let text = text.to_owned();
    // A worker thread's stack: nothing may come near its end.
    let run = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || Program::compile(&text, &["cluster"]));
    let error = run.unwrap().join().unwrap().unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[rstest]
#[case::three_loops("x.all(a, x.all(b, x.all(c, a <= 1000)))")]
#[case::doubling(&format!("[string(x[0])]{}.size() == 1", ".map(s, s + s)".repeat(40)))]
#[case::replace("s.replace('', s).replace('', s).size() > 0")]
#[case::join("x.map(a, s).join(s).replace('a', s).size() > 0")]
#[case::range("lists.range(100000000).size() == 1")]
#[case::pattern_in_a_loop("x.all(a, x.all(b, s.matches('a')))")]
fn an_expression_that_could_run_for_long_is_refused_before_it_runs(#[case] text: &str) {
    let program = Program::compile(text, &["x", "s"]).unwrap();
    let list = json!((0..200).collect::<Vec<_>>());
    let result = program.evaluate(&[("x", &list), ("s", &json!("a".repeat(1000)))]);
    assert!(matches!(result, Err(Error::TooCostly { .. })), "{result:?}");
}

#[rstest]
#[case::sum(&format!("1{} == 95", "+1".repeat(94)))]
#[case::lists(&format!("size({}{}) == 1", "[".repeat(22), "]".repeat(22)))]
#[case::brackets(&format!("{}true{}", "!(".repeat(24), ")".repeat(24)))]
#[case::loops("[1].all(a,[1].all(b,[1].all(c,[1].all(d,a+b+c+d==4))))")]
#[case::ternaries(&format!("{}true", "1==2?false:".repeat(40)))]
fn the_deepest_expression_that_compiles_runs_on_a_worker_stack(#[case] text: &str) {
    let text = text.to_owned();
    let run = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || Program::compile(&text, &[]).unwrap().evaluate_bool(&[]));
    assert_eq!(run.unwrap().join().unwrap(), Ok(true));
}

#[test]
fn two_loops_over_a_real_list_are_not_too_costly() {
    let list = json!(
        (0..200)
            .map(|n| json!({"name": format!("container-{n}"), "n": n}))
            .collect::<Vec<_>>()
    );
    let program = Program::compile("x.all(a, x.exists(b, a.name == b.name))", &["x"]).unwrap();
    assert_eq!(program.evaluate_bool(&[("x", &list)]), Ok(true));
}

#[test]
fn results_are_plain_json() {
    let program = Program::compile(
        "{'n': cluster.status.nodes.ready + 1, 'l': ['a', 1.5, null]}",
        &["cluster"],
    )
    .unwrap();
    assert_eq!(
        program.evaluate(&[("cluster", &fleet())]),
        Ok(json!({"n": 4, "l": ["a", 1.5, null]}))
    );
}

#[test]
fn a_missing_field_is_an_error_with_a_hint() {
    let program = Program::compile("cluster.status.nope > 1", &["cluster"]).unwrap();
    let error = program.evaluate_bool(&[("cluster", &fleet())]).unwrap_err();
    assert!(error.hint().unwrap().contains("has("), "{error}");
}

#[rstest]
#[case("object.data.password + 1 == 2")]
#[case("quantity(object.data.password).isLessThan(quantity('1'))")]
#[case("object.data.password < 3")]
#[case("object.data.password()")]
#[case("object.data[object.data.password] == 1")]
fn errors_never_quote_values(#[case] text: &str) {
    let secret = json!({"data": {"password": "hunter2"}});
    let error = match Program::compile(text, &["object"]) {
        Ok(program) => program
            .evaluate(&[("object", &secret)])
            .map(|value| value.to_string()),
        Err(error) => Err(error),
    };
    let error = error.unwrap_err();
    // A key that is looked up is a name, also when it was computed.
    assert!(
        !error.to_string().contains("hunter2") || text.contains('['),
        "{error}"
    );
}

#[test]
fn a_condition_that_gives_no_boolean_is_an_error() {
    let program = Program::compile("cluster.name", &["cluster"]).unwrap();
    assert_eq!(
        program.evaluate_bool(&[("cluster", &fleet())]),
        Err(Error::NotBool { found: "string" })
    );
}

#[test]
fn rules_see_real_field_names_and_no_nulls() {
    let rule = Program::compile_rule("self.__namespace__ == 'a' && self.x__dash__y == 1 && !has(self.gone)")
        .unwrap();
    assert_eq!(
        rule.holds(&[("self", &json!({"namespace": "a", "x-y": 1, "gone": null}))]),
        Ok(true)
    );
    assert!(Program::compile_rule("self == oldSelf").unwrap().uses("oldSelf"));
}

#[rstest]
#[case("cluster.status.nodes.ready >= 3 && cluster.metadata.name != 'a'", &["/metadata/name", "/status/nodes/ready"])]
#[case("quantity(cluster.status.idle.cpu).isGreaterThan(quantity('2'))", &["/status/idle/cpu"])]
#[case("['a', cluster.spec.zone].exists(x, x == cluster.spec.region)", &["/spec/region", "/spec/zone"])]
#[case("'cluster.status.nodes' == 'x'", &[])]
fn an_expression_names_the_fields_it_reads(#[case] text: &str, #[case] fields: &[&str]) {
    let program = Program::compile(text, &["cluster"]).unwrap();
    assert_eq!(Vec::from_iter(program.fields_of("cluster")), fields);
}
