//! `hub diff`, and what `hub apply --dry-run` adds to it: every object as it would be in each member, against what runs
//! there.
//!
//! ```text
//! files ─dry run on the hub API─► templates ─► where they go, as whom ─► rendered per member ─► dry run there, as the
//!                    (World: policies, overrides, bindings, of the files and of the hub API)        tenant ─► text
//! ```
//!
//! Nothing is written. Members are reached with the credential that the hub itself uses, read with the caller's own
//! rights on the hub API.

mod member;
mod show;
mod templates;
mod world;

use std::borrow::Cow;

use futures::{StreamExt, stream};
use kube::api::PatchParams;
use serde_json::json;

use super::{
    apply::{LANES, MANAGER},
    args::{Diff, Global},
    context::Hub,
    failure::{Exit, Failure},
    kinds::Kinds,
    locate::{defined_here, locate},
    output::Screen,
    progress::Progress,
    rehearse::{Rehearsed, checked, rehearse},
    sources::gather,
};
use crate::model::{
    manifest::{Code, Document},
    name::ObjectKey,
    template::Template,
};
use member::{Members, Seen};
use templates::{Looked, look_for};
use world::{Place, World};

/// What runs in members differs, or it does not, as kubectl says it; a failure is something else.
pub(super) async fn run(global: &Global, screen: Screen, wanted: &Diff) -> Result<Exit, Failure> {
    match differ(global, screen, wanted).await {
        Ok(false) => Ok(Exit::Done),
        Ok(true) => Ok(Exit::Refused),
        Err(failure) => Err(Failure {
            exit: Exit::Usage,
            ..failure
        }),
    }
}

async fn differ(global: &Global, screen: Screen, wanted: &Diff) -> Result<bool, Failure> {
    let sources = gather(&wanted.filename).sound()?;
    let hub = Hub::connect(global).await?;
    let mut progress = Progress::new(screen);
    progress.doing("checking");
    let (documents, _) = checked(&hub, sources).await?;
    let kinds = Kinds::discover(&hub.client)
        .await
        .map_err(|error| Failure::hub("read the kinds of the hub API", &error))?;
    let (items, _) = locate(&hub, &documents, &kinds, &defined_here(&documents))?;
    // Who owns a field on the hub API is a question for apply.
    let params = PatchParams::apply(MANAGER).validation_strict().force();
    let rehearsed = rehearse(&hub, &items, &params, &documents).await?;
    let found = differences(&hub, screen, &mut progress, &documents, &rehearsed).await?;
    match found.failed {
        None => Ok(found.differ),
        Some(failure) => Err(failure),
    }
}

/// What came of the comparison.
pub(super) struct Found {
    pub(super) differ: bool,
    /// What could not be compared, or would not be applied.
    pub(super) failed: Option<Failure>,
}

/// Prints, per object and member, what would change there.
pub(super) async fn differences(
    hub: &Hub,
    screen: Screen,
    progress: &mut Progress,
    documents: &[Document],
    rehearsed: &[Rehearsed<'_>],
) -> Result<Found, Failure> {
    progress.doing("reading policies and bindings");
    let world = World::read(hub, documents).await?;
    let looked = look_for(hub, &world, documents, rehearsed).await?;
    let mut members = Members::new(hub, &world);
    let mut found = Found {
        differ: false,
        failed: None,
    };
    let mut fail = |failure: Failure| match &mut found.failed {
        Some(all) => all.diagnostics.extend(failure.diagnostics),
        none => *none = Some(failure),
    };
    let mut differ = false;
    progress.doing("comparing with what runs in the members");
    for Looked { template, shown } in looked {
        let places = match world.places(hub, &mut members, &template).await {
            Ok(places) if places.is_empty() => {
                progress.done(&format!("{shown}: no policy places it in any member"));
                continue;
            }
            Ok(places) => places,
            Err(failure) => {
                fail(failure);
                continue;
            }
        };
        progress.waiting(&shown);
        for place in &places {
            members.connect(&place.cluster).await;
        }
        let pairs = pairs(&template, &shown, &places);
        let answers: Vec<_> = stream::iter(&pairs)
            .map(|Pair { place, item, .. }| members.compare(place, item))
            .buffered(LANES)
            .collect()
            .await;
        for (Pair { place, shown, .. }, answer) in pairs.iter().zip(answers) {
            match answer {
                Ok(Seen { before, after }) => {
                    let text = show::difference(&place.cluster, shown, before.as_ref(), after.as_ref())?;
                    differ |= !text.is_empty();
                    screen.data(&text)?;
                }
                Err(mut failure) => {
                    for diagnostic in &mut failure.diagnostics {
                        diagnostic.message = format!("{}: {shown}: {}", place.cluster, diagnostic.message);
                    }
                    fail(failure);
                }
            }
        }
    }
    found.differ = differ;
    Ok(found)
}

/// One object in one member.
struct Pair<'a> {
    place: Cow<'a, Place>,
    item: Cow<'a, Template>,
    shown: String,
}

/// Every object of the template in every place, and those that have left the Bundle.
fn pairs<'a>(template: &'a Template, shown: &str, places: &'a [Place]) -> Vec<Pair<'a>> {
    let mut found = Vec::new();
    for place in places {
        found.extend(template.items().iter().map(|item| Pair {
            place: Cow::Borrowed(place),
            item: Cow::Borrowed(item),
            shown: if template.bundle.is_some() {
                shown_of(&item.key)
            } else {
                shown.to_owned()
            },
        }));
        if template.bundle.is_none() {
            continue;
        }
        for placed in &place.recorded {
            let key = placed.key();
            let is_there =
                |item: &Template| item.key.name == key.name && item.key.group_kind() == key.group_kind();
            if template.items().iter().any(is_there) {
                continue;
            }
            let api_version = key.group_kind().at("v1").api_version();
            let object = json!({
                "apiVersion": api_version, "kind": &*key.kind,
                "metadata": {"name": key.name, "namespace": template.namespace()},
            });
            if let Ok(item) = Template::from_object(&object, &|_| false) {
                found.push(Pair {
                    place: Cow::Owned(Place {
                        leaves: true,
                        ..place.clone()
                    }),
                    shown: shown_of(&key),
                    item: Cow::Owned(item),
                });
            }
        }
    }
    found
}

/// `deployment.apps/web`
fn shown_of(key: &ObjectKey) -> String {
    let group = if key.group.is_empty() {
        String::new()
    } else {
        format!(".{}", key.group)
    };
    format!("{}{group}/{}", key.kind.to_lowercase(), key.name)
}

/// What the hub would say on the binding's conditions.
fn problem(message: impl Into<String>) -> Failure {
    Failure::new(Code::NOT_APPLICABLE, message)
        .with_hint("nothing would be applied there, and what runs there would stay as it is")
}
