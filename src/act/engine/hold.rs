//! Making one member hold what a binding puts there.

use std::{borrow::Cow, time::Duration};

use kube::{Client, api::ApiResource};
use tokio::time::Instant;

use super::{
    compare::{Compared, GONE, compare},
    engine::Engine,
    index::Held,
    members::{ENDING, Place, acts_as},
    trouble::{Trouble, problem},
};
use crate::{
    act::{
        fleet::WatchScope,
        propagate::{Applied, Standing, Wish, apply},
        wire::{ActAs, Target, count},
    },
    decide::{render, tenancy},
    model::{
        api::{
            BindingCluster, ConflictMode, Dependencies, DriftMode, EventReason, PlacedObject, Reason,
            ScaleRange, WorkloadBinding,
        },
        fleet::BindingKey,
        name::{GroupKind, GroupVersionKind, ObjectKey},
        schema::{Pointer, SchemaRef},
        template::{Bundle, Template},
    },
    telemetry::{Verb, metrics},
};

/// Between two looks at a member whose list of the kind is not complete.
const UNSYNCED: Duration = Duration::from_millis(300);

/// One write that is due.
#[derive(Clone, Copy)]
pub(super) struct Write<'a> {
    pub(super) intent: &'a render::Intent,
    /// With the fields that are left to the member: what a create sends.
    pub(super) whole: &'a render::Intent,
    pub(super) recorded: Option<&'a PlacedObject>,
    /// The version that was seen of what is recorded.
    version: Option<&'a str>,
    left: &'a [Pointer],
}

/// A kind in a member, as whoever writes the binding's objects.
pub(super) struct Reached {
    client: Client,
    resource: ApiResource,
    identity: ActAs,
}

impl Reached {
    pub(super) fn target<'a>(&'a self, key: &'a ObjectKey) -> Target<'a> {
        Target {
            client: &self.client,
            resource: &self.resource,
            key,
        }
    }
}

/// One object that a binding puts into a member: its template's only one, or one of a Bundle.
pub(super) struct Part<'a> {
    pub(super) place: &'a Place<'a>,
    /// The template.
    pub(super) held: &'a Held,
    /// What the object is made of: the template, or what the Bundle carries of it.
    pub(super) item: &'a Template,
    /// The object in the member.
    pub(super) key: Cow<'a, ObjectKey>,
    /// What it is part of.
    pub(super) bundle: Option<&'a Bundle>,
    /// Whether the policy has what it needs follow it.
    pub(super) follows: bool,
}

impl Part<'_> {
    /// Says of which object it is told, where there are several.
    pub(super) fn words(&self, words: &str) -> String {
        match self.bundle {
            Some(_) => format!("{} {}: {words}", self.key.kind, self.key.name),
            None => words.to_owned(),
        }
    }
}

/// What a pass over one object came to, where nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// The member holds it.
    Holds,
    /// Not enough is known yet, or a repair waits.
    NotYet,
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
        let governed = {
            let policies = self.index.policies.load();
            policies.govern(template, binding.spec.policy.as_ref())
        };
        if governed.is_none() && binding.spec.required_by.is_empty() {
            return Ok(()); // frozen
        }
        // Rights first: kinds that the hub itself may not read are watched as the tenant.
        self.ensure(member, &key.namespace, &acts_as(binding)).await?;
        let standing = self.ledger.standing(key, member.name());
        let follows =
            governed.is_some_and(|governed| governed.policy.spec.dependencies == Dependencies::Follow);
        if let Some(bundle) = &template.bundle {
            return self.hold_bundle(place, entry, &held, bundle, follows).await;
        }
        let part = Part {
            place,
            held: &held,
            item: template,
            key: Cow::Borrowed(&template.key),
            bundle: None,
            follows,
        };
        self.hold_object(&part, entry, &standing).await.map(|_| ())
    }

    /// Makes the member hold one object.
    pub(super) async fn hold_object(
        &self,
        part: &Part<'_>,
        entry: &BindingCluster,
        standing: &Standing,
    ) -> Result<Kept, Trouble> {
        let Place {
            key, binding, member, ..
        } = *part.place;
        let (place, template, object) = (part.place, part.item, &*part.key);
        let identity = Self::identity(&acts_as(binding), &key.namespace);
        let scope = WatchScope::Namespaces([(key.namespace.clone(), identity)].into());
        member.watch_kind(&object.group_kind(), scope);
        if let Some((owner, theirs)) = self.owner_before(key, binding, member.name(), object) {
            return Err(self.yields(part, &owner, &theirs));
        }
        let recorded = standing.recorded(object);
        let known = recorded.filter(|placed| placed.uid.is_some());
        if known.is_some() && !Self::is_seen(part) {
            self.lanes.add_after(member.name(), key, UNSYNCED);
            return Ok(Kept::NotYet); // what is there is not known yet
        }
        let autoscaled = self.index.is_autoscaled(&template.key)
            || part.bundle.is_some_and(|bundle| bundle.scales(&template.key))
            || member.autoscaled(object);
        let whole = self.intent(part, entry).await?;
        let left = Self::left(place, template, autoscaled)?;
        let schema = match &left[..] {
            [] => None,
            _ => Self::schema(place, &whole.gvk).await?,
        };
        let intent = render::leave(&whole, &left, schema.as_ref()).map_err(|error| not_left(&error))?;
        let row = member.row(object);
        let reports = binding.spec.drift.mode == DriftMode::Report;
        let drift = match compare(known, row.as_deref(), &intent) {
            Compared::Same => {
                let added = self.additions(part, &intent, &left).await?;
                self.holds_still(part, added);
                return Ok(Kept::Holds);
            }
            Compared::Ending => {
                self.lanes.add_after(member.name(), key, ENDING);
                return Err(ending());
            }
            Compared::Differs => None,
            // A change of the template is applied all the same: only what others did is left alone.
            Compared::Gone if reports && known.is_some_and(|known| known.hash == Some(intent.hash)) => {
                return Err(self.leave_gone(part, standing));
            }
            Compared::Changed(_) if reports => {
                let drift = self.look_at_drift(part, &intent, &left).await?;
                self.holds_still(part, drift);
                return Ok(Kept::Holds);
            }
            Compared::Gone | Compared::Changed(_) if reports => None,
            Compared::Gone if self.may_repair(part, standing, GONE) => Some(part.words(GONE)),
            Compared::Changed(drift) if self.may_repair(part, standing, &drift) => Some(part.words(&drift)),
            Compared::Gone | Compared::Changed(_) => return Ok(Kept::NotYet),
        };
        if part.follows {
            self.has_what_it_needs(part, &intent).await?;
        }
        // Of another object by that name no version counts: it is looked at, and proven ours, before it is forced.
        let version = row
            .as_deref()
            .filter(|row| known.is_some_and(|known| known.uid.as_ref() == Some(&row.uid)))
            .map(|row| row.resource_version.as_str());
        let write = Write {
            intent: &intent,
            whole: &whole,
            recorded,
            version,
            left: &left,
        };
        match self.write(part, &write).await? {
            Applied::Holds(placed, observed) => {
                member.note_written(&intent.key, &observed);
                self.now_holds(part, *placed, drift);
            }
            Applied::Adopted(placed, observed, what) => {
                member.note_written(&intent.key, &observed);
                self.now_holds(part, *placed, drift);
                tracing::info!(binding = %key, cluster = %member.name(), what, "an object of somebody else was taken over");
                let what = part.words(&format!("it was somebody else's; {what}"));
                let message = format!("{}: {what}", member.name());
                self.say(&part.held.template, EventReason::Adopted, false, message);
            }
            Applied::Conflict { owner, why } => return Err(conflict(&intent.key, owner, why)),
            Applied::Terminating => return Err(ending()),
        }
        let added = self.additions(part, &intent, &left).await?;
        if added.is_some() {
            self.note(key, member.name(), |standing| standing.set_drifted(object, added));
        }
        Ok(Kept::Holds)
    }

    /// The object is another binding's: it is no longer in this one's inventory, if it ever was.
    fn yields(&self, part: &Part<'_>, owner: &BindingKey, theirs: &WorkloadBinding) -> Trouble {
        let (key, cluster, object) = (part.place.key, part.place.member.name(), &*part.key);
        if self.ledger.standing(key, cluster).recorded(object).is_some() {
            self.note(key, cluster, |standing| {
                standing.objects.retain(|placed| !placed.is(object));
                standing.trials.remove(object);
            });
        }
        let template = &theirs.spec.template;
        let message = format!(
            "{object} is what {} {} puts there, whose binding {owner} is older: one of the two has to give it up",
            template.kind, template.name
        );
        problem(Reason::Conflict, &message, true)
    }

    /// Whether what is known of the object in the member is to be believed.
    fn is_seen(part: &Part<'_>) -> bool {
        let (kind, member) = (part.key.group_kind(), part.place.member);
        // Taken for one that nobody scales, it would get the template's number at each start of the hub.
        member.is_synced(&kind, part.key.namespace.as_ref())
            && (part.item.replicas_at.is_none() || member.is_autoscaling_synced())
    }

    /// The fields that are left to the member.
    fn left(place: &Place<'_>, template: &Template, autoscaled: bool) -> Result<Vec<Pointer>, Trouble> {
        let ignored = &place.binding.spec.ignore_fields;
        let kind = template.key.group_kind();
        let replicas = template.replicas_at.as_deref().filter(|_| autoscaled);
        render::left_to_members(&kind, ignored, replicas).map_err(|error| not_left(&error))
    }

    /// Whether a drift is to be repaired now; else it is said, and looked at again in its time.
    fn may_repair(&self, part: &Part<'_>, standing: &Standing, drift: &str) -> bool {
        let Place { key, member, .. } = *part.place;
        let trials = standing.trials.get(&*part.key);
        let wait = trials.map_or(Duration::ZERO, |trials| trials.repairs.wait(Instant::now()));
        if wait.is_zero() {
            return true;
        }
        let message = part.words(&format!(
            "{drift}; it keeps being changed, so the next repair waits"
        ));
        self.note(key, member.name(), |standing| {
            standing.set_drifted(&part.key, Some(message));
        });
        self.lanes.add_after(member.name(), key, wait);
        false
    }

    /// How to address objects of a kind as whoever writes them.
    pub(super) fn reach(place: &Place<'_>, gvk: &GroupVersionKind) -> Result<Reached, Trouble> {
        let resource = place
            .member
            .resource(gvk)
            .ok_or_else(|| unknown(&gvk.group_kind()))?;
        let identity = Self::identity(&acts_as(place.binding), &place.key.namespace);
        let client = place.member.stack().acting_as(&identity)?;
        Ok(Reached {
            client,
            resource,
            identity,
        })
    }

    /// The schema of a kind as the member publishes it.
    pub(super) async fn schema(
        place: &Place<'_>,
        gvk: &GroupVersionKind,
    ) -> Result<Option<SchemaRef>, Trouble> {
        let schema = place.member.schema(gvk).await;
        schema.map_err(|error| problem(Reason::ApplyFailed, &error.to_string(), false))
    }

    /// Writes as the tenant.
    async fn write(&self, part: &Part<'_>, write: &Write<'_>) -> Result<Applied, Trouble> {
        let place = part.place;
        let member = place.member;
        let intent = write.intent;
        let reached = Self::reach(place, &intent.gvk)?;
        let target = reached.target(&intent.key);
        let wish = Wish {
            intent,
            first: &write.whole.body,
            recorded: write.recorded,
            seen_version: write.version,
            left: write.left,
            adopt: place.binding.spec.conflict == ConflictMode::Adopt,
        };
        let applied = {
            let _place = member.lane().enter().await;
            apply(&self.me, target, wish).await
        };
        let verb = if write.version.is_some() {
            Verb::Apply
        } else {
            Verb::Create
        };
        match count(member.name(), verb, applied) {
            Ok(applied) => Ok(applied),
            Err(error) => {
                let fields = error.immutable_fields();
                if fields.is_empty() {
                    return Err(self.judge(place, &reached.identity, &intent.gvk, error));
                }
                Err(self.cannot_change(part, write, target, fields).await?)
            }
        }
    }

    /// The member has just been made to hold the intent.
    fn now_holds(&self, part: &Part<'_>, placed: PlacedObject, drift: Option<String>) {
        let template = &part.held.template;
        let cluster = part.place.member.name();
        let repaired = drift.is_some();
        self.note(part.place.key, cluster, |standing| {
            standing.record(placed);
            standing.pruned.retain(|pruned| *pruned != *part.key);
            standing.gone = false;
            standing.set_drifted(&part.key, None);
            if repaired {
                standing.trials(&part.key).repairs.note(Instant::now());
            }
            if part.bundle.is_none() {
                standing.applied = true;
                standing.generation = Some(template.generation.unwrap_or(1));
                standing.problem = None;
            }
        });
        if let Some(drift) = drift {
            metrics().drift_corrected.inc();
            self.say(
                template,
                EventReason::DriftCorrected,
                false,
                format!("{cluster}: {drift}"),
            );
        } else {
            metrics()
                .apply_seconds
                .observe(part.held.since.elapsed().as_secs_f64());
        }
    }

    /// The member already holds the intent, but for a drift that is only told.
    fn holds_still(&self, part: &Part<'_>, drifted: Option<String>) {
        let (key, cluster) = (part.place.key, part.place.member.name());
        let generation = Some(part.held.template.generation.unwrap_or(1));
        let is_all = part.bundle.is_none();
        let standing = self.ledger.standing(key, cluster);
        let stands = standing.applied && standing.generation == generation && standing.problem.is_none();
        if (stands || !is_all) && standing.drifted_of(&part.key) == drifted.as_ref() {
            return;
        }
        self.note(key, cluster, |standing| {
            standing.set_drifted(&part.key, drifted);
            if is_all {
                standing.applied = true;
                standing.generation = generation;
                standing.problem = None;
                standing.gone = false;
            }
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
        let recorded = standing.recorded(&template.key);
        let wanted = || {
            let whole = self.render(place, template, template, replicas_of(entry)).ok()?;
            render::leave(&whole, &Self::left(place, template, false).ok()?, None).ok()
        };
        match (recorded, wanted()) {
            (Some(recorded), Some(intent)) => recorded.hash == Some(intent.hash),
            _ => true,
        }
    }

    fn render(
        &self,
        place: &Place<'_>,
        template: &Template,
        item: &Template,
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
            template: template.bundle.is_some().then_some(&template.key),
            tenant,
            member: place.seen,
            replicas,
            scale: scale_of(place),
            overrides: &self.index.overrides.load().of_template(item),
        };
        render::render(item, &context).map_err(|error| match error {
            // Only a change helps, or facts of the member that come by themselves.
            render::Error::Override(error) => problem(Reason::OverrideFailed, &error.to_string(), true),
            error => problem(Reason::KindUnknown, &error.to_string(), false),
        })
    }

    async fn intent(&self, part: &Part<'_>, entry: &BindingCluster) -> Result<render::Intent, Trouble> {
        let (place, template) = (part.place, part.item);
        let intent = self.render(place, &part.held.template, template, replicas_of(entry))?;
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
        let body = intent.body.clone();
        let was_set = |pointer: &str| {
            // What differs from the template an override has set, and that was a person too.
            template.was_set(pointer) || body.pointer(pointer) != template.value().pointer(pointer)
        };
        let schema = place
            .member
            .schema(&intent.gvk)
            .await
            .map_err(|error| problem(Reason::ApplyFailed, &error.to_string(), false))?;
        match schema {
            Some(schema) => render::fit(intent, &schema, &|pointer| was_set(pointer))
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

/// An autoscaler's part in the member.
fn scale_of(place: &Place<'_>) -> Option<ScaleRange> {
    let mut entries = place.binding.spec.clusters.iter();
    entries.find(|entry| entry.name == *place.member.name())?.scale
}

fn not_left(error: &render::NotLeft) -> Trouble {
    problem(Reason::InvalidForMember, &error.to_string(), true)
}

/// Something of that name is there and is not ours.
fn conflict(key: &ObjectKey, owner: Option<String>, why: Option<String>) -> Trouble {
    let by = owner.map_or_else(String::new, |owner| format!(" (last edited by {owner})"));
    let why = why.map_or_else(String::new, |why| format!(", and can't be taken over: {why}"));
    let message =
        format!("{key} exists in the member and was not made by this hub{by}{why}; it is left alone");
    problem(Reason::Conflict, &message, true)
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
