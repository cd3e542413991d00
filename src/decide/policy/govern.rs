//! The precedence of policies.

use std::cmp::Reverse;
use std::sync::Arc;

use super::compile::{Exactness, Selection};
use super::{Policies, Policy, PolicyId};
use crate::model::api::{PolicyRef, Takeover};
use crate::model::template::Template;

/// The policy that governs a template.
#[derive(Debug, Clone)]
pub struct Governed {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Why it is this one, for people.
    pub why: String,
}

/// The policy that asked for something that is never propagated.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Why nothing of it goes anywhere, for people.
    pub why: String,
}

impl Policies {
    /// The policy that governs the template; None when none selects it, which only means that it is not
    /// propagated: what becomes of objects that are there is for the binding's `deletion.policy` to say.
    ///
    /// Precedence: priority, then `PropagationPolicy` before `ClusterPropagationPolicy`, then name before
    /// labels before kind before `"*"`, then the older, then the name. `current` is the binding's policy: its
    /// claim is kept while it still matches, unless a policy with `takeover: Always` comes before it. The
    /// answer given again as `current` is the answer again.
    #[must_use]
    pub fn govern(&self, template: &Template, current: Option<&PolicyRef>) -> Option<Governed> {
        let namespace = template.namespace()?;
        let current = current.map(|claim| PolicyId::of_binding(claim, namespace));
        let mut best: Option<Candidate<'_>> = None;
        let mut claim: Option<Candidate<'_>> = None;
        let mut taker: Option<Candidate<'_>> = None;
        for policy in self.candidates(namespace, &template.key.kind) {
            let claims = current.as_ref() == Some(&policy.id);
            let exactness = match policy.selects(template) {
                Selection::Yes(exactness) => exactness,
                // Nothing is let go because of a selector that cannot be read.
                Selection::Unclear if claims => Exactness::Any,
                _ => continue,
            };
            let candidate = Candidate { policy, exactness };
            if claims {
                claim = Some(candidate);
            }
            if policy.spec.takeover == Takeover::Always {
                taker = Some(Candidate::first(taker, candidate));
            }
            best = Some(Candidate::first(best, candidate));
        }
        let best = best?;
        let winner = match (claim, taker) {
            (Some(claim), Some(taker)) if taker.rank() < claim.rank() => taker,
            (Some(claim), _) => claim,
            (None, _) => best,
        };
        // The words tell how it stands, not how it came: deciding again with this claim says the same.
        let stands = if winner.policy.id == best.policy.id {
            "and comes first"
        } else {
            "and keeps its claim"
        };
        Some(winner.governs(stands))
    }

    /// The policy that names the template though it is never propagated, and why it is not. Of several that one
    /// which comes first. What only `"*"` selects is passed over in silence.
    #[must_use]
    pub fn refuse(&self, template: &Template) -> Option<Refused> {
        let refusal = template.never_selected(true)?;
        let namespace = template.namespace()?;
        let asking = self
            .candidates(namespace, &template.key.kind)
            .filter_map(|policy| {
                let exactness = policy.asks_for(template)?;
                Some(Candidate { policy, exactness })
            });
        let first = asking.reduce(|one, other| Candidate::first(Some(one), other))?;
        Some(Refused {
            policy: first.policy.clone(),
            why: format!("{refusal}; {} selects it {}", first.policy.id, first.exactness),
        })
    }
}

#[derive(Clone, Copy)]
struct Candidate<'a> {
    policy: &'a Arc<Policy>,
    exactness: Exactness,
}

impl Candidate<'_> {
    /// The smallest wins.
    fn rank(&self) -> impl Ord + '_ {
        let policy = self.policy;
        let age = (policy.created.is_none(), policy.created);
        (
            Reverse(policy.spec.priority),
            policy.id.kind,
            self.exactness,
            age,
            &policy.id.name,
        )
    }

    fn first<'a>(one: Option<Candidate<'a>>, other: Candidate<'a>) -> Candidate<'a> {
        match one {
            Some(one) if one.rank() <= other.rank() => one,
            _ => other,
        }
    }

    fn governs(&self, why: &str) -> Governed {
        Governed {
            policy: self.policy.clone(),
            why: format!(
                "{} (priority {}) selects it {} {why}",
                self.policy.id, self.policy.spec.priority, self.exactness
            ),
        }
    }
}

#[cfg(test)]
mod tests;
