//! `hub promote`: makes an object that runs in a member a template at the hub, and touches nothing in the member.
//!
//! ```text
//! member ─read─► object, what it names ─what people own─► templates ─► hub API
//!                                          policy: adopt it there, and only there ─► hub API, first
//! ```
//!
//! Nothing is written before everything is known. The values of Secrets go from one API server to the other and are
//! never shown.

mod policy;
mod running;

use kube::{
    Error as KubeError,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::{
    apply::MANAGER,
    args::{Global, Promote},
    context::Hub,
    failure::{Exit, Failure},
    get::redact,
    kinds::{Kind, Kinds, split},
    output::{Screen, yaml},
    progress::Progress,
};
use crate::model::{manifest::Code, name::ObjectKey, template::Template};
use policy::{Governing, Wanted};
use running::{Found, Running};

/// Between two looks whether the hub has taken the namespace, so that its Secrets may be read.
const LOOK: Duration = Duration::from_millis(300);

/// One object that becomes a template.
struct Promoted {
    key: ObjectKey,
    /// `deployment.apps/web`
    shown: String,
    kind: Kind,
    /// What is written; `None` of a Secret that may not be read yet.
    body: Option<Value>,
    /// It is at the hub already, and stays as it is.
    there: bool,
}

impl Promoted {
    /// As policies see it; of a Secret that may not be read yet only kind and name are known.
    fn template(&self) -> Option<Template> {
        let named = json!({
            "apiVersion": self.kind.resource.api_version, "kind": self.kind.resource.kind,
            "metadata": {"name": self.key.name, "namespace": self.key.namespace},
        });
        Template::from_object(self.body.as_ref().unwrap_or(&named), &|_| false).ok()
    }
}

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Promote) -> Result<Exit, Failure> {
    let (word, name) = split(&wanted.workload)?;
    let hub = Hub::connect(global).await?;
    let mut progress = Progress::new(screen);
    progress.doing(&format!("reading {} in {}", wanted.workload, wanted.cluster));
    let running = Running::connect(&hub, &wanted.cluster).await?;
    let found = running.find(word, name, wanted.deps).await?;
    progress.doing("reading policies and templates at the hub");
    let kinds = Kinds::discover(&hub.client)
        .await
        .map_err(|error| Failure::hub("read the kinds of the hub API", &error))?;
    let mut all = Vec::new();
    for object in found {
        all.push(of(&hub, &kinds, &running, object).await?);
    }
    let governing = Governing::read(&hub, &running).await?;
    let policy = governing.policy_for(&all, &wanted.cluster)?;
    if wanted.dry_run {
        return dry_run(screen, policy.as_ref(), &all);
    }
    write(&hub, screen, policy, all, &running, wanted).await
}

/// What becomes of one object.
async fn of(hub: &Hub, kinds: &Kinds, running: &Running, found: Found) -> Result<Promoted, Failure> {
    let (key, version) = (found.key, found.version);
    let kind = kinds
        .of_manifest(&key.group, &version, &key.kind)
        .ok_or_else(|| {
            Failure::new(
                Code::KIND_NOT_SERVED,
                format!("the hub API serves no {} in version {version}", key.group_kind()),
            )
            .with_hint("install its CustomResourceDefinition on the hub API, then promote again")
        })?;
    let shown = shown(&key);
    let api = kind.api(&hub.client, Some(&hub.namespace));
    let there = api
        .get_metadata_opt(&key.name)
        .await
        .map_err(|error| Failure::hub(&format!("look for {shown}"), &error))?
        .is_some();
    let body = found
        .live
        .as_ref()
        .map(|live| running.template(live))
        .transpose()?;
    if let Some(body) = body.as_ref().filter(|_| !there) {
        // Whatever is wrong with it is found before anything is written.
        patch(&api, &key, body, true).await?;
    }
    Ok(Promoted {
        key,
        shown,
        kind,
        body,
        there,
    })
}

async fn patch(
    api: &kube::Api<DynamicObject>,
    key: &ObjectKey,
    body: &Value,
    dry_run: bool,
) -> Result<(), Failure> {
    let params = PatchParams {
        dry_run,
        ..PatchParams::apply(MANAGER)
    };
    let answer = api.patch(&key.name, &params, &Patch::Apply(body)).await;
    answer.map(|_| ()).map_err(|error| match &error {
        KubeError::Api(status) if status.code == 404 => Failure::new(
            Code::NAMESPACE_MISSING,
            "failed to write the template: its namespace is not there at the hub",
        )
        .with_hint("name it in spec.namespaces of a Tenant, which makes it"),
        _ => Failure::hub(&format!("write {}", shown(key)), &error),
    })
}

async fn write(
    hub: &Hub,
    screen: Screen,
    policy: Option<Wanted>,
    all: Vec<Promoted>,
    running: &Running,
    wanted: &Promote,
) -> Result<Exit, Failure> {
    let mut lines = Vec::new();
    if let Some(policy) = policy {
        policy.write(hub).await?;
        lines.push(format!(
            "propagationpolicy.hanse.dev/{} {}: adopts there, in {} only, and orphans what it leaves",
            policy.name,
            if policy.is_new { "made" } else { "widened" },
            wanted.cluster
        ));
    }
    let mut later = Vec::new();
    for promoted in all {
        if promoted.there {
            lines.push(format!("{} is a template already", promoted.shown));
            continue;
        }
        match &promoted.body {
            Some(body) => {
                put(hub, &promoted, body).await?;
                lines.push(format!("{} made", promoted.shown));
            }
            None => later.push(promoted),
        }
    }
    let deadline = Instant::now() + wanted.timeout.0;
    for promoted in later {
        // As a tenant of that namespace, which the hub becomes there with the first template.
        let body = loop {
            match running.read_again(&promoted.key, &promoted.kind).await? {
                Some(live) => break Some(running.template(&live)?),
                None if Instant::now() > deadline => break None,
                None => tokio::time::sleep(LOOK).await,
            }
        };
        let Some(body) = body else {
            screen.data(&lines.join("\n"))?;
            return Err(Failure::timed_out(format!(
                "{} can't be read in {} yet: the hub has not taken the namespace there",
                promoted.shown, wanted.cluster
            ))
            .with_hint(
                "`hub status` says what it waits for; the same command goes on where this one ended",
            ));
        };
        put(hub, &promoted, &body).await?;
        lines.push(format!("{} made", promoted.shown));
    }
    screen.data(&lines.join("\n"))?;
    Ok(Exit::Done)
}

async fn put(hub: &Hub, promoted: &Promoted, body: &Value) -> Result<(), Failure> {
    let api = promoted.kind.api(&hub.client, Some(&hub.namespace));
    patch(&api, &promoted.key, body, false).await
}

/// Everything that would be written, as YAML.
fn dry_run(screen: Screen, policy: Option<&Wanted>, all: &[Promoted]) -> Result<Exit, Failure> {
    let mut documents = Vec::new();
    documents.extend(policy.map(Wanted::object));
    for promoted in all.iter().filter(|promoted| !promoted.there) {
        let mut body = promoted.body.clone().unwrap_or_else(|| {
            json!({
                "apiVersion": promoted.kind.resource.api_version, "kind": promoted.kind.resource.kind,
                "metadata": {"name": promoted.key.name, "namespace": promoted.key.namespace},
            })
        });
        if promoted.kind.resource.kind == "Secret" && promoted.kind.resource.group.is_empty() {
            redact(&mut body);
        }
        documents.push(body);
    }
    let texts: Vec<String> = documents.iter().map(yaml).collect::<Result<_, _>>()?;
    if texts.is_empty() {
        screen.words("there is nothing to write: it is promoted already");
    }
    screen.data(&texts.join("---\n"))?;
    Ok(Exit::Done)
}

fn shown(key: &ObjectKey) -> String {
    let group = if key.group.is_empty() {
        String::new()
    } else {
        format!(".{}", key.group)
    };
    format!("{}{group}/{}", key.kind.to_lowercase(), key.name)
}
