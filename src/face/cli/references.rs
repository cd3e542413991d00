//! Who refers to what is not there: members without a Cluster, namespaces without a Tenant, selectors of nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::{
    api::{self, ClusterSelector, IgnoreFields, Placement, ResourceSelector, Suspend, TenantSpec},
    manifest::{Code, Diagnostic, Document},
    schema::{Pointer, builtin},
};

/// What the hub knows of the fleet and its tenants, from files, or from files and the hub API together.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Names of Clusters; `None` when nothing is known of them, so that a missing one is only a warning.
    pub(super) clusters: Option<BTreeSet<String>>,
    /// Namespaces of Tenants with the tenant's name; `None` as above.
    pub(super) namespaces: Option<BTreeMap<String, String>>,
}

impl Known {
    /// What the files themselves declare. Of what they have none, nothing is known.
    pub(super) fn in_files<'a>(documents: impl IntoIterator<Item = &'a Document>) -> Self {
        let mut known = Self::default();
        known.add(documents);
        known
    }

    pub(super) fn add<'a>(&mut self, documents: impl IntoIterator<Item = &'a Document>) {
        for document in documents
            .into_iter()
            .filter(|document| document.group() == api::GROUP)
        {
            match document.kind() {
                "Cluster" => {
                    self.clusters
                        .get_or_insert_default()
                        .insert(document.name().to_owned());
                }
                "Tenant" => {
                    let namespaces = self.namespaces.get_or_insert_default();
                    for namespace in spec::<TenantSpec>(document)
                        .map(|spec| spec.namespaces)
                        .unwrap_or_default()
                    {
                        namespaces
                            .entry(namespace.to_string())
                            .or_insert_with(|| document.name().to_owned());
                    }
                }
                _ => {}
            }
        }
    }
}

fn spec<T: DeserializeOwned>(document: &Document) -> Option<T> {
    serde_json::from_value(document.object.get("spec")?.clone()).ok()
}

/// One field of a spec: the others may be wrong, which its schema says.
fn field<T: DeserializeOwned + Default>(document: &Document, name: &str) -> T {
    let value = document.object.get("spec").and_then(|spec| spec.get(name));
    value
        .and_then(|value| serde_json::from_value(value.clone()).ok())
        .unwrap_or_default()
}

/// Who refers to what is not there.
pub(super) fn references(documents: &[Document], namespace: Option<&str>, known: &Known) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for document in documents.iter().filter(|document| document.group() == api::GROUP) {
        match document.kind() {
            "Tenant" => {
                if let Some(spec) = spec::<TenantSpec>(document) {
                    tenant(document, &spec, known, &mut found);
                }
            }
            "PropagationPolicy" | "ClusterPropagationPolicy" | "OverridePolicy" | "ClusterOverridePolicy" => {
                policy(document, namespace, known, documents, &mut found);
            }
            "KindRule" => found.extend(kind_rule(document, documents)),
            _ => {}
        }
    }
    found
}

fn tenant(document: &Document, spec: &TenantSpec, known: &Known, found: &mut Vec<Diagnostic>) {
    clusters(document, &spec.clusters, "/spec/clusters", known, found);
    for (index, namespace) in spec.namespaces.iter().enumerate() {
        let owner = known
            .namespaces
            .as_ref()
            .and_then(|namespaces| namespaces.get(namespace.as_str()));
        if let Some(owner) = owner.filter(|owner| *owner != document.name()) {
            found.push(
                document
                    .error(
                        Code::NAMESPACE_TWICE,
                        &format!("/spec/namespaces/{index}"),
                        format!("namespace {namespace} belongs to tenant {owner} already"),
                    )
                    .with_hint("a namespace belongs to one tenant; the older Tenant keeps it"),
            );
        }
    }
}

/// The first one in the files is taken for the older.
fn kind_rule(document: &Document, documents: &[Document]) -> Option<Diagnostic> {
    let about = |document: &Document| {
        let spec = document.object.get("spec")?;
        let text = |field: &str| spec.get(field)?.as_str().map(str::to_owned);
        Some((text("group")?, text("kind")?))
    };
    let subject = about(document)?;
    let first = documents
        .iter()
        .filter(|other| other.group() == api::GROUP && other.kind() == "KindRule")
        .find(|other| about(other).as_ref() == Some(&subject))?;
    (first.name() != document.name()).then(|| {
        let (group, kind) = subject;
        document
            .error(
                Code::KIND_RULE_TWICE,
                "/spec/kind",
                format!("KindRule {} is about {kind}.{group} too", first.name()),
            )
            .with_hint("the older of the two is in force; put what both say into one")
            .as_warning()
    })
}

fn policy(
    document: &Document,
    namespace: Option<&str>,
    known: &Known,
    documents: &[Document],
    found: &mut Vec<Diagnostic>,
) {
    for (index, term) in field::<Placement>(document, "placement").terms.iter().enumerate() {
        clusters(
            document,
            &term.clusters,
            &format!("/spec/placement/terms/{index}/clusters"),
            known,
            found,
        );
    }
    for (index, name) in field::<Suspend>(document, "suspend").clusters.iter().enumerate() {
        member(
            document,
            name,
            &format!("/spec/suspend/clusters/{index}"),
            known,
            found,
        );
    }
    for (index, rule) in field::<Vec<Value>>(document, "rules").iter().enumerate() {
        let chosen = rule.get("clusters").cloned().unwrap_or_default();
        if let Ok(chosen) = serde_json::from_value::<ClusterSelector>(chosen) {
            let pointer = format!("/spec/rules/{index}/clusters");
            clusters(document, &chosen, &pointer, known, found);
        }
    }
    let inside = document
        .namespace()
        .or(namespace)
        .filter(|_| !document.kind().starts_with("Cluster"));
    if let Some(inside) = inside {
        let place = if document.namespace().is_some() {
            "/metadata/namespace"
        } else {
            "/metadata/name"
        };
        let says = |text: String| document.error(Code::TENANT_UNKNOWN, place, text);
        match &known.namespaces {
            None => found.push(
                says(format!("namespace {inside} belongs to no Tenant in the files"))
                    .with_hint("give the Tenant's file too, to have this checked; without a Tenant nothing is placed")
                    .as_warning(),
            ),
            Some(namespaces) if !namespaces.contains_key(inside) => found.push(
                says(format!("namespace {inside} belongs to no Tenant"))
                    .with_hint(format!("add {inside} to spec.namespaces of a Tenant")),
            ),
            Some(_) => {}
        }
    }
    let templates: Vec<&Document> = documents
        .iter()
        .filter(|template| template.group() != api::GROUP || template.kind() == api::BUNDLE)
        .filter(|template| inside.is_none() || template.namespace().or(namespace) == inside)
        .collect();
    if templates.is_empty() {
        return;
    }
    ignored(document, &templates, found);
    let selectors: Vec<ResourceSelector> = field(document, "resourceSelectors");
    // What an override changes may be in a Bundle.
    let in_bundles = document.kind().ends_with("OverridePolicy")
        && templates.iter().any(|template| template.kind() == api::BUNDLE);
    for (index, selector) in selectors.iter().enumerate() {
        if !in_bundles && !templates.iter().any(|template| selects(selector, template)) {
            found.push(
                document
                    .error(
                        Code::SELECTS_NOTHING,
                        &format!("/spec/resourceSelectors/{index}"),
                        "this selector selects none of the given templates",
                    )
                    .with_hint("compare apiVersion, kind, name and labels with the templates' own")
                    .as_warning(),
            );
        }
    }
}

fn selects(selector: &ResourceSelector, template: &Document) -> bool {
    let group = selector
        .api_version
        .split_once('/')
        .map_or("", |(group, _)| group);
    let labels = &template.object["metadata"]["labels"];
    let wanted = selector
        .label_selector
        .as_ref()
        .and_then(|selector| selector.match_labels.as_ref());
    (selector.api_version == "*" || group == template.group())
        && (selector.kind == "*" && template.group() != api::GROUP || selector.kind == template.kind())
        && selector
            .name
            .as_ref()
            .is_none_or(|name| name.as_str() == template.name())
        && wanted.is_none_or(|wanted| {
            wanted
                .iter()
                .all(|(key, value)| labels.get(key).and_then(Value::as_str) == Some(value.as_str()))
        })
}

fn clusters(
    document: &Document,
    selector: &ClusterSelector,
    pointer: &str,
    known: &Known,
    found: &mut Vec<Diagnostic>,
) {
    for (field, names) in [("names", &selector.names), ("exclude", &selector.exclude)] {
        for (index, name) in names.iter().enumerate() {
            member(
                document,
                name,
                &format!("{pointer}/{field}/{index}"),
                known,
                found,
            );
        }
    }
}

/// One member that is named.
fn member(document: &Document, name: &str, place: &str, known: &Known, found: &mut Vec<Diagnostic>) {
    match &known.clusters {
        Some(clusters) if clusters.contains(name) => {}
        Some(clusters) => {
            let near = clusters
                .iter()
                .map(|known| (strsim::osa_distance(known, name), known))
                .filter(|(distance, _)| *distance <= 2)
                .min();
            let hint = near.map_or_else(
                || format!("`hub get clusters` lists the members; `hub join {name}` registers one"),
                |(_, known)| format!("did you mean {known}?"),
            );
            found.push(
                document
                    .error(
                        Code::CLUSTER_UNKNOWN,
                        place,
                        format!("there is no Cluster {name}"),
                    )
                    .with_hint(hint),
            );
        }
        None => found.push(
            document
                .error(
                    Code::CLUSTER_UNKNOWN,
                    place,
                    format!("there is no Cluster {name} in the files"),
                )
                .with_hint("give the Clusters' files too, to have names of members checked")
                .as_warning(),
        ),
    }
}

/// Fields of the given templates that can't be left to members: what the kind's schema alone tells.
fn ignored(document: &Document, templates: &[&Document], found: &mut Vec<Diagnostic>) {
    let fields: Vec<IgnoreFields> = field(document, "ignoreFields");
    for (at, fields) in fields.iter().enumerate() {
        for (index, text) in fields.pointers.iter().enumerate() {
            let of_kind = templates.iter().filter(|template| template.kind() == fields.kind);
            let wrong = Pointer::parse(text).and_then(|pointer| {
                of_kind.into_iter().find_map(|template| {
                    let version = template.object["apiVersion"].as_str()?.rsplit('/').next()?;
                    let kind = builtin()
                        .schemas
                        .kind(template.group(), version, template.kind())?;
                    pointer.check(kind.shape(), &template.object).err()
                })
            });
            if let Some(wrong) = wrong {
                let place = format!("/spec/ignoreFields/{at}/pointers/{index}");
                found.push(
                    document
                        .error(Code::NOT_ALLOWED, &place, wrong.to_string())
                        .with_hint(
                            "leave a single field to the members, or the whole of what is applied as one",
                        ),
                );
            }
        }
    }
}
