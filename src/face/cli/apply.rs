//! `hub apply`: reads everything, refuses everything if anything is wrong, then writes in order.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use kube::{
    Api, Error as KubeError, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use tokio::time::{Duration, Instant};

use super::{
    args::{Apply, Global},
    context::Hub,
    diagnose,
    diff::differences,
    failure::{Exit, Failure},
    install::established,
    kinds::Kinds,
    locate::{Item, defined_here, locate},
    output::Screen,
    plan::Phase,
    progress::Progress,
    references::Known,
    refusal::refusal,
    rehearse::{checked, rehearse},
    sources::gather,
    wait::{self, Applied},
};
use crate::model::{
    api::Tenant,
    manifest::{Diagnostic, Document},
    name::NamespaceName,
};

pub(super) const MANAGER: &str = "hub-apply";
/// Writes that are under way at one time.
pub(super) const LANES: usize = 8;

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Apply) -> Result<Exit, Failure> {
    let sources = gather(&wanted.filename).sound()?;
    let hub = Hub::connect(global).await?;
    to(&hub, screen, wanted, sources).await
}

/// Checks and writes what was read to a hub API.
pub(super) async fn to(
    hub: &Hub,
    screen: Screen,
    wanted: &Apply,
    sources: (Vec<Document>, Vec<Diagnostic>),
) -> Result<Exit, Failure> {
    let deadline = Instant::now() + wanted.timeout.0;
    let mut progress = Progress::new(screen);
    progress.doing("checking");
    let (documents, warnings) = checked(hub, sources).await?;
    let defined = defined_here(&documents);
    let kinds = Kinds::discover(&hub.client)
        .await
        .map_err(|error| Failure::hub("read the kinds of the hub API", &error))?;
    let (items, later) = locate(hub, &documents, &kinds, &defined)?;
    let rehearsed = rehearse(hub, &items, &params(wanted), &documents).await?;
    for warning in &warnings {
        progress.done(&diagnose::drawn(warning, screen.color_err));
    }
    if wanted.dry_run {
        let lines: Vec<String> = items
            .iter()
            .map(|item| format!("{} would be applied", item.shown()))
            .collect();
        screen.data(&lines.join("\n"))?;
        // Who may not look into members is told so, and has had his files checked all the same.
        let failed = match differences(hub, screen, &mut progress, &documents, &rehearsed).await {
            Ok(found) => found.failed,
            Err(failure) => Some(failure),
        };
        for diagnostic in failed.iter().flat_map(|failure| &failure.diagnostics) {
            progress.done(&diagnose::drawn(
                &diagnostic.clone().as_warning(),
                screen.color_err,
            ));
        }
        return Ok(Exit::Done);
    }
    let mut applied = Vec::new();
    for phase in Phase::ALL {
        let now: Vec<&Item<'_>> = items
            .iter()
            .filter(|item| Phase::of(item.document) == phase)
            .collect();
        if phase == Phase::Policies {
            namespaces_there(hub, &items, &mut progress, deadline).await?;
        }
        if !now.is_empty() {
            progress.doing(&format!("applying {} {}", now.len(), phase.words()));
        }
        for now in givers_last(hub, now).await? {
            applied.extend(write(hub, now, wanted, screen, &mut progress).await?);
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
        let (late, _) = locate(hub, later, &kinds, &BTreeSet::new())?;
        applied.extend(write(hub, late.iter().collect(), wanted, screen, &mut progress).await?);
    }
    if wanted.wait {
        wait::until_available(hub, &applied, deadline, &mut progress).await?;
    }
    Ok(Exit::Done)
}

/// Tenants that give a namespace to another one are written after it: a namespace that belongs to nobody for a moment
/// loses what a tenant had in it.
async fn givers_last<'a>(hub: &Hub, items: Vec<&'a Item<'a>>) -> Result<[Vec<&'a Item<'a>>; 2], Failure> {
    let tenants: Vec<&Item<'_>> = items
        .iter()
        .copied()
        .filter(|item| item.document.kind() == "Tenant")
        .collect();
    if tenants.len() < 2 {
        return Ok([items, Vec::new()]);
    }
    let promised = Known::in_files(tenants.iter().map(|item| item.document))
        .namespaces
        .unwrap_or_default();
    let live = match Api::<Tenant>::all(hub.client.clone())
        .list(&ListParams::default())
        .await
    {
        Ok(live) => live.items,
        Err(KubeError::Api(status)) if status.code == 403 => Vec::new(),
        Err(error) => return Err(Failure::hub("list tenants", &error)),
    };
    let givers: BTreeSet<String> = live
        .into_iter()
        .map(|tenant| (tenant.name_any(), tenant.spec.namespaces))
        .filter(|(name, has)| {
            has.iter()
                .filter_map(|namespace| promised.get(namespace.as_str()))
                .any(|heir| heir != name)
        })
        .map(|(name, _)| name)
        .collect();
    let (last, first) = items
        .into_iter()
        .partition(|item| item.document.kind() == "Tenant" && givers.contains(item.document.name()));
    Ok([first, last])
}

fn params(wanted: &Apply) -> PatchParams {
    let params = PatchParams::apply(MANAGER).validation_strict();
    if wanted.force_conflicts {
        params.force()
    } else {
        params
    }
}

/// Writes one phase, `LANES` objects at a time, and prints each as it is done.
async fn write(
    hub: &Hub,
    items: Vec<&Item<'_>>,
    wanted: &Apply,
    screen: Screen,
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
