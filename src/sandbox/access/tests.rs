use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use rstest::rstest;
use serde_json::{Value, json};

use super::aggregate::gathered;
use super::{Access, Attributes, Subject, User, bootstrap};
use crate::model::clock::{Clock, Timestamp};
use crate::sandbox::api::Server;
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds;
use crate::sandbox::object::{self, meta, name, revision};
use crate::sandbox::store::{Expect, Key, Store};
use crate::sandbox::task::Tasks;
use crate::sandbox::write::Writer;

const MEMBER: [&str; 4] = [
    include_str!("../../../manifests/member/10-namespaces.yaml"),
    include_str!("../../../manifests/member/30-roles.yaml"),
    include_str!("../../../manifests/member/40-identity.yaml"),
    include_str!("../../../manifests/member/50-bindings.yaml"),
];
const HUB_API: [&str; 4] = [
    include_str!("../../../manifests/hub/10-namespace.yaml"),
    include_str!("../../../manifests/hub/20-roles.yaml"),
    include_str!("../../../manifests/hub/30-identity.yaml"),
    include_str!("../../../manifests/hub/40-bindings.yaml"),
];

const HUB: &str = "system:serviceaccount:hanse-system:hub";
const SHOP: &str = "system:serviceaccount:hanse-tenants:shop";

/// A cluster's objects, and a clock that the test moves.
struct World {
    store: Store,
    access: Access,
    now: Arc<Mutex<Timestamp>>,
}

impl World {
    fn new() -> Self {
        let now = Arc::new(Mutex::new("2026-01-01T00:00:00Z".parse().unwrap()));
        let store = Store::default();
        let clock = {
            let now = now.clone();
            Clock::from_fn(move || *now.lock())
        };
        let world = Self {
            access: Access::new(store.clone(), clock),
            store,
            now,
        };
        for object in bootstrap() {
            world.put(object);
        }
        world
    }

    fn with(manifests: &[&str]) -> Self {
        let world = Self::new();
        for manifest in manifests {
            for object in serde_saphyr::from_multiple::<Value>(manifest).unwrap() {
                world.put(object);
            }
        }
        world.aggregate();
        world
    }

    fn put(&self, mut object: Value) {
        let kind = object["kind"].as_str().unwrap().to_lowercase();
        let group = match object["apiVersion"].as_str().unwrap().split_once('/') {
            Some((group, _)) => format!(".{group}"),
            None => String::new(),
        };
        let uid = format!("uid-of-{}", name(&object));
        object::metadata_mut(&mut object).insert("uid".to_owned(), uid.into());
        let namespace = Some(meta(&object, "namespace"));
        let key = Key::new(&format!("{kind}s{group}"), namespace, name(&object));
        let expect = match self.store.get(&key) {
            Some(old) => Expect::At(revision(&old)),
            None => Expect::Absent,
        };
        self.store.put(&key, expect, object).unwrap();
    }

    fn aggregate(&self) {
        for _ in 0..3 {
            let (roles, _) = self.store.list("clusterroles.rbac.authorization.k8s.io", None);
            for role in &roles {
                if let Some(rules) = gathered(role, &roles) {
                    let mut role = (**role).clone();
                    role["rules"] = rules;
                    self.put(role);
                }
            }
        }
    }

    fn bind(&self, namespace: &str, role: &str, user: &str) {
        let subject = match super::account_of(user) {
            Some((namespace, name)) => {
                json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
            }
            None => json!({"kind": "User", "name": user}),
        };
        self.put(json!({
            "apiVersion": super::API_VERSION, "kind": "RoleBinding",
            "metadata": {"namespace": namespace, "name": format!("{role}-{user}")},
            "roleRef": {"apiGroup": super::GROUP, "kind": "ClusterRole", "name": role}, "subjects": [subject],
        }));
    }

    fn token(&self, namespace: &str, name: &str) -> String {
        let body = json!({"kind": "TokenRequest", "spec": {}});
        let answer = self.access.request_token(namespace, name, body).unwrap();
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    /// Whether the owner of a token may act as somebody.
    fn act(&self, token: &str, headers: &[(&'static str, &str)]) -> Result<User, Failure> {
        let mut all = HeaderMap::new();
        all.insert("authorization", format!("Bearer {token}").parse().unwrap());
        for (name, value) in headers {
            all.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        self.access.authenticate(&all).map(|caller| caller.user)
    }
}

/// `VERB GROUP/RESOURCE[/SUBRESOURCE] [NAMESPACE [NAME]]`, `-` for no namespace; or `VERB url:/PATH`.
fn attributes(text: &str) -> Attributes<'_> {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (verb, what, namespace, name) = (word(), word(), word(), word());
    if let Some(path) = what.strip_prefix("url:") {
        return Attributes::Path { verb, path };
    }
    let mut parts = what.split('/');
    let mut part = || parts.next().unwrap_or_default();
    Attributes::Resource {
        verb,
        group: part(),
        resource: part(),
        subresource: part(),
        namespace: if namespace == "-" { "" } else { namespace },
        name,
    }
}

fn user(name: &str) -> User {
    let groups = match super::account_of(name) {
        Some((namespace, _)) => super::groups_of_account(namespace),
        None => Vec::new(),
    };
    let mut user = User {
        name: name.into(),
        groups,
        ..User::default()
    };
    user.groups.push("system:authenticated".into());
    user
}

/// The rows of `tests/e2e/fence` that rights decide: what admission policies refuse is another matter.
#[rstest]
#[case::the_hub_reads_facts(HUB, "watch /pods -", true)]
#[case(HUB, "list /nodes", true)]
#[case(HUB, "list apps/deployments", true)]
#[case(HUB, "list discovery.k8s.io/endpointslices", true)]
#[case(HUB, "list apiextensions.k8s.io/customresourcedefinitions", true)]
#[case(HUB, "list storage.k8s.io/storageclasses", true)]
#[case(HUB, "get url:/openapi/v3", true)]
#[case(HUB, "get url:/readyz", true)]
#[case(HUB, "get url:/metrics", false)]
#[case(HUB, "create /namespaces", true)]
#[case(HUB, "patch rbac.authorization.k8s.io/rolebindings shop hanse-tenant", true)]
#[case(HUB, "create authorization.k8s.io/selfsubjectaccessreviews", true)]
#[case(HUB, "create authentication.k8s.io/selfsubjectreviews", true)]
#[case::its_own_token_only(HUB, "create /serviceaccounts/token hanse-system hub", true)]
#[case(HUB, "create /serviceaccounts/token hanse-system other", false)]
#[case(HUB, "create /serviceaccounts/token kube-system default", false)]
#[case::its_claim_only_read(HUB, "get coordination.k8s.io/leases hanse-system hub-claim", true)]
#[case(HUB, "patch coordination.k8s.io/leases hanse-system hub-claim", false)]
#[case(HUB, "get coordination.k8s.io/leases hanse-system other", false)]
#[case::no_secrets(HUB, "list /secrets", false)]
#[case(HUB, "list /secrets shop", false)]
#[case(HUB, "list admissionregistration.k8s.io/validatingadmissionpolicies", false)]
#[case(HUB, "create rbac.authorization.k8s.io/clusterroles", false)]
#[case(HUB, "create rbac.authorization.k8s.io/clusterrolebindings", false)]
#[case(HUB, "create /configmaps shop", false)]
#[case(HUB, "bind rbac.authorization.k8s.io/clusterroles shop hanse:tenant", true)]
#[case(HUB, "bind rbac.authorization.k8s.io/clusterroles shop cluster-admin", false)]
#[case(HUB, "impersonate /serviceaccounts hanse-tenants shop", true)]
#[case(HUB, "impersonate /serviceaccounts kube-system default", false)]
#[case(HUB, "impersonate /users - system:admin", false)]
#[case::the_tenant_at_home(SHOP, "patch apps/deployments shop web", true)]
#[case(SHOP, "patch apps/deployments/scale shop web", true)]
#[case(SHOP, "deletecollection apps/deployments shop", true)]
#[case(SHOP, "list /secrets shop", true)]
#[case(SHOP, "patch apps/deployments/status shop web", false)]
#[case(SHOP, "create /resourcequotas shop", false)]
#[case::and_nowhere_else(SHOP, "list /secrets retail", false)]
#[case(SHOP, "list /secrets", false)]
#[case(SHOP, "list /nodes", false)]
#[case(SHOP, "get url:/version", true)]
#[case::administrators_have_nothing_at_first(
    "system:serviceaccount:hanse-tenants:hanse-admin",
    "create scheduling.k8s.io/priorityclasses",
    false
)]
fn the_hub_may_do_in_a_member_what_join_gave_it(#[case] who: &str, #[case] what: &str, #[case] may: bool) {
    let world = World::with(&MEMBER);
    world.bind("shop", "hanse:tenant", SHOP);
    let answer = world.access.authorize(&user(who), &attributes(what));
    assert_eq!(answer.is_ok(), may, "{answer:?}");
}

#[rstest]
#[case("system:serviceaccount:hanse-system:hub-api", "watch /secrets shop", true)]
#[case(
    "system:serviceaccount:hanse-system:hub-api",
    "watch example.com/anything",
    true
)]
#[case(
    "system:serviceaccount:hanse-system:hub-api",
    "patch hanse.dev/workloadbindings/status shop",
    true
)]
#[case(
    "system:serviceaccount:hanse-system:hub-api",
    "patch apps/deployments/status shop",
    true
)]
#[case(
    "system:serviceaccount:hanse-system:hub-api",
    "update coordination.k8s.io/leases hanse-system hub-leader",
    true
)]
#[case(
    "system:serviceaccount:hanse-system:hub-api",
    "update coordination.k8s.io/leases kube-system",
    false
)]
#[case(
    "system:serviceaccount:hanse-system:hub-api",
    "patch apps/deployments shop",
    false
)]
#[case(
    "system:serviceaccount:hanse-system:hub-api",
    "delete /namespaces shop",
    false
)]
#[case(
    "system:serviceaccount:hanse-system:hub-api",
    "bind rbac.authorization.k8s.io/clusterroles - hanse:hub-owner",
    true
)]
#[case(
    "system:serviceaccount:hanse-system:hub-api",
    "escalate rbac.authorization.k8s.io/clusterroles - hanse:hub-api",
    false
)]
#[case("ana", "create apps/deployments owned", true)]
#[case("ana", "create hanse.dev/propagationpolicies owned", true)]
#[case("ana", "patch hanse.dev/workloadbindings owned", false)]
#[case("ana", "create apps/deployments default", false)]
#[case("ana", "create hanse.dev/tenants", false)]
fn the_hub_is_no_administrator_of_its_own_api(#[case] who: &str, #[case] what: &str, #[case] may: bool) {
    let world = World::with(&HUB_API);
    world.bind("owned", "hanse:hub-owner", "ana");
    let answer = world.access.authorize(&user(who), &attributes(what));
    assert_eq!(answer.is_ok(), may, "{answer:?}");
}

#[rstest]
#[case(
    "list /secrets shop",
    r#"secrets is forbidden: User "ana" cannot list resource "secrets" in API group "" in the namespace "shop""#
)]
#[case(
    "patch apps/deployments/scale shop web",
    r#"deployments.apps "web" is forbidden: User "ana" cannot patch resource "deployments/scale" in API group "apps" in the namespace "shop""#
)]
#[case(
    "list /nodes",
    r#"nodes is forbidden: User "ana" cannot list resource "nodes" in API group "" at the cluster scope"#
)]
#[case("get url:/metrics", r#"forbidden: User "ana" cannot get path "/metrics""#)]
#[case::told_what_is_missing(
    "get /pods broken p",
    r#"pods "p" is forbidden: User "ana" cannot get resource "pods" in API group "" in the namespace "broken": RBAC: clusterrole.rbac.authorization.k8s.io "none" not found"#
)]
fn a_refusal_has_upstreams_words(#[case] what: &str, #[case] words: &str) {
    let world = World::new();
    world.bind("broken", "none", "ana");
    let failure = world
        .access
        .authorize(&user("ana"), &attributes(what))
        .unwrap_err();
    assert_eq!(
        (failure.code, failure.reason, failure.message.as_str()),
        (403, "Forbidden", words)
    );
}

#[test]
fn a_tenant_is_impersonated_without_an_object_and_nobody_else_is() {
    let world = World::with(&MEMBER);
    let token = world.token("hanse-system", "hub");
    let tenant = world.act(&token, &[("impersonate-user", SHOP)]).unwrap();
    assert_eq!(&*tenant.name, SHOP);
    let groups = [
        "system:serviceaccounts",
        "system:serviceaccounts:hanse-tenants",
        "system:authenticated",
    ];
    assert_eq!(
        tenant.groups.iter().map(|group| &**group).collect::<Vec<_>>(),
        groups
    );
    let refused = |headers: &[(&'static str, &str)], words: &str| {
        let failure = world.act(&token, headers).unwrap_err();
        assert_eq!((failure.code, failure.message.as_str()), (403, words));
    };
    refused(
        &[("impersonate-user", "system:serviceaccount:kube-system:default")],
        &format!(
            r#"serviceaccounts "default" is forbidden: User "{HUB}" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "kube-system""#
        ),
    );
    refused(
        &[("impersonate-user", "system:admin")],
        &format!(
            r#"users "system:admin" is forbidden: User "{HUB}" cannot impersonate resource "users" in API group "" at the cluster scope"#
        ),
    );
    refused(
        &[
            ("impersonate-user", SHOP),
            ("impersonate-group", "system:masters"),
        ],
        &format!(
            r#"groups "system:masters" is forbidden: User "{HUB}" cannot impersonate resource "groups" in API group "" at the cluster scope"#
        ),
    );
    // An empty name is no name: the request is the hub's own.
    assert_eq!(
        &*world.act(&token, &[("impersonate-user", "")]).unwrap().name,
        HUB
    );
    let alone = world.act(&token, &[("impersonate-group", "x")]).unwrap_err();
    assert_eq!(alone.code, 400);
}

#[test]
fn a_token_lives_as_long_as_it_says_and_its_account_does() {
    let world = World::with(&MEMBER);
    let token = world.token("hanse-system", "hub");
    assert_eq!(&*world.act(&token, &[]).unwrap().name, HUB);
    let code = |token: &str| world.act(token, &[]).map_err(|failure| failure.code).err();
    assert_eq!(code(&format!("{token}x")), Some(401), "forged");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    assert_eq!(
        code(&format!("{header}.e30.{signature}")),
        Some(401),
        "another payload"
    );
    *world.now.lock() += Duration::from_secs(3599);
    assert_eq!(code(&token), None);
    *world.now.lock() += Duration::from_secs(1);
    assert_eq!(code(&token), Some(401), "expired");

    let fresh = world.token("hanse-system", "hub");
    let key = Key::new("serviceaccounts", Some("hanse-system"), "hub");
    let account = world.store.get(&key).unwrap();
    world.store.remove(&key, revision(&account)).unwrap();
    assert_eq!(code(&fresh), Some(401), "the account is gone");
}

#[test]
fn a_token_for_others_is_none_for_us() {
    let world = World::with(&MEMBER);
    let body = json!({"spec": {"audiences": ["vault"], "expirationSeconds": 2_592_000}});
    let answer = world.access.request_token("hanse-system", "hub", body).unwrap();
    assert_eq!(answer["status"]["expirationTimestamp"], "2026-01-31T00:00:00Z");
    let token = answer["status"]["token"].as_str().unwrap();
    assert_eq!(world.act(token, &[]).unwrap_err().code, 401);
    let short = json!({"spec": {"expirationSeconds": 60}});
    let failure = world
        .access
        .request_token("hanse-system", "hub", short)
        .unwrap_err();
    assert_eq!(
        failure.message,
        "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 60: \
         may not specify a duration less than 10 minutes"
    );
}

#[test]
fn a_client_from_outside_is_who_its_token_says() {
    let world = World::new();
    let subject = Subject::User {
        name: "kubernetes-admin".to_owned(),
        groups: vec!["system:masters".to_owned()],
    };
    let token = world.access.issue(&subject, &[], Duration::from_mins(1)).text;
    let admin = world.act(&token, &[]).unwrap();
    assert!(
        world
            .access
            .authorize(&admin, &attributes("delete /nodes - n"))
            .is_ok()
    );
    let nobody = world.access.authenticate(&HeaderMap::new()).unwrap().user;
    assert_eq!(&*nobody.name, "system:anonymous");
    assert!(
        world
            .access
            .authorize(&nobody, &attributes("get url:/version"))
            .is_ok()
    );
    assert!(
        world
            .access
            .authorize(&nobody, &attributes("list /pods"))
            .is_err()
    );
}

#[test]
fn reviews_answer_as_the_gate_does() {
    let world = World::with(&MEMBER);
    let ask = |plural: &str, body: Value| {
        let asks = world.access.review(&user(HUB), plural, body).unwrap();
        asks["status"].clone()
    };
    let pods = json!({"verb": "list", "resource": "pods", "namespace": "shop"});
    assert_eq!(
        ask(
            "selfsubjectaccessreviews",
            json!({"spec": {"resourceAttributes": pods}})
        ),
        json!({"allowed": true})
    );
    assert_eq!(
        ask(
            "subjectaccessreviews",
            json!({"spec": {"user": "ana", "resourceAttributes": pods}})
        ),
        json!({"allowed": false})
    );
    let who = ask("selfsubjectreviews", json!({}));
    assert_eq!(who["userInfo"]["username"], HUB);
}

#[rstest]
#[case::bind_lets_him("hub", "hanse:tenant", None)]
#[case::nothing_lets_him(
    "hub",
    "edit",
    Some(
        "rolebindings.rbac.authorization.k8s.io \"b\" is forbidden: user \"system:serviceaccount:hanse-system:hub\" (groups=[\"system:serviceaccounts\" \"system:serviceaccounts:hanse-system\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"configmaps\"], Verbs:[\"create\" \"delete\" \"deletecollection\" \"patch\" \"update\"]}\n"
    )
)]
#[case::he_has_it_all("hub", "view", None)]
#[case::no_such_role(
    "hub",
    "none",
    Some("rolebindings.rbac.authorization.k8s.io \"none\" not found")
)]
fn a_binding_gives_no_more_than_its_writer_has(
    #[case] account: &str,
    #[case] role: &str,
    #[case] words: Option<&str>,
) {
    let world = World::with(&MEMBER);
    let writer = user(&format!("system:serviceaccount:hanse-system:{account}"));
    let binding = json!({
        "metadata": {"namespace": "shop", "name": "b"},
        "roleRef": {"apiGroup": super::GROUP, "kind": "ClusterRole", "name": role},
    });
    let answer = world
        .access
        .admit(&writer, super::GROUP, "rolebindings", None, &binding);
    match words {
        None => answer.unwrap(),
        Some(words) => {
            let message = answer.unwrap_err().message;
            assert!(message.starts_with(words), "{message}");
        }
    }
}

#[test]
fn a_role_gives_no_more_than_its_writer_has() {
    let world = World::with(&MEMBER);
    world.bind("shop", "edit", "ana");
    let admit =
        |role: &Value, plural: &str| world.access.admit(&user("ana"), super::GROUP, plural, None, role);
    let role = |resource: &str| {
        json!({"metadata": {"namespace": "shop", "name": "r"},
               "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": [resource]}]})
    };
    admit(&role("secrets"), "roles").unwrap();
    let message = admit(&role("nodes"), "roles").unwrap_err().message;
    assert!(
        message.ends_with("{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}"),
        "{message}"
    );
    let gathers = json!({"metadata": {"name": "g"}, "aggregationRule": {"clusterRoleSelectors": [{}]}});
    let message = admit(&gathers, "clusterroles").unwrap_err().message;
    assert_eq!(
        message,
        "clusterroles.rbac.authorization.k8s.io \"g\" is forbidden: must have cluster-admin privileges to use the aggregationRule"
    );
    // The garbage collector's own writes pass.
    let old = json!({"metadata": {"name": "g", "finalizers": ["x"]}, "rules": [{"verbs": ["*"]}]});
    let new = json!({"metadata": {"name": "g"}, "rules": [{"verbs": ["*"]}]});
    world
        .access
        .admit(&user("ana"), super::GROUP, "clusterroles", Some(&old), &new)
        .unwrap();
}

#[test]
fn rights_change_with_the_objects() {
    let world = World::new();
    let may = || {
        world
            .access
            .authorize(&user("ana"), &attributes("get /pods shop p"))
            .is_ok()
    };
    assert!(!may());
    world.bind("shop", "view", "ana");
    assert!(may());
    world.store.compact();
    let key = Key::new("rolebindings.rbac.authorization.k8s.io", Some("shop"), "view-ana");
    let binding = world.store.get(&key).unwrap();
    world.store.remove(&key, revision(&binding)).unwrap();
    world.store.compact();
    assert!(!may());
}

#[test]
fn who_gathers_by_label_has_what_the_labelled_have() {
    let world = World::with(&MEMBER);
    world.bind("shop", "hanse:tenant", SHOP);
    let may = || {
        let asks = attributes("create example.com/widgets shop");
        world.access.authorize(&user(SHOP), &asks).is_ok()
    };
    assert!(!may());
    world.put(json!({
        "apiVersion": super::API_VERSION, "kind": "ClusterRole",
        "metadata": {"name": "widgets", "labels": {"hanse.dev/aggregate-to-tenant": "true"}},
        "rules": [{"verbs": ["create"], "apiGroups": ["example.com"], "resources": ["widgets"]}],
    }));
    world.aggregate();
    assert!(may());
}

#[tokio::test(start_paused = true)]
async fn the_actor_gathers_and_rests() {
    let store = Store::default();
    let clock = Clock::system();
    let access = Access::new(store.clone(), clock.clone());
    let server = Server::new(store.clone(), kinds::builtin(), clock, access);
    let tasks = Tasks::default();
    let writer = Writer::controller("test");
    let roles = server.target(super::GROUP, "clusterroles", "", "").unwrap();
    let bootstrapped = bootstrap();
    for role in bootstrapped
        .iter()
        .filter(|object| object["kind"] == "ClusterRole")
    {
        server.create(&writer, &roles, role.clone()).unwrap();
    }
    let revision = store.revision();
    tasks.spawn(super::aggregate(server.clone()));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(
        store.revision(),
        revision,
        "what starts aggregated needs no write"
    );

    let widgets = json!({"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["widgets"]});
    let role = json!({
        "apiVersion": super::API_VERSION, "kind": "ClusterRole",
        "metadata": {"name": "widgets", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [widgets],
    });
    server.create(&writer, &roles, role).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for gatherer in ["view", "edit", "admin"] {
        let role = server.get(&roles.named(gatherer)).unwrap();
        assert!(role["rules"].as_array().unwrap().contains(&widgets), "{gatherer}");
    }
    tasks.stop().await;
}
