use std::collections::BTreeMap;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::model::api::{ClusterPropagationPolicy, PropagationPolicy};

fn template(kind: (&str, &str), namespace: &str, name: &str, labels: &[(&str, &str)]) -> Template {
    let labels: BTreeMap<_, _> = labels.iter().copied().collect();
    let object = json!({
        "apiVersion": kind.0, "kind": kind.1,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
    });
    Template::from_object(&object, &|_| false).unwrap()
}

fn web() -> Template {
    template(("apps/v1", "Deployment"), "shop", "web", &[("app", "web")])
}

fn policy(name: &str, created: &str, spec: &Value) -> Policy {
    let metadata = json!({"name": name, "namespace": "shop", "generation": 1, "creationTimestamp": created});
    let policy = json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": metadata, "spec": spec});
    Policy::of(&serde_json::from_value::<PropagationPolicy>(policy).unwrap()).unwrap()
}

fn cluster_policy(name: &str, spec: &Value) -> Policy {
    let policy = json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "ClusterPropagationPolicy",
        "metadata": {"name": name, "generation": 1, "creationTimestamp": OLD}, "spec": spec});
    Policy::of_cluster(&serde_json::from_value::<ClusterPropagationPolicy>(policy).unwrap()).unwrap()
}

const OLD: &str = "2026-01-01T00:00:00Z";
const NEW: &str = "2026-01-02T00:00:00Z";

fn by_name() -> Value {
    json!({"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}]})
}
fn by_labels() -> Value {
    json!({"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": {"matchLabels": {"app": "web"}}}]})
}
fn by_kind() -> Value {
    json!({"resourceSelectors": [{"apiVersion": "*", "kind": "Deployment"}]})
}
fn by_any() -> Value {
    json!({"resourceSelectors": [{"apiVersion": "*", "kind": "*"}]})
}
fn with(mut spec: Value, field: &str, value: Value) -> Value {
    spec[field] = value;
    spec
}

fn all(policies: impl IntoIterator<Item = Policy>) -> Policies {
    let mut all = Policies::default();
    policies.into_iter().for_each(|policy| all.upsert(policy));
    all
}

#[rstest]
#[case::priority_before_all(policy("a", OLD, &by_name()), policy("b", NEW, &with(by_any(), "priority", json!(1))), "b")]
#[case::namespaced_before_cluster(cluster_policy("a", &by_name()), policy("b", NEW, &by_any()), "b")]
#[case::name_before_labels(policy("a", OLD, &by_labels()), policy("b", NEW, &by_name()), "b")]
#[case::labels_before_kind(policy("a", OLD, &by_kind()), policy("b", NEW, &by_labels()), "b")]
#[case::kind_before_any(policy("a", OLD, &by_any()), policy("b", NEW, &by_kind()), "b")]
#[case::the_older(policy("a", NEW, &by_kind()), policy("b", OLD, &by_kind()), "b")]
#[case::then_the_name(policy("b", OLD, &by_kind()), policy("a", OLD, &by_kind()), "a")]
fn precedence_follows_the_order_of_the_api(#[case] one: Policy, #[case] other: Policy, #[case] winner: &str) {
    let chosen = all([one, other]).govern(&web(), None).unwrap();
    assert_eq!(&*chosen.policy.id.name, winner, "{}", chosen.why);
}

#[rstest]
#[case::a_claim_is_kept(json!("WhenUnclaimed"), "claims")]
#[case::always_takes_over(json!("Always"), "better")]
fn only_a_policy_that_always_takes_over_breaks_a_claim(#[case] takeover: Value, #[case] winner: &str) {
    let policies = all([
        policy("claims", NEW, &by_any()),
        policy("better", OLD, &with(by_name(), "takeover", takeover)),
    ]);
    let claim = policies
        .iter()
        .find(|policy| &*policy.id.name == "claims")
        .unwrap()
        .reference();
    assert_eq!(
        &*policies.govern(&web(), Some(&claim)).unwrap().policy.id.name,
        winner
    );
}

#[test]
fn a_claim_ends_when_its_policy_matches_no_more() {
    let policies = all([policy("other", OLD, &by_any())]);
    let claim = policy("gone", OLD, &by_name()).reference();
    assert_eq!(
        &*policies.govern(&web(), Some(&claim)).unwrap().policy.id.name,
        "other"
    );
}

#[rstest]
#[case::its_labels(json!({"apiVersion": "apps/v1", "kind": "Deployment",
    "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Near"}]}}))]
#[case::its_group(json!({"apiVersion": "apps/v1/x", "kind": "Deployment"}))]
#[case::its_kind(json!({"apiVersion": "apps/v1", "kind": "De ployment"}))]
fn a_selector_that_cannot_be_read_keeps_its_claims_and_makes_none(#[case] selector: Value) {
    let broken = policy("broken", OLD, &json!({"resourceSelectors": [selector]}));
    assert!(
        broken.problems[0].contains("resourceSelectors[0]"),
        "{:?}",
        broken.problems
    );
    let claim = broken.reference();
    let policies = all([broken]);
    assert!(policies.govern(&web(), None).is_none());
    assert!(policies.govern(&web(), Some(&claim)).is_some());
}

#[rstest]
#[case::deployment(("apps/v1", "Deployment"), "shop", "x", true)]
#[case::custom(("example.com/v1", "Widget"), "shop", "x", true)]
#[case::hub_kind(("hanse.dev/v1alpha1", "PropagationPolicy"), "shop", "x", false)]
#[case::bare_pod(("v1", "Pod"), "shop", "x", false)]
#[case::root_ca(("v1", "ConfigMap"), "shop", "kube-root-ca.crt", false)]
#[case::system_namespace(("apps/v1", "Deployment"), "kube-system", "x", false)]
#[case::default_namespace(("apps/v1", "Deployment"), "default", "x", false)]
#[case::hub_namespace(("apps/v1", "Deployment"), "hanse-system", "x", false)]
fn a_star_of_a_cluster_policy_means_what_tenants_may_propagate(
    #[case] kind: (&str, &str),
    #[case] namespace: &str,
    #[case] name: &str,
    #[case] expected: bool,
) {
    let policies = all([cluster_policy("all", &by_any())]);
    assert_eq!(
        policies
            .govern(&template(kind, namespace, name, &[]), None)
            .is_some(),
        expected
    );
}

#[test]
fn a_policy_of_another_namespace_selects_nothing_here() {
    let policies = all([policy("all", OLD, &by_any())]);
    let elsewhere = template(("apps/v1", "Deployment"), "bank", "web", &[]);
    assert!(policies.govern(&elsewhere, None).is_none());
}

#[test]
fn a_removed_policy_governs_no_more() {
    let mut policies = all([policy("all", OLD, &by_any())]);
    let id = policies.iter().next().unwrap().id.clone();
    assert!(policies.remove(&id).is_some());
    assert!(policies.govern(&web(), None).is_none());
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let selector = prop_oneof![
        Just(by_name()),
        Just(by_labels()),
        Just(by_kind()),
        Just(by_any())
    ];
    (
        0..6u8,
        selector,
        0..2i32,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(name, spec, priority, always, cluster, old)| {
            let spec = with(spec, "priority", priority.into());
            let spec = if always {
                with(spec, "takeover", "Always".into())
            } else {
                spec
            };
            let name = format!("p{name}");
            if cluster {
                cluster_policy(&name, &spec)
            } else {
                policy(&name, if old { OLD } else { NEW }, &spec)
            }
        })
}

proptest! {
    #[test]
    fn the_answer_given_again_is_the_answer_whatever_the_order(
        policies in proptest::collection::vec(any_policy(), 1..8),
        claimed in 0..8usize,
    ) {
        let mut sorted = policies.clone();
        sorted.sort_by(|a, b| a.id.cmp(&b.id));
        sorted.dedup_by(|a, b| a.id == b.id);
        let claim = sorted[claimed % sorted.len()].reference();
        let mut reversed = sorted.clone();
        reversed.reverse();
        let (one, other) = (all(sorted), all(reversed));
        let first = one.govern(&web(), Some(&claim)).unwrap();
        prop_assert_eq!(&first.policy.id, &other.govern(&web(), Some(&claim)).unwrap().policy.id);
        for first in [first, one.govern(&web(), None).unwrap()] {
            let again = one.govern(&web(), Some(&first.policy.reference())).unwrap();
            prop_assert_eq!(&first.policy.id, &again.policy.id);
            prop_assert_eq!(&first.why, &again.why, "a restart would write another message");
        }
    }
}

fn selecting(selector: &Value) -> Policies {
    all([policy("p", OLD, &json!({"resourceSelectors": [selector]}))])
}

#[rstest]
#[case::by_kind(json!({"apiVersion": "*", "kind": "Role"}), true)]
#[case::by_name(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "name": "all"}), true)]
#[case::by_anything(json!({"apiVersion": "*", "kind": "*"}), false)]
#[case::by_another_name(json!({"apiVersion": "*", "kind": "Role", "name": "other"}), false)]
#[case::by_another_group(json!({"apiVersion": "example.dev/v1", "kind": "Role"}), false)]
fn what_is_never_propagated_is_refused_only_where_somebody_named_it(
    #[case] selector: Value,
    #[case] refused: bool,
) {
    let role = template(("rbac.authorization.k8s.io/v1", "Role"), "shop", "all", &[]);
    let policies = selecting(&selector);
    assert!(policies.govern(&role, None).is_none());
    assert_eq!(policies.refuse(&role).is_some(), refused);
}

#[rstest]
#[case::the_machinerys_own_is_not_meant(json!({"apiVersion": "*", "kind": "ConfigMap"}), false)]
#[case::unless_by_name(json!({"apiVersion": "*", "kind": "ConfigMap", "name": "kube-root-ca.crt"}), true)]
fn one_object_that_is_never_propagated_is_refused_only_by_name(
    #[case] selector: Value,
    #[case] refused: bool,
) {
    let bundle = template(("v1", "ConfigMap"), "shop", "kube-root-ca.crt", &[]);
    assert_eq!(selecting(&selector).refuse(&bundle).is_some(), refused);
    assert!(
        selecting(&selector).refuse(&web()).is_none(),
        "what may be propagated is not refused"
    );
}

#[test]
fn a_policy_for_roles_does_not_speak_of_those_that_the_hub_made() {
    let policies = selecting(&json!({"apiVersion": "*", "kind": "RoleBinding"}));
    let of = |labels| {
        template(
            ("rbac.authorization.k8s.io/v1", "RoleBinding"),
            "shop",
            "owners",
            labels,
        )
    };
    assert!(policies.refuse(&of(&[])).is_some());
    assert!(policies.refuse(&of(&[("hanse.dev/system", "true")])).is_none());
}
