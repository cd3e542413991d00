//! Making one member hold what a binding puts there.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{
    engine::Engine,
    index::Held,
    members::{ENDING, Place, acts_as},
    trouble::{Trouble, problem},
};
use crate::{
    act::{
        fleet::WatchScope,
        propagate::{Applied, Replicas, Standing, apply},
        wire::{Target, count},
    },
    decide::{render, tenancy},
    model::{
        api::{BindingCluster, DriftMode, EventReason, PlacedObject, Reason},
        fleet::ObjectRow,
        name::GroupKind,
        template::Template,
    },
    telemetry::{Verb, metrics},
};

/// Between two looks at a member whose list of the kind is not complete.
const UNSYNCED: Duration = Duration::from_millis(300);

/// One write that is due.
#[derive(Clone, Copy)]
struct Write<'a> {
    intent: &'a render::Intent,
    /// What a create sends: always with a number of replicas.
    first: &'a Value,
    recorded: Option<&'a PlacedObject>,
    /// The version that was seen of what is recorded.
    version: Option<&'a str>,
    replicas: Replicas,
}

impl Engine {
    pub(super) async fn hold(&self, place: &Place<'_>, entry: &BindingCluster) -> Result<(), Trouble> {
        let Place {
            key, binding, member, ..
        } = *place;
        let Some(held) = self.index.template(key) else {
            return Ok(());
        };
        let template = &*held.template;
        let policies = self.index.policies.load();
        let governed = policies.govern(template, binding.spec.policy.as_ref());
        if governed.is_none() && binding.spec.required_by.is_empty() {
            return Ok(()); // frozen
        }
        // Rights first: kinds that the hub itself may not read are watched as the tenant.
        self.ensure(member, &key.namespace, &acts_as(binding)).await?;
        let identity = Self::identity(&acts_as(binding), &key.namespace);
        let scope = WatchScope::Namespaces([(key.namespace.clone(), identity)].into());
        member.watch_kind(&template.key.group_kind(), scope);
        let standing = self.ledger.standing(key, member.name());
        let recorded = standing
            .objects
            .iter()
            .find(|placed| placed.key() == template.key);
        let known = recorded.filter(|placed| placed.uid.is_some());
        if known.is_some() && !member.is_synced(&template.key.group_kind(), Some(&key.namespace)) {
            self.lanes.add_after(member.name(), key, UNSYNCED);
            return Ok(()); // what is there is not known yet
        }
        let has_replicas = template.replicas_at.is_some();
        if known.is_some() && has_replicas && !member.is_autoscaling_synced() {
            // Taken for one that nobody scales, it would get the template's number at each start of the hub.
            self.lanes.add_after(member.name(), key, UNSYNCED);
            return Ok(());
        }
        let autoscaled = self.index.is_autoscaled(&template.key) || member.autoscaled(&template.key);
        let intent = self.intent(place, entry, template, autoscaled).await?;
        let row = member.row(&template.key);
        let drift = match compare(known, row.as_deref(), &intent) {
            Compared::Same => {
                self.holds_still(place, template);
                return Ok(());
            }
            Compared::Ending => {
                self.lanes.add_after(member.name(), key, ENDING);
                return Err(ending());
            }
            Compared::Differs => None,
            Compared::Drifted(drift) if self.may_repair(place, template, &standing, &drift) => Some(drift),
            Compared::Drifted(_) => return Ok(()),
        };
        let first = if autoscaled {
            self.render(place, template, replicas_of(entry))?.body
        } else {
            intent.body.clone()
        };
        // Of another object by that name no version counts: it is looked at, and proven ours, before it is forced.
        let version = row
            .as_deref()
            .filter(|row| known.is_some_and(|known| known.uid.as_ref() == Some(&row.uid)))
            .map(|row| row.resource_version.as_str());
        let replicas = if autoscaled && has_replicas {
            Replicas::Autoscaled
        } else {
            Replicas::Ours
        };
        let write = Write {
            intent: &intent,
            first: &first,
            recorded,
            version,
            replicas,
        };
        match self.write(place, &write).await? {
            Applied::Holds(placed, observed) => {
                member.note_written(&intent.key, &observed);
                self.now_holds(place, &held, *placed, drift);
                Ok(())
            }
            Applied::Conflict { owner } => {
                let by = owner.map_or_else(String::new, |owner| format!(" (last edited by {owner})"));
                let key = &intent.key;
                let message =
                    format!("{key} exists in the member and was not made by this hub{by}; it is left alone");
                Err(problem(Reason::Conflict, &message, true))
            }
            Applied::Terminating => Err(ending()),
        }
    }

    /// Whether a drift is to be repaired now; else it is said, and looked at again in its time.
    fn may_repair(&self, place: &Place<'_>, template: &Template, standing: &Standing, drift: &str) -> bool {
        let Place {
            key, binding, member, ..
        } = *place;
        if binding.spec.drift.mode == DriftMode::Report {
            self.say(
                template,
                EventReason::DriftReported,
                true,
                format!("{}: {drift}", member.name()),
            );
            self.note(key, member.name(), |standing| {
                standing.drifted = Some(drift.to_owned());
            });
            return false;
        }
        let wait = standing.repairs.wait(Instant::now());
        if wait.is_zero() {
            return true;
        }
        let message = format!("{drift}; it keeps being changed, so the next repair waits");
        self.note(key, member.name(), |standing| standing.drifted = Some(message));
        self.lanes.add_after(member.name(), key, wait);
        false
    }

    /// Writes as the tenant.
    async fn write(&self, place: &Place<'_>, write: &Write<'_>) -> Result<Applied, Trouble> {
        let Place {
            key, binding, member, ..
        } = *place;
        let acts_as = acts_as(binding);
        let Write {
            intent,
            first,
            recorded,
            version,
            replicas,
        } = *write;
        let resource = member
            .resource(&intent.gvk)
            .ok_or_else(|| unknown(&intent.gvk.group_kind()))?;
        let identity = Self::identity(&acts_as, &key.namespace);
        let client = member.stack().acting_as(&identity)?;
        let target = Target {
            client: &client,
            resource: &resource,
            key: &intent.key,
        };
        let _place = member.lane().enter().await;
        let applied = apply(&self.me, target, intent, first, recorded, version, replicas).await;
        let verb = if version.is_some() {
            Verb::Apply
        } else {
            Verb::Create
        };
        count(member.name(), verb, applied).map_err(|error| self.judge(place, &identity, &intent.gvk, error))
    }

    /// The member has just been made to hold the intent.
    fn now_holds(&self, place: &Place<'_>, held: &Held, placed: PlacedObject, drift: Option<String>) {
        let cluster = place.member.name();
        let repaired = drift.is_some();
        self.note(place.key, cluster, |standing| {
            standing.applied = true;
            standing.generation = Some(held.template.generation.unwrap_or(1));
            standing.objects.retain(|had| had.key() != placed.key());
            standing.objects.push(placed);
            standing.problem = None;
            standing.drifted = None;
            standing.gone = false;
            if repaired {
                standing.repairs.note(Instant::now());
            }
        });
        if let Some(drift) = drift {
            metrics().drift_corrected.inc();
            self.say(
                &held.template,
                EventReason::DriftCorrected,
                false,
                format!("{cluster}: {drift}"),
            );
        } else {
            metrics()
                .apply_seconds
                .observe(held.since.elapsed().as_secs_f64());
        }
    }

    /// The member already holds the intent.
    fn holds_still(&self, place: &Place<'_>, template: &Template) {
        let generation = Some(template.generation.unwrap_or(1));
        let standing = self.ledger.standing(place.key, place.member.name());
        if standing.applied
            && standing.generation == generation
            && standing.problem.is_none()
            && standing.drifted.is_none()
        {
            return;
        }
        self.note(place.key, place.member.name(), |standing| {
            standing.applied = true;
            standing.generation = generation;
            standing.problem = None;
            standing.drifted = None;
            standing.gone = false;
        });
    }

    /// Whether what is recorded in a member that cannot be written to is what the template says now.
    pub(super) fn is_up_to_date(&self, place: &Place<'_>, entry: &BindingCluster) -> bool {
        let Some(held) = self.index.template(place.key) else {
            return true;
        };
        let template = &*held.template;
        let standing = self.ledger.standing(place.key, place.member.name());
        if template.generation.is_some() {
            return standing.generation == template.generation;
        }
        let recorded = standing
            .objects
            .iter()
            .find(|placed| placed.key() == template.key);
        match (recorded, self.render(place, template, replicas_of(entry))) {
            (Some(recorded), Ok(intent)) => recorded.hash == Some(intent.hash),
            _ => true,
        }
    }

    fn render(
        &self,
        place: &Place<'_>,
        template: &Template,
        replicas: render::Replicas,
    ) -> Result<render::Intent, Trouble> {
        let tenant = place
            .binding
            .spec
            .tenant
            .as_ref()
            .map_or(tenancy::ADMIN, |tenant| tenant.name.as_str());
        let context = render::Context {
            hub: &self.me.id,
            binding: &place.key.name,
            tenant,
            member: place.seen,
            replicas,
        };
        render::render(template, &context)
            .map_err(|error| problem(Reason::KindUnknown, &error.to_string(), false))
    }

    async fn intent(
        &self,
        place: &Place<'_>,
        entry: &BindingCluster,
        template: &Template,
        autoscaled: bool,
    ) -> Result<render::Intent, Trouble> {
        let replicas = if autoscaled {
            render::Replicas::Autoscaler
        } else {
            replicas_of(entry)
        };
        let intent = self.render(place, template, replicas)?;
        let apis = place.member.apis();
        let kind = intent.key.group_kind();
        let served = apis.kind(&kind).ok_or_else(|| unknown(&kind))?;
        tenancy::may_propagate(
            &acts_as(place.binding),
            &place.key.namespace,
            &kind,
            served,
            &intent.body,
        )
        .map_err(|refusal| problem(Reason::KindRefused, &refusal.to_string(), true))?;
        let schema = place
            .member
            .schema(&intent.gvk)
            .await
            .map_err(|error| problem(Reason::ApplyFailed, &error.to_string(), false))?;
        match schema {
            Some(schema) => render::fit(intent, &schema, &|pointer| template.was_set(pointer))
                .map_err(|unknown| problem(Reason::InvalidForMember, &unknown.to_string(), true)),
            None => Ok(intent),
        }
    }
}

fn replicas_of(entry: &BindingCluster) -> render::Replicas {
    entry.replicas.map_or(render::Replicas::Template, |replicas| {
        render::Replicas::Exactly(i64::from(replicas))
    })
}

fn ending() -> Trouble {
    let message = "the object is being deleted in the member; it is made again when it is gone";
    problem(Reason::Applying, message, false)
}

fn unknown(kind: &GroupKind) -> Trouble {
    problem(
        Reason::KindUnknown,
        &format!("the member does not serve {kind}"),
        false,
    )
}

enum Compared {
    /// The member holds exactly what was applied, and that is the intent.
    Same,
    /// Nothing of ours is there, or what is there is an older intent.
    Differs,
    /// What was applied is not there any more as it was.
    Drifted(String),
    /// Ours is being deleted.
    Ending,
}

/// Compares what was recorded with what was last seen. `row` is to be believed: its list was complete.
fn compare(recorded: Option<&PlacedObject>, row: Option<&ObjectRow>, intent: &render::Intent) -> Compared {
    let Some(recorded) = recorded else {
        return Compared::Differs;
    };
    let Some(row) = row.filter(|row| Some(&row.uid) == recorded.uid.as_ref()) else {
        return Compared::Drifted("deleted, by whom unknown".to_owned());
    };
    if row.deleting {
        return Compared::Ending;
    }
    if recorded.hash != Some(intent.hash) || recorded.owned.is_none() {
        return Compared::Differs;
    }
    if row.owned == recorded.owned {
        return Compared::Same;
    }
    let by = row.last_editor.as_deref().unwrap_or("an unknown manager");
    Compared::Drifted(format!("changed by {by}"))
}
