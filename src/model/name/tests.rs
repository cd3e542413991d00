use proptest::prelude::*;
use rstest::rstest;

use super::label::is_subdomain;
use super::*;

#[rstest]
#[case("eu-1", true)]
#[case("1", true)]
#[case("a.b", false)]
#[case("-a", false)]
#[case("a-", false)]
#[case("A", false)]
#[case("é", false)]
#[case("", false)]
#[case(&"a".repeat(57), true)]
#[case(&"a".repeat(58), false)]
fn a_cluster_name_leaves_room_for_the_name_of_its_virtual_node(#[case] text: &str, #[case] accepted: bool) {
    assert_eq!(ClusterName::parse(text).is_ok(), accepted);
    let read: Result<ClusterName, _> = serde_json::from_value(text.into());
    assert_eq!(read.is_ok(), accepted);
}

#[rstest]
#[case("web.v2", true)]
#[case("a..b", false)]
#[case("a.-b", false)]
#[case("web_1", false)]
#[case("../etc", false)]
#[case(&"a".repeat(253), true)]
#[case(&"a".repeat(254), false)]
fn an_object_name_is_a_subdomain(#[case] text: &str, #[case] accepted: bool) {
    assert_eq!(ObjectName::parse(text).is_ok(), accepted);
}

#[rstest]
#[case("apps/Deployment/shop/web", "apps/Deployment/shop/web")]
#[case("/ConfigMap/shop/web", "ConfigMap/shop/web")]
#[case("/Node//n1", "Node/n1")]
fn a_key_is_read_back_from_its_annotation(#[case] annotation: &str, #[case] shown: &str) {
    let key: ObjectKey = annotation.parse().unwrap();
    assert_eq!(key.annotation(), annotation);
    assert_eq!(key.to_string(), shown);
}

#[rstest]
#[case("Deployment/shop/web")]
#[case("apps/Deployment/shop/web/x")]
#[case("apps//shop/web")]
#[case("apps/Deployment/shop/")]
fn what_is_not_exactly_the_annotation_form_is_no_key(#[case] text: &str) {
    assert!(text.parse::<ObjectKey>().is_err());
}

#[rstest]
#[case("v1", "ConfigMap", Some(("", "v1")))]
#[case("apps/v1", "Deployment", Some(("apps", "v1")))]
#[case("a/b/c", "X", None)]
#[case("/v1", "X", None)]
#[case("apps/", "X", None)]
#[case("", "X", None)]
#[case("v1", "", None)]
fn an_api_version_is_split_into_group_and_version(
    #[case] api_version: &str,
    #[case] kind: &str,
    #[case] expected: Option<(&str, &str)>,
) {
    let read = GroupVersionKind::from_api_version(api_version, kind).ok();
    assert_eq!(read.as_ref().map(|gvk| (&*gvk.group, &*gvk.version)), expected);
    if let Some(gvk) = read {
        assert_eq!(gvk.api_version(), api_version);
    }
}

/// Bindings are found by this name after an upgrade.
#[test]
fn the_name_of_a_binding_never_changes() {
    let deployment = GroupKind::new("apps", "Deployment");
    assert_eq!(binding_name(&deployment, "web"), "deployment-web-902c5083e5");
}

proptest! {
    #[test]
    fn a_binding_name_is_an_object_name_and_a_label_value(name in "[a-z0-9]([-.a-z0-9]{0,250}[a-z0-9])?") {
        prop_assume!(is_subdomain(&name));
        let bound = binding_name(&GroupKind::new("apps", "Deployment"), &name);
        prop_assert!(ObjectName::parse(&bound).is_ok() && bound.len() <= 63, "{}", bound);
        prop_assert_ne!(&bound, &binding_name(&GroupKind::new("", "Deployment"), &name));
    }
}
