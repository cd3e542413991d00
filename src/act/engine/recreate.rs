//! Changes of fields that can't change: said with the field and what helps, or done by making the object again.

use serde_json::Value;

use super::{
    engine::Engine,
    hold::{Part, Write},
    members::{ENDING, Place},
    trouble::{Trouble, problem},
};
use crate::{
    act::{
        propagate::{Pruned, prune_with_all},
        wire::{Target, count},
    },
    model::{
        api::{EventReason, PlacedObject, Reason},
        hash::Hash,
        mark,
    },
    telemetry::Verb,
};

impl Engine {
    /// What follows when the member refuses to change `fields` of the object. With the template's leave the object is
    /// deleted, if it is proven ours, and the next pass makes it; once per intent: one that was made from this very intent
    /// and still differs is changed by something in the member, and would be again.
    pub(super) async fn cannot_change(
        &self,
        part: &Part<'_>,
        write: &Write<'_>,
        target: Target<'_>,
        fields: Vec<String>,
    ) -> Result<Trouble, Trouble> {
        let Place { key, member, .. } = *part.place;
        let (intent, template) = (write.intent, &part.held.template);
        let allowed = template.recreate || part.item.recreate;
        let live = target.get_whole().await?;
        let fields = match &live {
            Some(live) => named(&fields, &intent.body, live),
            None => fields,
        };
        let fields = fields.join(", ");
        let mut standing = self.ledger.standing(key, member.name());
        let recreated = standing.trials(&intent.key).recreated;
        let made_from = live
            .as_ref()
            .and_then(|live| live["metadata"]["annotations"][mark::INTENT].as_str())
            .map(str::to_owned);
        let own = [intent.hash, write.whole.hash].map(|hash: Hash| hash.to_string());
        let again = recreated == Some(intent.hash) || made_from.is_some_and(|from| own.contains(&from));
        let uid = live.as_ref().and_then(|live| live["metadata"]["uid"].as_str());
        let recorded = write
            .recorded
            .filter(|placed| placed.uid.is_some() && placed.uid.as_deref() == uid);
        let Some(recorded) = recorded.filter(|_| allowed && !again) else {
            let hint = if recorded.is_none() {
                "it was not made by this hub, so it stays as it is: make the template like it, or have its owner delete it"
                    .to_owned()
            } else if allowed {
                "it was made again from this very template and something in the member changed it: look at its admission webhooks"
                    .to_owned()
            } else {
                let (kind, name) = (&template.key.kind, &template.key.name);
                format!(
                    "undo the change, or let the hub delete it in the members and make it again: kubectl -n {} annotate {} {name} {}={}",
                    key.namespace,
                    kind.to_lowercase(),
                    mark::RECREATE,
                    mark::RECREATE_ALLOWED
                )
            };
            let message = format!("{fields} can't be changed in {}\nhint: {hint}", intent.key);
            return Ok(problem(Reason::ImmutableField, &message, true));
        };
        let pruned = {
            let _place = member.lane().enter().await;
            let pruned = prune_with_all(&self.me, target, recorded).await;
            count(member.name(), Verb::Delete, pruned)?
        };
        if let (Pruned::Gone, Some(uid)) = (pruned, &recorded.uid) {
            member.note_absent(&intent.key, uid);
        }
        self.note(key, member.name(), |standing| {
            standing.trials(&intent.key).recreated = Some(intent.hash);
            standing.record(PlacedObject::new(&intent.key));
        });
        self.say(
            template,
            EventReason::Recreated,
            false,
            format!(
                "{}: {}",
                member.name(),
                part.words(&format!(
                    "{fields} can't be changed, so it is deleted and made again"
                ))
            ),
        );
        self.lanes.add_after(member.name(), key, ENDING);
        let message = format!("{fields} can't be changed, so it was deleted and is made again");
        Ok(problem(Reason::Applying, &message, false))
    }
}

/// The fields by their own names: of a StatefulSet the server only says `spec`.
fn named(fields: &[String], intent: &Value, live: &Value) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for field in fields {
        let whole = field == "spec";
        let changed = intent["spec"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, value)| whole && !may_change(name) && !holds(live["spec"].get(*name), value));
        let changed: Vec<String> = changed.map(|(name, _)| format!("spec.{name}")).collect();
        if changed.is_empty() {
            found.push(field.clone());
        } else {
            found.extend(changed);
        }
    }
    found.sort();
    found.dedup();
    found
}

/// What an update of a StatefulSet may change.
fn may_change(field: &str) -> bool {
    matches!(
        field,
        "replicas"
            | "ordinals"
            | "template"
            | "updateStrategy"
            | "revisionHistoryLimit"
            | "persistentVolumeClaimRetentionPolicy"
            | "minReadySeconds"
    )
}

/// Whether what is there has all that is wanted; servers add their defaults.
fn holds(there: Option<&Value>, wanted: &Value) -> bool {
    match (there, wanted) {
        (Some(Value::Object(there)), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| holds(there.get(name), value))
        }
        (Some(Value::Array(there)), Value::Array(wanted)) => {
            there.len() == wanted.len()
                && there
                    .iter()
                    .zip(wanted)
                    .all(|(there, wanted)| holds(Some(there), wanted))
        }
        (there, wanted) => there == Some(wanted),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::named_by_the_server(&["spec.selector"], &["spec.selector"])]
    #[case::of_a_stateful_set(&["spec"], &["spec.serviceName", "spec.volumeClaimTemplates"])]
    fn an_immutable_field_is_named(#[case] told: &[&str], #[case] fields: &[&str]) {
        let live = json!({"spec": {
            "replicas": 1, "serviceName": "db", "podManagementPolicy": "OrderedReady", "selector": {"a": "b"},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"storage": "1Gi", "volumeMode": "Filesystem"}}],
        }});
        let intent = json!({"spec": {
            "replicas": 2, "serviceName": "other", "selector": {"a": "b"},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"storage": "2Gi"}}],
        }});
        let told: Vec<String> = told.iter().map(|field| (*field).to_owned()).collect();
        assert_eq!(named(&told, &intent, &live), fields);
    }
}
