//! The command line against real API servers, without a running hub: install, join, leave, take over, apply, get.

use std::path::{Path, PathBuf};

use k8s_openapi::api::{
    admissionregistration::v1::ValidatingAdmissionPolicy,
    coordination::v1::Lease,
    core::v1::{ConfigMap, Namespace, Secret},
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{
    Client, ResourceExt,
    api::{Api, ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::harness::{Answer, ControlPlane, Fleet, FleetOptions, HubCommand, NotYet, eventually};
use crate::scenario::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let two = || FleetOptions {
        members: 2,
        ..FleetOptions::default()
    };
    vec![Scenario::alone(
        "the_command_line_joins_and_leaves_members_and_changes_nothing_when_it_refuses",
        two(),
        whole,
    )]
}

async fn whole(fleet: Fleet) {
    let hub = HubCommand::new(env!("CARGO_BIN_EXE_hub")).against(fleet.hub().kubeconfig());
    not_installed(&fleet, &hub).await;
    install_twice(&fleet, &hub).await;
    wrong_authority(&fleet, &hub).await;
    join_twice(&fleet, &hub).await;
    names_are_kept_apart(&fleet, &hub).await;
    claimed_by_another(&fleet, &hub).await;
    apply_and_delete(&fleet, &hub).await;
    leave(&fleet, &hub).await;
}

async fn run(hub: &HubCommand, arguments: &[&str]) -> Answer {
    hub.run(arguments).await.unwrap()
}

/// A refusal: exit 1, the code, a hint.
#[track_caller]
fn refused(answer: &Answer, code: &str) {
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(
        answer.stderr.contains(&format!("error[{code}]")),
        "{}",
        answer.stderr
    );
    assert!(answer.stderr.contains("hint:"), "{}", answer.stderr);
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn write(fleet: &Fleet, name: &str, text: &str) -> String {
    let file: PathBuf = fleet.folder().join(name);
    std::fs::write(&file, text).unwrap();
    path(&file)
}

async fn join(hub: &HubCommand, member: &ControlPlane, more: &[&str]) -> Answer {
    let kubeconfig = path(member.kubeconfig());
    let mut arguments = vec!["join", member.name(), "--member-kubeconfig", &kubeconfig];
    arguments.extend(more);
    run(hub, &arguments).await
}

/// Whether anything of the hub is in a member.
async fn is_untouched(member: &ControlPlane) -> bool {
    let namespaces: Api<Namespace> = Api::all(member.admin());
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(member.admin());
    let none = ListParams::default();
    namespaces
        .list(&none)
        .await
        .unwrap()
        .iter()
        .all(|namespace| !namespace.name_any().starts_with("hanse-"))
        && policies.list(&none).await.unwrap().items.is_empty()
}

async fn not_installed(fleet: &Fleet, hub: &HubCommand) {
    let answer = join(hub, &fleet.members()[0], &[]).await;
    refused(&answer, "HUB0303");
    assert!(answer.stderr.contains("hub install"), "{}", answer.stderr);
    refused(&run(hub, &["get", "clusters"]).await, "HUB0303");
    assert!(is_untouched(&fleet.members()[0]).await);
}

async fn install_twice(fleet: &Fleet, hub: &HubCommand) {
    let first = run(hub, &["install", "-o", "json"]).await.success();
    let second = run(hub, &["install", "-o", "json"]).await.success();
    assert_eq!(first, second, "the hub id is never overwritten");
    let identity: ConfigMap = Api::namespaced(fleet.hub().admin(), "hanse-system")
        .get("hub-identity")
        .await
        .unwrap();
    assert!(first.contains(&identity.data.unwrap()["id"]));
    assert!(run(hub, &["get", "clusters"]).await.success().is_empty());
}

async fn wrong_authority(fleet: &Fleet, hub: &HubCommand) {
    let [right, other] =
        [&fleet.members()[0], fleet.hub()].map(|plane| std::fs::read_to_string(plane.kubeconfig()).unwrap());
    // Another authority that is just as valid: a certificate that signs nothing here.
    let wrong = rcgen::generate_simple_self_signed(vec!["elsewhere".to_owned()])
        .unwrap()
        .cert
        .pem();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, wrong);
    let mut kubeconfig: serde_json::Value = serde_saphyr::from_str(&right).unwrap();
    kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"] = json!(encoded);
    let file = write(fleet, "wrong-ca.kubeconfig", &kubeconfig.to_string());
    let answer = run(hub, &["join", "eu-1", "--member-kubeconfig", &file]).await;
    refused(&answer, "HUB0404");
    assert!(is_untouched(&fleet.members()[0]).await);
    let file = write(
        fleet,
        "insecure.kubeconfig",
        &other.replace(
            "certificate-authority-data:",
            "insecure-skip-tls-verify: true\n    x-data:",
        ),
    );
    let answer = run(hub, &["join", "eu-1", "--member-kubeconfig", &file]).await;
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(run(hub, &["get", "clusters"]).await.success().is_empty());
}

async fn join_twice(fleet: &Fleet, hub: &HubCommand) {
    let member = &fleet.members()[0];
    join(hub, member, &["--label", "env=prod", "--region", "eu"])
        .await
        .success();
    let secrets: Api<Secret> = Api::namespaced(fleet.hub().admin(), "hanse-system");
    let name = format!("member-{}", member.name());
    let first = secrets.get(&name).await.unwrap();
    let claim: Lease = Api::namespaced(member.admin(), "hanse-system")
        .get("hub-claim")
        .await
        .unwrap();
    join(hub, member, &[]).await.success();
    let second = secrets.get(&name).await.unwrap();
    assert_eq!(
        first.metadata.resource_version, second.metadata.resource_version,
        "a good token is kept"
    );
    let again: Lease = Api::namespaced(member.admin(), "hanse-system")
        .get("hub-claim")
        .await
        .unwrap();
    assert_eq!(claim.metadata.resource_version, again.metadata.resource_version);
    join(hub, member, &["--refresh"]).await.success();
    let third = secrets.get(&name).await.unwrap();
    assert_ne!(second.data, third.data, "--refresh asks for a new token");
    let shown = run(hub, &["get", "cluster", member.name(), "-o", "json"])
        .await
        .success();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        shown["metadata"]["labels"]["env"], "prod",
        "joining again takes nothing back"
    );
    assert_eq!(shown["spec"]["region"], "eu");
    let secret = run(hub, &["get", "secret", &name, "-n", "hanse-system", "-o", "yaml"])
        .await
        .success();
    assert!(
        secret.contains("<redacted>") && !secret.contains("YXBp"),
        "{secret}"
    );
}

async fn names_are_kept_apart(fleet: &Fleet, hub: &HubCommand) {
    // The running hub writes the uid; here the test does.
    let member = &fleet.members()[0];
    let namespace: Namespace = Api::all(member.admin()).get("kube-system").await.unwrap();
    let clusters: Api<hanse::model::api::Cluster> = Api::all(fleet.hub().admin());
    let status = json!({"status": {"uid": namespace.uid().unwrap()}});
    clusters
        .patch_status(member.name(), &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
    let kubeconfig = path(member.kubeconfig());
    refused(
        &run(hub, &["join", "other", "--member-kubeconfig", &kubeconfig]).await,
        "HUB0409",
    );
    let kubeconfig = path(fleet.members()[1].kubeconfig());
    refused(
        &run(hub, &["join", member.name(), "--member-kubeconfig", &kubeconfig]).await,
        "HUB0409",
    );
    refused(
        &run(
            hub,
            &["join", "nobody", "--refresh", "--member-kubeconfig", &kubeconfig],
        )
        .await,
        "HUB0305",
    );
    assert!(is_untouched(&fleet.members()[1]).await);
}

async fn claimed_by_another(fleet: &Fleet, hub: &HubCommand) {
    let member = &fleet.members()[1];
    let client = member.admin();
    join(hub, member, &[]).await.success();
    let leases: Api<Lease> = Api::namespaced(client, "hanse-system");
    let ours = leases
        .get("hub-claim")
        .await
        .unwrap()
        .spec
        .unwrap()
        .holder_identity
        .unwrap();
    let theirs = json!({"spec": {"holderIdentity": "another/hub"}});
    leases
        .patch("hub-claim", &PatchParams::default(), &Patch::Merge(&theirs))
        .await
        .unwrap();
    let answer = join(hub, member, &[]).await;
    refused(&answer, "HUB0408");
    assert!(answer.stderr.contains("hub takeover"), "{}", answer.stderr);
    let holder = leases
        .get("hub-claim")
        .await
        .unwrap()
        .spec
        .unwrap()
        .holder_identity;
    assert_eq!(holder.as_deref(), Some("another/hub"));
    let kubeconfig = path(member.kubeconfig());
    run(
        hub,
        &["takeover", member.name(), "--member-kubeconfig", &kubeconfig],
    )
    .await
    .success();
    assert_eq!(
        leases
            .get("hub-claim")
            .await
            .unwrap()
            .spec
            .unwrap()
            .holder_identity,
        Some(ours)
    );
}

const SHOP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting, namespace: cli-shop}
data: {hello: world}
---
apiVersion: example.dev/v1
kind: Widget
metadata: {name: gear, namespace: cli-shop}
spec: {size: 3}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.dev}
spec:
  group: example.dev
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
---
apiVersion: v1
kind: Namespace
metadata: {name: cli-shop}
";

async fn apply_and_delete(fleet: &Fleet, hub: &HubCommand) {
    let client: Client = fleet.hub().admin();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "cli-shop");
    let file = write(fleet, "shop.yaml", SHOP);
    // One mistake refuses everything.
    let wrong = write(
        fleet,
        "wrong.yaml",
        &format!(
            "{SHOP}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: bad, namespace: default}}\ndatas: {{a: b}}\n"
        ),
    );
    let answer = run(hub, &["apply", "-f", &wrong]).await;
    refused(&answer, "HUB0501");
    assert!(answer.stderr.contains("wrong.yaml:"), "{}", answer.stderr);
    assert!(maps.get_opt("greeting").await.unwrap().is_none());
    // Definitions before what they define, namespaces before what is in them.
    run(hub, &["apply", "-f", &file, "--dry-run"]).await.success();
    assert!(maps.get_opt("greeting").await.unwrap().is_none());
    run(hub, &["apply", "-f", &file]).await.success();
    let first = maps.get("greeting").await.unwrap();
    run(hub, &["apply", "-f", &file]).await.success();
    assert_eq!(
        first.resource_version(),
        maps.get("greeting").await.unwrap().resource_version()
    );
    // Somebody else's field.
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"hello": "you"}});
    maps.patch(
        "greeting",
        &PatchParams::apply("other").force(),
        &Patch::Apply(&theirs),
    )
    .await
    .unwrap();
    refused(&run(hub, &["apply", "-f", &file]).await, "HUB0502");
    run(hub, &["apply", "-f", &file, "--force-conflicts"])
        .await
        .success();
    let table = run(hub, &["get", "CONFIGMAPS", "-n", "cli-shop"]).await.success();
    assert!(table.starts_with("NAME") && table.contains("greeting"), "{table}");
    refused(&run(hub, &["get", "confgmap"]).await, "HUB0306");
    // A policy that names a member nobody knows, and a namespace of no tenant.
    let policy = "apiVersion: hanse.dev/v1alpha1\nkind: PropagationPolicy\nmetadata: {name: p, namespace: cli-shop}\nspec:\n  \
                  resourceSelectors: [{apiVersion: '*', kind: '*'}]\n  placement: {terms: [{clusters: {names: [nowhere]}}]}\n";
    let tenant = "---\napiVersion: hanse.dev/v1alpha1\nkind: Tenant\nmetadata: {name: cli}\nspec: {namespaces: [cli-shop]}\n";
    let file_of_policy = write(fleet, "policy.yaml", &format!("{policy}{tenant}"));
    let answer = run(hub, &["apply", "-f", &file_of_policy]).await;
    refused(&answer, "HUB0202");
    assert!(answer.stderr.contains("policy.yaml:6:"), "{}", answer.stderr);
    let tenants: Api<hanse::model::api::Tenant> = Api::all(client.clone());
    assert!(tenants.get_opt("cli").await.unwrap().is_none());
    // Nobody places it, since no hub runs: the wait says so and ends in time.
    let answer = run(hub, &["apply", "-f", &file, "--wait", "--timeout", "1s"]).await;
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(
        answer.stderr.contains("HUB0308") && answer.stderr.contains("no policy has placed it"),
        "{}",
        answer.stderr
    );
    refused(
        &run(hub, &["explain", "configmap/greeting", "-n", "cli-shop"]).await,
        "HUB0309",
    );
    run(hub, &["status"]).await.success();
    run(hub, &["events", "-A"]).await.success();
    run(hub, &["delete", "-f", &file]).await.success();
    assert!(maps.get_opt("greeting").await.unwrap().is_none());
    let namespaces: Api<Namespace> = Api::all(client);
    assert!(namespaces.get_opt("cli-shop").await.unwrap().is_none());
}

async fn leave(fleet: &Fleet, hub: &HubCommand) {
    let [first, second] = [&fleet.members()[0], &fleet.members()[1]];
    // What is not join's is never taken: a ConfigMap of somebody in hanse-system keeps that namespace.
    let client = second.admin();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "hanse-system");
    let kept = serde_json::from_value(json!({"metadata": {"name": "mine"}})).unwrap();
    maps.create(&kube::api::PostParams::default(), &kept)
        .await
        .unwrap();
    for member in [first, second] {
        let kubeconfig = path(member.kubeconfig());
        run(hub, &["leave", member.name(), "--member-kubeconfig", &kubeconfig])
            .await
            .success();
        let roles: Api<ClusterRole> = Api::all(member.admin());
        let bindings: Api<ClusterRoleBinding> = Api::all(member.admin());
        assert!(roles.get_opt("hanse:hub").await.unwrap().is_none());
        assert!(bindings.get_opt("hanse:hub").await.unwrap().is_none());
        let policies: Api<ValidatingAdmissionPolicy> = Api::all(member.admin());
        assert!(
            policies
                .list(&ListParams::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
    }
    assert!(maps.get_opt("mine").await.unwrap().is_some());
    let namespaces: Api<Namespace> = Api::all(first.admin());
    eventually(
        std::time::Duration::from_secs(20),
        "hanse-system is gone",
        || async {
            match namespaces.get_opt("hanse-system").await? {
                None => Ok(()),
                Some(_) => Err(NotYet::from("it is still there")),
            }
        },
    )
    .await;
    let secrets: Api<Secret> = Api::namespaced(fleet.hub().admin(), "hanse-system");
    assert!(
        secrets
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(run(hub, &["get", "clusters"]).await.success().is_empty());
    let kubeconfig = path(first.kubeconfig());
    refused(&run(hub, &["leave", first.name()]).await, "HUB0305");
    // Leaving again with the kubeconfig finds nothing left to do.
    run(hub, &["leave", first.name(), "--member-kubeconfig", &kubeconfig])
        .await
        .success();
}
