//! Drift that is only told: what it is, once per change, from one live look at the object.

use super::{
    compare::GONE,
    engine::Engine,
    hold::Part,
    members::Place,
    trouble::{Trouble, problem},
};
use crate::{
    act::propagate::{Drift, Looked, Standing},
    decide::render,
    model::{
        api::{DriftScope, EventReason, Reason},
        schema::Pointer,
    },
};

impl Engine {
    /// What others have added to an object that is otherwise as it should be, where the policy asks for it.
    pub(super) async fn additions(
        &self,
        part: &Part<'_>,
        intent: &render::Intent,
        left: &[Pointer],
    ) -> Result<Option<String>, Trouble> {
        let place = part.place;
        let asked = place.binding.spec.drift.scope == DriftScope::Whole;
        if !asked || place.member.others(&intent.key).is_none() {
            return Ok(None);
        }
        self.look_at_drift(part, intent, left).await
    }

    /// What the drift is. The object is read once per state of it: at rest, and as long as nothing changes, nothing is
    /// asked. What is new is said in an event; after a restart, what the status says already is not.
    pub(super) async fn look_at_drift(
        &self,
        part: &Part<'_>,
        intent: &render::Intent,
        left: &[Pointer],
    ) -> Result<Option<String>, Trouble> {
        let place = part.place;
        let Place {
            key, binding, member, ..
        } = *place;
        let state = Looked {
            owned: member.row(&intent.key).and_then(|row| row.owned),
            others: member.others(&intent.key),
            intent: intent.hash,
            scope: binding.spec.drift.scope,
            found: None,
        };
        let mut standing = self.ledger.standing(key, member.name());
        let before = standing.trials.remove(&intent.key);
        let before = before.and_then(|trials| trials.looked);
        if let Some(before) = before.filter(|before| before.is_of(&state)) {
            return Ok(before.found);
        }
        let reached = Self::reach(place, &intent.gvk)?;
        let live = {
            let _place = member.lane().enter().await;
            reached.target(&intent.key).get_whole().await?
        };
        let Some(live) = live else {
            return Ok(None); // its deletion is about to be seen
        };
        let schema = Self::schema(place, &intent.gvk).await?;
        let found = Drift {
            intent,
            live: &live,
            schema: schema.as_ref(),
            manager: &self.me.manager,
            left,
            whole: binding.spec.drift.scope == DriftScope::Whole,
        }
        .words()
        .map(|words| part.words(&words));
        if let Some(words) = &found {
            self.report_drift(part, words);
        }
        self.ledger.update(key, member.name(), |standing| {
            standing.trials(&intent.key).looked = Some(Looked {
                found: found.clone(),
                ..state
            });
        });
        Ok(found)
    }

    /// An object that somebody deleted, where the policy wants that only told.
    pub(super) fn leave_gone(&self, part: &Part<'_>, standing: &Standing) -> Trouble {
        let (place, words) = (part.place, part.words(GONE));
        if standing.drifted_of(&part.key) != Some(&words) {
            self.report_drift(part, &words);
            self.note(place.key, place.member.name(), |standing| {
                standing.set_drifted(&part.key, Some(words));
            });
        }
        problem(Reason::Drifted, GONE, true)
    }

    fn report_drift(&self, part: &Part<'_>, words: &str) {
        let place = part.place;
        let cluster = place.member.name();
        let shown = place.binding.status.as_ref().is_some_and(|status| {
            let here = status.clusters.iter().find(|shown| shown.name == *cluster);
            here.is_some_and(|here| here.message == words)
        });
        if !shown {
            self.say(
                &part.held.template,
                EventReason::DriftReported,
                true,
                format!("{cluster}: {words}"),
            );
        }
    }
}
