//! The fence of PROTOCOL §1: what the hub's own token can and cannot do in a member.
//!
//! Two worlds are tried. First with the rights that `hub join` makes: RBAC and fence together. Then with nearly every
//! right given to the hub and to all tenants, as a careless owner might: there the fence alone has to hold.

mod alone;
mod hub_api;
mod joined;
mod rows;

use std::path::Path;
use std::time::{Duration, Instant};

use http::Request;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rows::{Expect, Row, Who};
use serde_json::Value;

use crate::harness::{Fleet, FleetOptions};
use crate::scenario::Scenario;

/// In the order `hub join` applies them: the fence stands before the first right is given.
const NAMESPACES: &str = include_str!("../../manifests/member/10-namespaces.yaml");
const FENCE: [&str; 4] = [
    include_str!("../../manifests/member/20-fence-namespaces.yaml"),
    include_str!("../../manifests/member/21-fence-objects.yaml"),
    include_str!("../../manifests/member/22-fence-rbac.yaml"),
    include_str!("../../manifests/member/23-fence-admin-roles.yaml"),
];
const RIGHTS: [&str; 3] = [
    include_str!("../../manifests/member/30-roles.yaml"),
    include_str!("../../manifests/member/40-identity.yaml"),
    include_str!("../../manifests/member/50-bindings.yaml"),
];

/// Longer than any informer needs; reaching it is a failure, not a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The member owner and the hub, each with a credential of its own.
struct Member {
    owner: Client,
    hub: Client,
    /// From the last policy applied until it refused.
    fenced_after: Duration,
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    let options = FleetOptions {
        members: 1,
        nodes_per_member: 1,
        ..FleetOptions::default()
    };
    vec![
        Scenario::plain(
            "the_fence_comes_first_and_all_that_join_makes_carries_its_version",
            files_are_in_order,
        ),
        Scenario::alone(
            "the_hubs_token_does_what_it_must_in_a_member_and_nothing_else",
            options,
            the_fence_holds,
        ),
        Scenario::shared(
            "the_hub_is_no_administrator_of_its_own_api",
            hub_api::rights_are_bounded,
        ),
    ]
}

/// `hub join` applies the files in the order of their names, and finds what it made by its labels.
async fn files_are_in_order() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/member");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("manifests/member")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    let prefixes: Vec<&str> = names.iter().filter_map(|name| name.split('-').next()).collect();
    assert_eq!(
        prefixes,
        ["10", "20", "21", "22", "23", "30", "40", "50"],
        "a file that no test applies: {names:?}"
    );

    let texts = [NAMESPACES].into_iter().chain(FENCE).chain(RIGHTS);
    let documents: Vec<Value> = texts
        .flat_map(|text| serde_saphyr::from_multiple::<Value>(text).expect("a manifest that parses"))
        .collect();
    let mut seen_rights = false;
    for document in &documents {
        let labels = &document["metadata"]["labels"];
        let kind = document["kind"].as_str().unwrap_or_default();
        let name = document["metadata"]["name"].as_str().unwrap_or_default();
        assert_eq!(labels["hanse.dev/join-version"], "1", "{kind} {name}");
        assert_eq!(labels["hanse.dev/managed-by"], "hanse", "{kind} {name}");
        seen_rights |= kind.ends_with("RoleBinding");
        assert!(
            !(seen_rights && kind.starts_with("Validating")),
            "{kind} {name} comes after a right"
        );
        if kind == "ValidatingAdmissionPolicy" {
            assert_eq!(document["spec"]["failurePolicy"], "Fail", "{name}");
            for rule in document["spec"]["validations"].as_array().expect("validations") {
                assert_eq!(
                    rule["reason"], "Forbidden",
                    "without it the answer is 422: {name}"
                );
            }
        }
        if kind == "ValidatingAdmissionPolicyBinding" {
            assert_eq!(
                document["spec"]["validationActions"],
                serde_json::json!(["Deny"]),
                "{name}"
            );
        }
    }
}

async fn the_fence_holds(fleet: Fleet) {
    let member = Member::join(fleet.members()[0].kubeconfig()).await;
    let mut failed = Vec::new();
    let mut tried = 0;
    for (world, rows) in [
        ("prepare", joined::foreign_things()),
        ("must pass", joined::legitimate()),
        ("must be refused", joined::beyond_the_rights()),
    ] {
        tried += rows.len();
        member.try_all(world, rows, &mut failed).await;
    }
    member.every_kind_can_be_listed(&mut failed).await;
    member.give_everything_away().await;
    for (world, rows) in [
        ("the fence alone, must pass", alone::legitimate()),
        ("the fence alone, must be refused", alone::beyond()),
        ("taken away again", alone::removal()),
    ] {
        tried += rows.len();
        member.try_all(world, rows, &mut failed).await;
    }
    assert!(
        failed.is_empty(),
        "{} of {tried} rows failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    member.tenants_namespace_ends().await;
    eprintln!(
        "the fence stood after {:?}; {tried} rows held",
        member.fenced_after
    );
}

impl Member {
    async fn join(kubeconfig: &Path) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the member's kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .expect("its config");
        let owner = client(config.clone());
        apply(&owner, NAMESPACES).await;
        for file in FENCE {
            apply(&owner, file).await;
        }
        let applied = Instant::now();
        until("the fence stands", async || {
            let (code, message) = send(&owner, &rows::probe()).await;
            code == 403 && message.contains("stands, join version 1")
        })
        .await;
        let fenced_after = applied.elapsed();
        for file in RIGHTS {
            apply(&owner, file).await;
        }
        until("the tenant's role is aggregated", async || {
            let (_, role) = send(&owner, &rows::read_tenant_role()).await;
            role.contains("configmaps") && role.contains("deployments")
        })
        .await;
        let (code, reply) = send(&owner, &rows::first_token()).await;
        assert_eq!(code, 201, "failed to ask for the hub's token: {reply}");
        let reply: Value = serde_json::from_str(&reply).expect("a TokenRequest");
        let token = reply["status"]["token"].as_str().expect("a token").to_owned();
        let mut hub = Config::new(config.cluster_url.clone());
        hub.root_cert = config.root_cert;
        hub.auth_info.token = Some(token.into());
        Self {
            owner,
            hub: client(hub),
            fenced_after,
        }
    }

    async fn try_all(&self, world: &str, rows: Vec<Row>, failed: &mut Vec<String>) {
        for row in rows {
            // A right or a label just given is in force some milliseconds later; a refusal never turns into a pass.
            let mut answer = self.attempt(&row).await;
            let patient = matches!(row.expect, Expect::Passes);
            for _ in 0..20 {
                if !patient || answer.0 != 403 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                answer = self.attempt(&row).await;
            }
            let (code, message) = answer;
            if !row.expect.holds(code, &message) {
                failed.push(format!(
                    "  {world}: {}: expected {:?}, got {code}: {}",
                    row.does,
                    row.expect,
                    if code < 300 {
                        "it passed".to_owned()
                    } else {
                        message.chars().take(400).collect()
                    }
                ));
            }
        }
    }

    async fn attempt(&self, row: &Row) -> (u16, String) {
        send(
            if matches!(row.who, Who::Owner) {
                &self.owner
            } else {
                &self.hub
            },
            row,
        )
        .await
    }

    /// Every verb but impersonation (which would leave the identity the fence knows) on everything, to the hub and to
    /// every tenant.
    async fn give_everything_away(&self) {
        apply(&self.owner, rows::EVERYTHING).await;
        until("everything is given away", async || {
            let (code, _) = self.attempt(&rows::read_secrets_everywhere()).await;
            code == 200
        })
        .await;
    }

    /// Whether a namespace is empty can be told only if every kind in it can be listed, by the hub or as the tenant.
    async fn every_kind_can_be_listed(&self, failed: &mut Vec<String>) {
        let mut lists = vec![(
            "/api/v1".to_owned(),
            self.owner.list_core_api_resources("v1").await.expect("kinds"),
        )];
        for group in self.owner.list_api_groups().await.expect("groups").groups {
            let version = group
                .preferred_version
                .expect("a preferred version")
                .group_version;
            let kinds = self
                .owner
                .list_api_group_resources(&version)
                .await
                .expect("kinds of a group");
            lists.push((format!("/apis/{version}"), kinds));
        }
        for (prefix, kinds) in lists {
            for kind in kinds
                .resources
                .iter()
                .filter(|kind| kind.namespaced && kind.verbs.iter().any(|v| v == "list"))
            {
                let path = format!("{prefix}/namespaces/shop/{}", kind.name);
                let by_hub = self
                    .attempt(&rows::get("lists", Who::Hub, &path, Expect::Passes))
                    .await;
                let by_tenant = self
                    .attempt(&rows::get("lists", rows::SHOP, &path, Expect::Passes))
                    .await;
                if by_hub.0 >= 400 && by_tenant.0 >= 400 {
                    failed.push(format!("  must pass: lists {path}: {}", by_hub.1));
                }
            }
        }
    }

    /// Policies that refuse deletes can hold a namespace for ever; this one must not.
    async fn tenants_namespace_ends(&self) {
        until("the deleted namespace has gone", async || {
            let (code, _) = self.attempt(&rows::read_namespace("retail")).await;
            code == 404
        })
        .await;
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the test is an attacker: it must not go through the hub's own client"
)]
fn client(config: Config) -> Client {
    Client::try_from(config).expect("a client")
}

/// Sends one row; the answer is the status code and the message, or the body when it passed.
async fn send(client: &Client, row: &Row) -> (u16, String) {
    let mut request = Request::builder()
        .method(row.method())
        .uri(&row.path)
        .header("Content-Type", row.media_type());
    match row.who {
        Who::Owner | Who::Hub => {}
        Who::Acting(user) => request = request.header("Impersonate-User", user),
        Who::ActingIn(user, group) => {
            request = request
                .header("Impersonate-User", user)
                .header("Impersonate-Group", group);
        }
    }
    let body = if row.body.is_null() {
        Vec::new()
    } else {
        row.body.to_string().into_bytes()
    };
    let response = client
        .send(request.body(Body::from(body)).expect("a request"))
        .await
        .expect("an answer from the member");
    let code = response.status().as_u16();
    let body = response.into_body().collect_bytes().await.expect("a whole body");
    let text = String::from_utf8_lossy(&body).into_owned();
    if code < 400 {
        return (code, text);
    }
    let message = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|status| status["message"].as_str().map(ToOwned::to_owned))
        .unwrap_or(text);
    (code, message)
}

/// Applies every document of a file as the member's owner.
async fn apply(owner: &Client, yaml: &str) {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("a manifest that parses");
    for document in documents {
        let row = rows::applied_by_owner(&document);
        let (code, message) = send(owner, &row).await;
        assert!(code < 300, "failed to apply {}: {code}: {message}", row.path);
    }
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !done().await {
        assert!(
            tokio::time::Instant::now() < end,
            "waited {PATIENCE:?} in vain: {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
