//! Waiting until what was applied runs in every member it was decided for.

use std::collections::BTreeSet;

use kube::{
    Api,
    api::{DynamicObject, ListParams},
};
use tokio::time::{Duration, Instant};

use super::{context::Hub, failure::Failure, locate::Item, progress::Progress};
use crate::model::{
    api::{ConditionType, Reason, WorkloadBinding, find_condition, is_true},
    kind,
    manifest::Code,
    name::{GroupKind, NamespaceName, binding_name},
    template::Template,
};

/// A template that was applied.
#[derive(Debug, Clone)]
pub(super) struct Applied {
    shown: String,
    namespace: NamespaceName,
    binding: String,
    uid: String,
    /// Absent for kinds without generations.
    generation: Option<i64>,
    /// What the hub decides on; `None` for what can't be a template.
    revision: Option<String>,
    /// What its health waits for may never come, such as metrics: it is only applied.
    given: bool,
}

impl Applied {
    /// `None` for what the hub does not propagate: cluster-scoped objects.
    pub(super) fn of(item: &Item<'_>, object: &DynamicObject) -> Option<Self> {
        let kind = GroupKind::new(item.document.group(), item.document.kind());
        let value = serde_json::to_value(object).ok()?;
        // The hub itself writes nothing to the objects whose revision is a hash.
        let template = Template::from_object(&value, &|_| false).ok();
        Some(Self {
            shown: item.shown(),
            namespace: item.namespace.clone()?,
            binding: binding_name(&kind, item.document.name()),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            generation: object.metadata.generation,
            revision: template.map(|template| template.revision()),
            given: kind::is_given_from_outside(&kind),
        })
    }

    /// What is still missing; `None` when nothing is.
    fn lacks(&self, binding: Option<&WorkloadBinding>) -> Option<String> {
        let Some(binding) = binding else {
            return Some("no policy has placed it".to_owned());
        };
        let status = binding.status_or_default();
        let told = find_condition(&status.conditions, ConditionType::Applied);
        let fresh = told.is_some_and(|told| told.observed_generation == binding.metadata.generation);
        if binding.spec.template.uid != self.uid || !fresh {
            return Some("what was applied is not decided yet".to_owned());
        }
        if binding.wanted().next().is_none() {
            let scheduled = find_condition(&status.conditions, ConditionType::Scheduled);
            let refused = scheduled.filter(|scheduled| scheduled.reason == Reason::KindRefused.as_str());
            return Some(refused.map_or_else(
                || "no member was chosen".to_owned(),
                |refused| refused.message.clone(),
            ));
        }
        for wanted in binding.wanted() {
            let Some(cluster) = status.clusters.iter().find(|cluster| cluster.name == wanted.name) else {
                return Some(format!("{}: not applied yet", wanted.name));
            };
            let old = match self.generation {
                Some(generation) => cluster.generation.is_none_or(|has| has < generation),
                None => self.revision.is_some() && wanted.revision != self.revision,
            };
            if old || !cluster.applied {
                let why = if cluster.message.is_empty() {
                    "not applied yet"
                } else {
                    &cluster.message
                };
                return Some(format!("{}: {why}", wanted.name));
            }
        }
        let conditions = [ConditionType::Applied, ConditionType::Available];
        for condition in &conditions[..if self.given { 1 } else { 2 }] {
            if !is_true(&status.conditions, *condition) {
                let waiting = status.clusters.iter().find(|cluster| !cluster.message.is_empty());
                return Some(waiting.map_or_else(
                    || format!("not {condition} yet"),
                    |cluster| format!("{}: {}", cluster.name, cluster.message),
                ));
            }
        }
        None
    }
}

/// Waits until every template is applied at its generation and available everywhere it was decided for.
pub(super) async fn until_available(
    hub: &Hub,
    applied: &[Applied],
    deadline: Instant,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let namespaces: BTreeSet<&NamespaceName> = applied.iter().map(|template| &template.namespace).collect();
    progress.doing(&format!("waiting for {} templates", applied.len()));
    loop {
        let mut bindings = Vec::new();
        for namespace in &namespaces {
            let list = Api::<WorkloadBinding>::namespaced(hub.client.clone(), namespace.as_str())
                .list(&ListParams::default())
                .await
                .map_err(|error| Failure::hub("list bindings", &error))?;
            bindings.extend(list.items);
        }
        let lacking: Vec<(&Applied, String)> = applied
            .iter()
            .filter_map(|template| {
                let binding = bindings.iter().find(|binding| {
                    binding.metadata.name.as_deref() == Some(&template.binding)
                        && binding.metadata.namespace.as_deref() == Some(template.namespace.as_str())
                });
                template.lacks(binding).map(|why| (template, why))
            })
            .collect();
        let Some((first, why)) = lacking.first() else {
            progress.done(&format!("{} templates are applied and available", applied.len()));
            return Ok(());
        };
        progress.waiting(&format!(
            "{}/{} available, {} ({why})",
            applied.len() - lacking.len(),
            applied.len(),
            first.shown
        ));
        if Instant::now() >= deadline {
            let mut failure = Failure::timed_out(format!(
                "{} of {} templates are not available yet",
                lacking.len(),
                applied.len()
            ))
            .with_hint(
                "nothing was undone and the hub goes on; `hub status` and `hub explain KIND/NAME` say more",
            );
            failure
                .diagnostics
                .extend(lacking.iter().take(10).map(|(template, why)| {
                    crate::model::manifest::Diagnostic::about_file(
                        Code::NOT_READY,
                        "",
                        format!("{}: {why}", template.shown),
                    )
                }));
            return Err(failure);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
