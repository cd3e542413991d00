//! `hub apply`: reads everything, refuses everything if anything is wrong, then writes in order.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use kube::{
    Api, Error as KubeError,
    api::{DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::{
    args::{Apply, Global},
    context::Hub,
    diagnose,
    failure::{Exit, Failure},
    install::established,
    kinds::{Kind, Kinds},
    offline::{HubSchemas, Known, duplicates, references},
    output::Screen,
    plan::Phase,
    progress::Progress,
    sources::{Sources, gather},
    wait::{self, Applied},
};
use crate::{
    act::wire::brief,
    model::{
        api::{self, Cluster, Tenant},
        manifest::{Code, Diagnostic, Document},
        name::NamespaceName,
    },
};

const MANAGER: &str = "hub-apply";
/// Writes that are under way at one time.
const LANES: usize = 8;

/// One document with its place on the hub API.
pub(super) struct Item<'a> {
    pub(super) document: &'a Document,
    pub(super) kind: Kind,
    pub(super) namespace: Option<NamespaceName>,
}

impl Item<'_> {
    /// `deployment.apps/web`
    pub(super) fn shown(&self) -> String {
        let group = if self.kind.resource.group.is_empty() {
            String::new()
        } else {
            format!(".{}", self.kind.resource.group)
        };
        format!(
            "{}{group}/{}",
            self.kind.resource.kind.to_lowercase(),
            self.document.name()
        )
    }

    pub(super) fn api(&self, hub: &Hub) -> Api<DynamicObject> {
        self.kind.api(&hub.client, self.namespace.as_ref())
    }

    fn body(&self) -> Value {
        let mut body = self.document.object.clone();
        if let Some(namespace) = &self.namespace {
            body["metadata"]["namespace"] = json!(namespace);
        }
        // What a dump of a live object carries along, and a server-side apply refuses.
        if let Some(metadata) = body["metadata"].as_object_mut() {
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
            metadata.remove("uid");
        }
        body
    }
}

pub(super) async fn run(global: &Global, screen: &Screen, wanted: &Apply) -> Result<Exit, Failure> {
    let deadline = Instant::now() + wanted.timeout.0;
    let sources = gather(&wanted.filename);
    let hub = Hub::connect(global).await?;
    let mut progress = Progress::new(screen);
    progress.doing("checking");
    let (documents, warnings) = checked(&hub, sources).await?;
    let defined = defined_here(&documents);
    let kinds = Kinds::discover(&hub.client)
        .await
        .map_err(|error| Failure::hub("read the kinds of the hub API", &error))?;
    let (items, later) = locate(&hub, &documents, &kinds, &defined)?;
    rehearse(&hub, &items, wanted, &documents).await?;
    for warning in &warnings {
        progress.done(&diagnose::drawn(warning, screen.color_err));
    }
    if wanted.dry_run {
        drop(progress);
        let lines: Vec<String> = items
            .iter()
            .map(|item| format!("{} would be applied", item.shown()))
            .collect();
        screen.data(&lines.join("\n"))?;
        return Ok(Exit::Done);
    }
    let mut applied = Vec::new();
    for phase in Phase::ALL {
        let now: Vec<&Item<'_>> = items
            .iter()
            .filter(|item| Phase::of(item.document) == phase)
            .collect();
        if phase == Phase::Policies {
            namespaces_there(&hub, &items, &mut progress, deadline).await?;
        }
        if !now.is_empty() {
            progress.doing(&format!("applying {} {}", now.len(), phase.words()));
            applied.extend(write(&hub, now, wanted, screen, &mut progress).await?);
        }
        if phase == Phase::Ground && !defined.is_empty() {
            let names: Vec<String> = documents
                .iter()
                .filter(|d| d.kind() == "CustomResourceDefinition")
                .map(|d| d.name().to_owned())
                .collect();
            progress.doing("waiting until the definitions are served");
            established(
                &hub.client,
                &names,
                deadline.saturating_duration_since(Instant::now()),
            )
            .await?;
        }
    }
    if !later.is_empty() {
        let kinds = Kinds::discover(&hub.client)
            .await
            .map_err(|error| Failure::hub("read the kinds of the hub API", &error))?;
        let (late, _) = locate(&hub, later, &kinds, &BTreeSet::new())?;
        applied.extend(write(&hub, late.iter().collect(), wanted, screen, &mut progress).await?);
    }
    if wanted.wait {
        wait::until_available(&hub, &applied, deadline, &mut progress).await?;
    }
    Ok(Exit::Done)
}

/// Everything that can be said before anything is written. Errors refuse the whole.
async fn checked(hub: &Hub, sources: Sources) -> Result<(Vec<Document>, Vec<Diagnostic>), Failure> {
    let (documents, mut found) = sources.sound()?;
    let schemas = HubSchemas::new();
    found.extend(documents.iter().flat_map(|document| schemas.check(document)));
    found.extend(duplicates(&documents, Some(hub.namespace.as_str())));
    if documents.iter().any(|document| document.group() == api::GROUP) {
        let known = known(hub, &documents).await?;
        found.extend(references(&documents, Some(hub.namespace.as_str()), &known));
    }
    found.retain(|diagnostic| diagnostic.code != Code::SELECTS_NOTHING);
    if found.iter().any(Diagnostic::is_error) {
        return Err(Failure::all(found));
    }
    Ok((documents, found))
}

/// What the hub API and the files know of members and tenants. A caller who may not list them gets warnings less.
async fn known(hub: &Hub, documents: &[Document]) -> Result<Known, Failure> {
    let mut known = Known::default();
    let everything = ListParams::default();
    match Api::<Cluster>::all(hub.client.clone()).list(&everything).await {
        Ok(clusters) => {
            known.clusters = Some(
                clusters
                    .into_iter()
                    .filter_map(|cluster| cluster.metadata.name)
                    .collect(),
            )
        }
        Err(KubeError::Api(status)) if status.code == 403 => {}
        Err(error) => return Err(Failure::hub("list clusters", &error)),
    }
    match Api::<Tenant>::all(hub.client.clone()).list(&everything).await {
        Ok(tenants) => {
            let mut namespaces = BTreeMap::new();
            for tenant in tenants {
                let name = tenant.metadata.name.unwrap_or_default();
                // A tenant that is applied again may give a namespace back.
                if !documents
                    .iter()
                    .any(|document| document.kind() == "Tenant" && document.name() == name)
                {
                    namespaces.extend(
                        tenant
                            .spec
                            .namespaces
                            .iter()
                            .map(|namespace| (namespace.to_string(), name.clone())),
                    );
                }
            }
            known.namespaces = Some(namespaces);
        }
        Err(KubeError::Api(status)) if status.code == 403 => {}
        Err(error) => return Err(Failure::hub("list tenants", &error)),
    }
    let [clusters, namespaces] = [known.clusters.is_some(), known.namespaces.is_some()];
    known.add(documents);
    // What is only partly known is not known: then a name that is missing proves nothing.
    known.clusters.take_if(|_| !clusters);
    known.namespaces.take_if(|_| !namespaces);
    Ok(known)
}

/// Kinds that the files themselves define.
fn defined_here(documents: &[Document]) -> BTreeSet<(String, String)> {
    documents
        .iter()
        .filter(|document| document.kind() == "CustomResourceDefinition")
        .filter_map(|document| {
            let text = |pointer| document.object.pointer(pointer).and_then(Value::as_str);
            Some((
                text("/spec/group")?.to_owned(),
                text("/spec/names/kind")?.to_owned(),
            ))
        })
        .collect()
}

/// Where each document goes; last the ones whose kind comes into being only on the way.
pub(super) fn locate<'a>(
    hub: &Hub,
    documents: impl IntoIterator<Item = &'a Document>,
    kinds: &Kinds,
    defined: &BTreeSet<(String, String)>,
) -> Result<(Vec<Item<'a>>, Vec<&'a Document>), Failure> {
    let (mut items, mut later, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for document in documents {
        let Some(kind) = kinds.of_manifest(document.group(), document.version(), document.kind()) else {
            if defined.contains(&(document.group().to_owned(), document.kind().to_owned())) {
                later.push(document);
            } else {
                wrong.push(
                    document
                        .error(Code::KIND_NOT_SERVED, "/kind", format!("the hub API serves no {} in {}", document.kind(), document.api_version()))
                        .with_hint(if document.group() == api::GROUP { "run `hub install` against this hub API first" } else { "install its CustomResourceDefinition on the hub API, or correct apiVersion and kind" }),
                );
            }
            continue;
        };
        let namespace = match document.namespace() {
            _ if !kind.namespaced => None,
            None => Some(hub.namespace.clone()),
            Some(own) if hub.chosen && own != hub.namespace.as_str() => {
                wrong.push(
                    document
                        .error(
                            Code::NAMESPACE_MISMATCH,
                            "/metadata/namespace",
                            format!("the object is in namespace {own}, and -n says {}", hub.namespace),
                        )
                        .with_hint("leave -n away, or the namespace out of the manifest"),
                );
                continue;
            }
            Some(own) => own.parse().ok(),
        };
        items.push(Item {
            document,
            kind,
            namespace,
        });
    }
    if wrong.is_empty() {
        Ok((items, later))
    } else {
        Err(Failure::all(wrong))
    }
}

/// Asks the server about every object without changing any. What depends on objects that are still to come is not
/// asked; the server says it then.
async fn rehearse(
    hub: &Hub,
    items: &[Item<'_>],
    wanted: &Apply,
    documents: &[Document],
) -> Result<(), Failure> {
    let promised = Known::in_files(documents).namespaces.unwrap_or_default();
    let made_here: BTreeSet<&str> = documents
        .iter()
        .filter(|d| d.kind() == "Namespace")
        .map(Document::name)
        .collect();
    let answers = stream::iter(items)
        .map(|item| async move {
            let params = PatchParams {
                dry_run: true,
                ..params(wanted)
            };
            (
                item,
                item.api(hub)
                    .patch(item.document.name(), &params, &Patch::Apply(item.body()))
                    .await,
            )
        })
        .buffer_unordered(LANES)
        .collect::<Vec<_>>()
        .await;
    let mut wrong = Vec::new();
    for (item, answer) in answers {
        let Err(error) = answer else { continue };
        let namespace = item.namespace.as_ref().map_or("", |namespace| namespace.as_str());
        let comes = promised.contains_key(namespace) || made_here.contains(namespace);
        let namespace_missing = matches!(&error, KubeError::Api(status) if status.code == 404 && status.message.starts_with("namespaces "));
        if !(namespace_missing && comes) {
            wrong.push(refusal(item, &error));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        wrong.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Err(Failure::all(wrong))
    }
}

fn params(wanted: &Apply) -> PatchParams {
    let params = PatchParams::apply(MANAGER).validation_strict();
    if wanted.force_conflicts {
        params.force()
    } else {
        params
    }
}

/// What the server said of one object, at its place in the file.
fn refusal(item: &Item<'_>, error: &KubeError) -> Diagnostic {
    let said = brief(error);
    let at = |code, pointer: &str| {
        item.document
            .error(code, pointer, format!("{}: {said}", item.shown()))
    };
    let KubeError::Api(status) = error else {
        let failure = Failure::hub("apply", error);
        let first = failure.diagnostics.into_iter().next();
        let (code, hint) = first.map_or((Code::HUB_UNREACHABLE, None), |first| (first.code, first.hint));
        return at(code, "").with_hint(hint.unwrap_or_default());
    };
    let cause = status.details.as_ref().and_then(|details| details.causes.first());
    let pointer = cause.map(|cause| pointer_of(&cause.field)).unwrap_or_default();
    match status.code {
        404 if status.message.starts_with("namespaces ") => at(Code::NAMESPACE_MISSING, "/metadata/namespace")
            .with_hint("list the namespace in a Tenant, and the running hub makes it; or choose another with -n"),
        409 => at(Code::FIELD_CONFLICT, &pointer)
            .with_hint("another manager owns these fields: remove them from the manifest, or take them over with --force-conflicts"),
        401 | 403 => at(Code::FORBIDDEN, "").with_hint("ask an owner of the tenant or an administrator of the hub API for this right"),
        422 | 400 | 500 => at(Code::REFUSED_BY_SERVER, &pointer).with_hint("correct the field that the message names; nothing was changed"),
        _ => at(Code::REFUSED_BY_SERVER, &pointer).with_hint("the answer of the hub API says what it needs"),
    }
}

/// `.spec.template.containers[0].image` as a JSON pointer, as far as it can be read.
fn pointer_of(field: &str) -> String {
    let mut pointer = String::new();
    for part in field.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        if part.contains(['=', '"', ':']) {
            break;
        }
        pointer.push('/');
        pointer.push_str(part);
    }
    pointer
}

/// Writes one phase, `LANES` objects at a time, and prints each as it is done.
async fn write(
    hub: &Hub,
    items: Vec<&Item<'_>>,
    wanted: &Apply,
    screen: &Screen,
    progress: &mut Progress,
) -> Result<Vec<Applied>, Failure> {
    let mut answers = stream::iter(items)
        .map(|item| async move {
            (
                item,
                item.api(hub)
                    .patch(item.document.name(), &params(wanted), &Patch::Apply(item.body()))
                    .await,
            )
        })
        .buffered(LANES);
    let (mut applied, mut wrong) = (Vec::new(), Vec::new());
    while let Some((item, answer)) = answers.next().await {
        match answer {
            Ok(object) => {
                progress.waiting(&item.shown());
                screen.data(&format!("{} applied", item.shown()))?;
                if Phase::of(item.document) == Phase::Templates {
                    applied.extend(Applied::of(item, &object));
                }
            }
            Err(error) => wrong.push(refusal(item, &error)),
        }
    }
    if wrong.is_empty() {
        Ok(applied)
    } else {
        Err(Failure::all(wrong))
    }
}

/// The running hub makes a tenant's namespaces: waits until those that are needed are there.
async fn namespaces_there(
    hub: &Hub,
    items: &[Item<'_>],
    progress: &mut Progress,
    deadline: Instant,
) -> Result<(), Failure> {
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(hub.client.clone());
    let needed: BTreeSet<&NamespaceName> = items
        .iter()
        .filter(|item| Phase::of(item.document) >= Phase::Policies)
        .filter_map(|item| item.namespace.as_ref())
        .collect();
    for name in needed {
        loop {
            match namespaces.get_metadata_opt(name.as_str()).await {
                Ok(Some(_)) => break,
                Ok(None) => {}
                // Who may not read namespaces finds out by writing into it.
                Err(KubeError::Api(status)) if status.code == 403 => break,
                Err(error) => return Err(Failure::hub(&format!("read namespace {name}"), &error)),
            }
            if Instant::now() >= deadline {
                return Err(Failure::timed_out(format!("namespace {name} is not there yet"))
                    .with_hint("the running hub makes the namespaces of Tenants: is `hub serve` running? `hub get tenants` shows what it waits for"));
            }
            progress.doing(&format!("waiting for namespace {name}"));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    Ok(())
}
