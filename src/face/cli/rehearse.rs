//! Everything that can be said before anything is written: the files' own mistakes, what the hub API knows, and a
//! dry run of every object.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use kube::{
    Api, Error as KubeError,
    api::{DynamicObject, ListParams, Patch, PatchParams},
};

use super::{
    apply::LANES,
    context::Hub,
    failure::Failure,
    fields::{HubSchemas, duplicates},
    locate::Item,
    references::{Known, references},
    refusal::refusal,
};
use crate::model::{
    api::{self, Cluster, Tenant},
    manifest::{Code, Diagnostic, Document},
};

/// What is wrong with the files by themselves and beside what the hub API knows. Errors refuse the whole.
pub(super) async fn checked(
    hub: &Hub,
    (documents, mut found): (Vec<Document>, Vec<Diagnostic>),
) -> Result<(Vec<Document>, Vec<Diagnostic>), Failure> {
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
            );
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

/// An object, and how the server would keep it. None for what is to go into a namespace that is still to come.
pub(super) struct Rehearsed<'a> {
    pub(super) item: &'a Item<'a>,
    pub(super) object: Option<DynamicObject>,
}

/// Asks the server about every object without changing any. What depends on objects that are still to come is not
/// asked; the server says it then.
pub(super) async fn rehearse<'a>(
    hub: &Hub,
    items: &'a [Item<'a>],
    params: &PatchParams,
    documents: &[Document],
) -> Result<Vec<Rehearsed<'a>>, Failure> {
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
                ..params.clone()
            };
            (
                item,
                item.api(hub)
                    .patch(item.document.name(), &params, &Patch::Apply(item.body()))
                    .await,
            )
        })
        .buffered(LANES)
        .collect::<Vec<_>>()
        .await;
    let (mut wrong, mut rehearsed) = (Vec::new(), Vec::new());
    for (item, answer) in answers {
        let error = match answer {
            Ok(object) => {
                let object = Some(object);
                rehearsed.push(Rehearsed { item, object });
                continue;
            }
            Err(error) => error,
        };
        let namespace = item.namespace.as_ref().map_or("", |namespace| namespace.as_str());
        let comes = promised.contains_key(namespace) || made_here.contains(namespace);
        let namespace_missing = matches!(&error, KubeError::Api(status) if status.code == 404 && status.message.starts_with("namespaces "));
        if namespace_missing && comes {
            rehearsed.push(Rehearsed { item, object: None });
        } else {
            wrong.push(refusal(item, &error));
        }
    }
    if wrong.is_empty() {
        Ok(rehearsed)
    } else {
        wrong.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Err(Failure::all(wrong))
    }
}
