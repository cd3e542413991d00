//! Sums that the hub API does not take: said on their `KindRule`, and not written over and over.

use std::{collections::BTreeSet, time::Duration};

use kube::core::Status as Refusal;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::engine::Engine;
use crate::model::{fleet::BindingKey, hash::Hash, name::GroupKind, template::Template};

/// When what was refused is tried again: somebody may have granted it.
const AGAIN: Duration = Duration::from_secs(10);

/// A sum that the hub API does not keep: the kind's schema drops what it does not know, or refuses it.
#[derive(Debug)]
pub(super) struct RefusedSum {
    wanted: Hash,
    kind: GroupKind,
    /// Until when it is not tried again; for ever when it was dropped silently.
    until: Option<Instant>,
    why: String,
}

/// A kind whose status the hub may not write.
#[derive(Debug)]
pub(super) struct ForbiddenSum {
    until: Instant,
    why: String,
}

impl Engine {
    /// Whether the hub API is known not to keep this sum.
    pub(super) fn is_refused(&self, kind: &GroupKind, key: &BindingKey, wanted: &Value) -> bool {
        let now = Instant::now();
        let forbidden = self.index.forbidden.get(kind);
        if forbidden.is_some_and(|forbidden| now < forbidden.until) {
            self.status.add_after(key.clone(), AGAIN);
            return true;
        }
        self.index.refused.get(key).is_some_and(|refused| {
            refused.wanted == Hash::of(wanted) && refused.until.is_none_or(|until| now < until)
        })
    }

    /// Takes up what the hub API made of a sum that it accepted.
    pub(super) fn note_sum(&self, template: &Template, key: &BindingKey, wanted: &Value, kept: Option<&str>) {
        let kind = template.key.group_kind();
        let kinds = self.index.kinds_known.load();
        let Some(rule) = kinds.rule(&kind).filter(|rule| !rule.sums.is_empty()) else {
            return;
        };
        let kept = kept.and_then(|kept| serde_json::from_str::<Value>(kept).ok());
        let allowed = self.index.forbidden.remove(&kind).is_some();
        let news = if kept.as_ref().unwrap_or(&json!({})) == wanted {
            self.index.refused.remove(key).is_some() || allowed
        } else {
            let why = format!(
                "the schema of {kind} at the hub API has no room for all that is summed, and drops it"
            );
            let wanted = Hash::of(wanted);
            let refused = RefusedSum {
                wanted,
                kind,
                until: None,
                why,
            };
            self.index.refused.insert(key.clone(), refused);
            true
        };
        if news {
            self.look_at_rule(rule);
        }
    }

    /// Takes up that the hub API refused a sum for a reason that a person must remove. Whether it is one.
    pub(super) fn note_refused_sum(&self, template: &Template, wanted: &Value, refusal: &Refusal) -> bool {
        let kind = template.key.group_kind();
        let kinds = self.index.kinds_known.load();
        let (Some(rule), Some(key)) = (kinds.rule(&kind), BindingKey::of(&template.key)) else {
            return false;
        };
        let until = Instant::now() + AGAIN;
        match refusal.code {
            403 => {
                let plural = self.index.apis.load().kind(&kind).map(|api| api.plural.clone());
                let why = format!(
                    "the hub may not write the status of {kind}; create a ClusterRole labelled hanse.dev/aggregate-to-hub: \"true\" \
                     with rules: [{{apiGroups: [{}], resources: [{}/status], verbs: [patch]}}]",
                    kind.group,
                    plural.unwrap_or_else(|| "*".to_owned()),
                );
                self.index.forbidden.insert(kind, ForbiddenSum { until, why });
            }
            400 | 422 => {
                let why = format!("the hub API refuses the sums of {kind}: {}", refusal.message);
                let wanted = Hash::of(wanted);
                let refused = RefusedSum {
                    wanted,
                    kind,
                    until: Some(until),
                    why,
                };
                self.index.refused.insert(key.clone(), refused);
            }
            _ => return false,
        }
        self.status.add_after(key, AGAIN);
        self.look_at_rule(rule);
        true
    }

    /// What the hub API last said against the sums of a kind.
    pub(super) fn why_sums_are_refused(&self, kind: &GroupKind) -> Option<String> {
        if let Some(forbidden) = self.index.forbidden.get(kind) {
            return Some(forbidden.why.clone());
        }
        let refused = self.index.refused.iter().filter(|refused| refused.kind == *kind);
        refused.map(|refused| refused.why.clone()).min()
    }

    /// Another rule may ask for other sums of these kinds.
    pub(super) fn forget_refused_sums(&self, kinds: &BTreeSet<GroupKind>) {
        self.index
            .refused
            .retain(|_, refused| !kinds.contains(&refused.kind));
        self.index.forbidden.retain(|kind, _| !kinds.contains(kind));
    }
}
