//! The project's own fence, judged here. Every expression of it must be enforced, or the sandbox shows less than the
//! real thing.

use std::sync::Arc;

use rstest::rstest;
use serde_json::{Value, json};

use super::compile::Policy;
use super::*;
use crate::model::manifest::read;
use crate::sandbox::access::User;
use crate::sandbox::api::Target;
use crate::sandbox::kinds::{Origin, Resource};
use crate::sandbox::store::{Expect, Key, Store};

const HUB: &str = "system:serviceaccount:hanse-system:hub";
const TENANT: &str = "system:serviceaccount:hanse-tenants:shop";

fn fence() -> Vec<Value> {
    let files = [
        include_str!("../../../manifests/member/20-fence-namespaces.yaml"),
        include_str!("../../../manifests/member/21-fence-objects.yaml"),
        include_str!("../../../manifests/member/22-fence-rbac.yaml"),
        include_str!("../../../manifests/member/23-fence-admin-roles.yaml"),
    ];
    let documents = files.iter().flat_map(|text| read("fence.yaml", text).0);
    documents.map(|document| document.object).collect()
}

fn policies() -> Policies {
    let store = Store::default();
    for object in fence() {
        let resource = match object["kind"].as_str().unwrap() {
            "ValidatingAdmissionPolicy" => "validatingadmissionpolicies.admissionregistration.k8s.io",
            _ => "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        };
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        store
            .put(&Key::new(resource, None, &name), Expect::Absent, object)
            .unwrap();
    }
    Policies::new(store)
}

fn target(group: &str, plural: &str, kind: &str, namespace: Option<&str>, name: &str) -> Target {
    Target {
        resource: Arc::new(Resource {
            group: group.into(),
            plural: plural.into(),
            singular: Arc::from(""),
            kind: kind.into(),
            list_kind: Arc::from(""),
            short_names: Vec::new(),
            categories: Vec::new(),
            namespaced: namespace.is_some(),
            versions: Vec::new(),
            storage: "v1".into(),
            origin: Origin::BuiltIn,
        }),
        version: "v1".into(),
        namespace: namespace.map(Into::into),
        name: name.into(),
        subresource: Arc::from(""),
    }
}

#[test]
fn every_policy_of_the_fence_is_enforced() {
    let fence = fence();
    let bindings = fence
        .iter()
        .filter(|object| object["kind"] == "ValidatingAdmissionPolicyBinding");
    let mut count = 0;
    for binding in bindings {
        let named = |object: &&Value| {
            object["kind"] == "ValidatingAdmissionPolicy"
                && object["metadata"]["name"] == binding["spec"]["policyName"]
        };
        let policy = fence.iter().find(named).unwrap();
        assert!(
            Policy::compile(policy, binding).is_some(),
            "{}",
            policy["metadata"]["name"]
        );
        count += 1;
    }
    assert_eq!(count, 4);
}

#[rstest]
#[case::its_own_namespace(HUB, "shop", json!({"hanse.dev/tenant": "shop", "pod-security.kubernetes.io/enforce": "baseline"}), None)]
#[case::no_label(HUB, "shop", json!({"pod-security.kubernetes.io/enforce": "baseline"}), Some("a namespace is made only with the label hanse.dev/tenant"))]
#[case::no_level(HUB, "shop", json!({"hanse.dev/tenant": "shop"}), Some("pod-security.kubernetes.io/enforce: baseline or restricted"))]
#[case::reserved(HUB, "kube-x", json!({"hanse.dev/tenant": "shop", "pod-security.kubernetes.io/enforce": "baseline"}), Some("are never the hub's"))]
#[case::tenant(TENANT, "shop", json!({"hanse.dev/tenant": "shop"}), Some("a tenant writes no namespaces"))]
#[case::somebody_else("ana", "shop", json!({}), None)]
fn namespaces_are_made_as_the_fence_says(
    #[case] user: &str,
    #[case] name: &str,
    #[case] labels: Value,
    #[case] refused: Option<&str>,
) {
    let object = json!({"metadata": {"name": name, "labels": labels}});
    let answer = policies().judge(&Judged {
        user: &User::system(user),
        operation: Operation::Create,
        target: &target("", "namespaces", "Namespace", None, name),
        object: Some(&object),
        old: None,
        namespace: None,
        dry_run: false,
    });
    match (answer, refused) {
        (Ok(()), None) => {}
        (Err(failure), Some(words)) => {
            assert_eq!((failure.code, failure.reason), (403, "Forbidden"));
            assert!(failure.message.contains(words), "{}", failure.message);
        }
        (answer, _) => panic!("{answer:?}"),
    }
}

#[rstest]
#[case::at_home(TENANT, "shop", json!({"hanse.dev/tenant": "shop"}), true)]
#[case::abroad(TENANT, "other", json!({"hanse.dev/tenant": "other"}), false)]
#[case::unlabelled(TENANT, "shop", json!({}), false)]
#[case::in_kube_system(HUB, "kube-system", json!({"hanse.dev/tenant": "shop"}), false)]
fn objects_are_written_as_the_fence_says(
    #[case] user: &str,
    #[case] namespace: &str,
    #[case] labels: Value,
    #[case] allowed: bool,
) {
    let object = json!({"metadata": {"name": "web", "namespace": namespace}});
    let namespace_object = json!({"metadata": {"name": namespace, "labels": labels}});
    let answer = policies().judge(&Judged {
        user: &User::system(user),
        operation: Operation::Create,
        target: &target("apps", "deployments", "Deployment", Some(namespace), "web"),
        object: Some(&object),
        old: None,
        namespace: Some(&namespace_object),
        dry_run: false,
    });
    assert_eq!(answer.is_ok(), allowed, "{answer:?}");
}
