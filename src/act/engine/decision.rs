//! From a plan to the binding that should stand. Pure.

use std::collections::BTreeMap;

use super::scaled::Scaled;
use super::suspended::keep_decision;
use crate::{
    act::propagate::Scheduling,
    decide::{
        placement::{self, Filter, Moving, Plan, Request, Rooms, Workload},
        policy::{Governed, Overrides, Policies, Policy, Refused},
        render,
        tenancy::{ActsAs, Tenants},
    },
    model::{
        api::{
            BindingCluster, BundledObject, ClusterSelector, ConditionStatus, Deletion, Drift,
            PlacementReason, PolicyDeletion, PolicyKind, Reason, ReplicasMode, RequiredBy, ScaleRange,
            TemplateRef, WorkloadBinding, WorkloadBindingSpec,
        },
        clock::Timestamp,
        fleet::{BindingKey, Snapshot},
        kind,
        name::ClusterName,
        template::Template,
    },
};

/// What should become of one template's binding.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    /// It is nobody's: there is no binding, and none is made.
    Ignore,
    /// This binding should stand.
    Want(Box<Wanted>),
    /// What stands stays as it is, and is not changed any more, but for members that are leaving.
    Freeze(Scheduling),
    /// Nothing of it should be in any member.
    Remove(Scheduling),
}

/// A binding that should stand.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    pub(super) spec: WorkloadBindingSpec,
    pub(super) scheduling: Scheduling,
    /// More room somewhere would change it.
    pub(super) wants_room: bool,
    /// It leaves a member that does not answer.
    pub(super) fails_over: bool,
    /// When to decide again, if nothing changes before.
    pub(super) until: Option<Timestamp>,
}

/// Everything a decision is made from.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) key: &'a BindingKey,
    /// `None` only when a live read said that there is none.
    pub(super) template: Option<&'a Template>,
    pub(super) current: Option<&'a WorkloadBinding>,
    pub(super) policies: &'a Policies,
    pub(super) overrides: &'a Overrides,
    pub(super) tenants: &'a Tenants,
    /// Labels of the hub namespace.
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) required: &'a [RequiredBy],
    /// How the workload is divided that the template scales.
    pub(super) scaled: &'a Scaled,
    pub(super) fleet: &'a Snapshot,
    pub(super) now: Timestamp,
}

/// What other decisions and the members' pods bring about.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) rooms: &'a Rooms,
    /// Replicas that are ready, in members of which that is known.
    pub(super) ready: Option<&'a BTreeMap<ClusterName, u64>>,
    /// Why nothing may leave lost members now, and until when.
    pub(super) held: Option<&'a str>,
    pub(super) held_until: Option<Timestamp>,
}

/// Decides. The same facts, with the result as `current`, give the same answer.
pub(super) fn decide(facts: &Facts<'_>, around: &Around<'_>) -> Decision {
    let Some(template) = facts.template else {
        return match facts.current {
            None => Decision::Ignore,
            Some(_) => Decision::Remove(saying(
                ConditionStatus::False,
                Reason::TemplateGone,
                "the template is gone",
            )),
        };
    };
    let claim = facts.current.and_then(|binding| binding.spec.policy.as_ref());
    let governed = facts.policies.govern(template, claim);
    let acts_as = acts_as(facts, governed.as_ref());
    let needed = !facts.required.is_empty() && template.never_selected(true).is_none();
    let bare = facts
        .current
        .is_none_or(|binding| binding.spec.clusters.is_empty());
    // What already lies in members is dealt with as what no policy selects any more.
    if governed.is_none()
        && !needed
        && bare
        && let Some(refused) = facts.policies.refuse(template)
    {
        return refuse(facts, template, &refused);
    }
    match (&governed, needed, facts.current) {
        (None, false, None) => Decision::Ignore,
        (None, false, Some(binding)) => ungoverned(binding),
        _ => match acts_as {
            ActsAs::Nobody { reason } => match facts.current {
                None => Decision::Ignore,
                // A tenant's objects go with it. Administrators' stay: only their policy was the wrong one.
                Some(binding) if binding.spec.tenant.is_none() => {
                    Decision::Freeze(saying(ConditionStatus::False, Reason::TenantUnknown, &reason))
                }
                Some(_) => Decision::Remove(saying(ConditionStatus::False, Reason::TenantUnknown, &reason)),
            },
            acts_as => want(facts, around, template, governed.as_ref(), &acts_as),
        },
    }
}

/// Why nothing is decided anew.
fn kept_because(governed: &Governed, template: &Template) -> Option<(Reason, String)> {
    let spec = &governed.policy.spec;
    if let Some(problem) = template.bundle.as_ref().and_then(|bundle| bundle.problem.clone()) {
        return Some((Reason::BundleInvalid, problem));
    }
    if spec.suspend.scheduling {
        let why = "suspend.scheduling of the policy says so".to_owned();
        return Some((Reason::Suspended, why));
    }
    // Built-in kinds without replicas are whole in each member.
    let divided = spec.placement.replicas.mode == ReplicasMode::Divided;
    if divided && template.bundle.is_some() {
        let why = "the policy divides replicas, and a Bundle is copied whole, with all its replicas, to each member; \
                   another policy with replicas.mode Duplicated selects it, or its workloads are templates of their own";
        return Some((Reason::ReplicasUnknown, why.to_owned()));
    }
    let unknown = template.replicas_at.is_none() && !kind::is_built_in(&template.key.group_kind());
    (divided && unknown).then_some((
        Reason::ReplicasUnknown,
        "the policy divides replicas, and nothing says where this kind has their number; a KindRule with \
         spec.replicasPath does, or a scale subresource of its definition; else another policy with replicas.mode \
         Duplicated selects it"
            .to_owned(),
    ))
}

/// As whom the hub acts for the template.
pub(super) fn acts_as(facts: &Facts<'_>, governed: Option<&Governed>) -> ActsAs {
    // What is here only because others need it acts as whoever owns the namespace.
    let kind = governed.map_or(PolicyKind::ClusterPropagationPolicy, |governed| {
        governed.policy.id.kind
    });
    facts.tenants.acts_as(&facts.key.namespace, facts.labels, kind)
}

/// A binding that names no member and says why.
fn refuse(facts: &Facts<'_>, template: &Template, refused: &Refused) -> Decision {
    let kind = refused.policy.id.kind;
    match facts.tenants.acts_as(&facts.key.namespace, facts.labels, kind) {
        ActsAs::Nobody { .. } if facts.current.is_none() => Decision::Ignore,
        ActsAs::Nobody { reason } => {
            Decision::Remove(saying(ConditionStatus::False, Reason::TenantUnknown, &reason))
        }
        acts_as => {
            let spec = binding_spec(facts, template, Some(&refused.policy), &acts_as);
            let scheduling = saying(ConditionStatus::False, Reason::KindRefused, &refused.why);
            Decision::Want(Box::new(Wanted {
                spec,
                scheduling,
                wants_room: false,
                fails_over: false,
                until: None,
            }))
        }
    }
}

fn ungoverned(binding: &WorkloadBinding) -> Decision {
    let message = "no policy selects the template any more";
    match (&binding.spec.policy, binding.spec.deletion.policy) {
        // It put nothing anywhere, so there is nothing to keep.
        (Some(_), _) if binding.spec.clusters.is_empty() => {
            Decision::Remove(saying(ConditionStatus::False, Reason::PolicyGone, message))
        }
        // It was here only because others needed it.
        (None, _) => Decision::Remove(saying(
            ConditionStatus::False,
            Reason::NotSelected,
            "nothing needs it any more",
        )),
        (Some(_), PolicyDeletion::Keep) => {
            Decision::Freeze(saying(ConditionStatus::False, Reason::PolicyGone, message))
        }
        (Some(_), _) => Decision::Remove(saying(ConditionStatus::False, Reason::PolicyGone, message)),
    }
}

fn want(
    facts: &Facts<'_>,
    around: &Around<'_>,
    template: &Template,
    governed: Option<&Governed>,
    acts_as: &ActsAs,
) -> Decision {
    let everywhere = ClusterSelector::default();
    let tenant = match acts_as {
        ActsAs::Tenant(tenant) => facts.tenants.get(&tenant.name),
        _ => None,
    };
    let current = facts.current.map_or(&[][..], |binding| &binding.spec.clusters);
    let placement = governed.map(|governed| &governed.policy.spec.placement);
    let hash = placement::inputs_hash(placement, template.rebalance.as_deref());
    let kinds = template.kinds();
    let divided = placement.is_some_and(|placement| placement.replicas.mode == ReplicasMode::Divided);
    let hash_before = facts.current.and_then(|binding| binding.spec.inputs_hash);
    let request = Request {
        placement,
        tenant: tenant.map_or(&everywhere, |tenant| &tenant.spec.clusters),
        kinds: &kinds,
        current,
        required: facts.required,
        workload: Workload {
            replicas: template.replicas.and_then(|replicas| replicas.try_into().ok()),
            pod: template.pod.as_deref(),
            ready: around.ready,
            anew: divided && hash_before.is_some_and(|before| before != hash),
        },
        moving: Moving {
            failover: governed.and_then(|governed| governed.policy.spec.failover.as_ref()),
            stateful: template.is_stateful(),
            held: around.held,
            held_until: around.held_until,
        },
        rooms: around.rooms,
        now: facts.now,
    };
    let revision = template.revision();
    let kept = governed.and_then(|governed| Some((governed, kept_because(governed, template)?)));
    if let Some((governed, why)) = kept {
        let spec = binding_spec(facts, template, Some(&governed.policy), acts_as);
        return Decision::Want(Box::new(keep_decision(facts, spec, &revision, (why.0, &why.1))));
    }
    let mut plan = placement::place(facts.fleet, &request);
    debug_assert_eq!(
        placement::audit(facts.fleet, &request, &plan),
        Vec::<String>::new()
    );
    if let Some(why) = too_large(template, plan.clusters.len()) {
        let spec = binding_spec(
            facts,
            template,
            governed.map(|governed| &*governed.policy),
            acts_as,
        );
        let why = (Reason::BundleInvalid, why.as_str());
        return Decision::Want(Box::new(keep_decision(facts, spec, &revision, why)));
    }
    let ranges = facts.scaled.narrow(&mut plan, template, current);
    let spec = WorkloadBindingSpec {
        clusters: clusters(facts, template, &plan, current, (&revision, &ranges)),
        required_by: facts.required.to_vec(),
        inputs_hash: Some(hash),
        ..binding_spec(
            facts,
            template,
            governed.map(|governed| &*governed.policy),
            acts_as,
        )
    };
    let why = governed.map_or_else(
        || "needed by other templates".to_owned(),
        |governed| governed.why.clone(),
    );
    let scheduling = scheduling(&plan, facts.fleet.members.len(), &why);
    Decision::Want(Box::new(Wanted {
        spec,
        scheduling,
        wants_room: plan.wants_room,
        fails_over: plan.fails_over,
        until: plan.until,
    }))
}

/// A binding without members: the template, and the copy of everything that pruning needs.
fn binding_spec(
    facts: &Facts<'_>,
    template: &Template,
    policy: Option<&Policy>,
    acts_as: &ActsAs,
) -> WorkloadBindingSpec {
    let spec = policy.map(|policy| &policy.spec);
    WorkloadBindingSpec {
        template: TemplateRef {
            api_version: template.gvk.api_version(),
            kind: template.key.kind.to_string(),
            name: template.key.name.clone(),
            uid: template.uid.clone(),
        },
        items: items(facts, template),
        tenant: match acts_as {
            ActsAs::Tenant(tenant) => Some(tenant.clone()),
            _ => None,
        },
        policy: policy.map(Policy::reference),
        clusters: Vec::new(),
        required_by: Vec::new(),
        deletion: spec.map_or_else(Deletion::default, |spec| spec.deletion),
        conflict: spec.map(|spec| spec.conflict).unwrap_or_default(),
        drift: spec.map_or_else(Drift::default, |spec| spec.drift),
        ignore_fields: spec.map(|spec| spec.ignore_fields.clone()).unwrap_or_default(),
        inputs_hash: None,
    }
}

/// So many objects has the inventory of one binding room for: each takes some 250 bytes, and an API server takes 1.5 MiB.
const INVENTORY: usize = 4000;

/// Why a Bundle can't be in so many members.
fn too_large(template: &Template, members: usize) -> Option<String> {
    let all = template.bundle.as_ref()?.items.len() * members;
    (all > INVENTORY).then(|| {
        format!(
            "its objects would be {all} in {members} members, and one Bundle is at most {INVENTORY} there: make \
             several of it"
        )
    })
}

/// What the Bundle consists of, and what it no longer does until that is confirmed gone. Nothing for other templates.
fn items(facts: &Facts<'_>, template: &Template) -> Vec<BundledObject> {
    let Some(bundle) = &template.bundle else {
        return Vec::new();
    };
    let had = facts.current.map_or(&[][..], |binding| &binding.spec.items);
    if bundle.problem.is_some() {
        return had.to_vec();
    }
    let mut items: Vec<BundledObject> = bundle
        .items
        .iter()
        .map(|item| BundledObject::new(&item.key))
        .collect();
    let gone = had.iter().filter(|had| {
        let is_had = |item: &Template| had.is(&item.key);
        !bundle.items.iter().any(is_had)
    });
    items.extend(gone.map(|had| BundledObject {
        removing: true,
        ..had.clone()
    }));
    items
}

/// The plan's members, and those that are being left until they are confirmed empty.
fn clusters(
    facts: &Facts<'_>,
    template: &Template,
    plan: &Plan,
    current: &[BindingCluster],
    (revision, ranges): (&str, &BTreeMap<ClusterName, ScaleRange>),
) -> Vec<BindingCluster> {
    let overridden = |name: &ClusterName| {
        let had = current.iter().find(|had| had.name == *name);
        let member = facts.fleet.members.get(name)?;
        render::overridden_items(facts.overrides, template, member)
            // What can't be told now changes nothing: that would be said of objects which stay as they are.
            .unwrap_or_else(|_| had?.overrides.clone())
    };
    let mut clusters: Vec<BindingCluster> = plan
        .clusters
        .iter()
        .map(|placed| BindingCluster {
            name: placed.name.clone(),
            replicas: placed.replicas.and_then(|replicas| i32::try_from(replicas).ok()),
            scale: ranges.get(&placed.name).copied(),
            revision: Some(revision.to_owned()),
            overrides: overridden(&placed.name),
            removing: false,
        })
        .collect();
    let left = current
        .iter()
        .filter(|had| !plan.clusters.iter().any(|placed| placed.name == had.name));
    clusters.extend(left.map(|had| BindingCluster {
        removing: true,
        ..had.clone()
    }));
    clusters.sort_by(|a, b| a.name.cmp(&b.name));
    clusters
}

/// How many refusals a binding keeps: of a hundred members each would be another hundred in every binding.
const REASONS: usize = 20;

/// The refusals that are kept, by member: that the policy does not choose a member says the least.
fn kept_reasons(plan: &Plan) -> Vec<PlacementReason> {
    let mut reasons: Vec<_> = plan.reasons.iter().collect();
    reasons.sort_by_key(|reason| reason.filter == Filter::ClusterSelection);
    reasons.truncate(REASONS);
    reasons.sort_by_key(|reason| &reason.cluster);
    reasons.into_iter().cloned().map(Into::into).collect()
}

fn scheduling(plan: &Plan, members: usize, why: &str) -> Scheduling {
    let reasons = kept_reasons(plan);
    let chosen = plan.clusters.len();
    let (status, reason) = match &plan.waiting {
        Some(waiting) if chosen > 0 || waiting.replicas.is_some() => {
            (ConditionStatus::False, Reason::Unschedulable)
        }
        None if chosen > 0 || plan.needs_none() => (ConditionStatus::True, Reason::Decided),
        _ => (ConditionStatus::False, Reason::NoMatchingCluster),
    };
    let waits = plan
        .waiting
        .as_ref()
        .map(|waiting| format!("{}; ", waiting.message));
    // Of a lost member people want to know why nothing moves, or when.
    let more = plan.lost.len().saturating_sub(1);
    let lost = plan.lost.first().map(|first| match more {
        0 => format!("{first}; "),
        _ => format!("{first}, and {more} more are lost; "),
    });
    let message = format!(
        "{}{}{chosen} of {members} members chosen; {why}",
        waits.unwrap_or_default(),
        lost.unwrap_or_default(),
    );
    Scheduling {
        reasons,
        status,
        reason,
        message,
    }
}

pub(super) fn saying(status: ConditionStatus, reason: Reason, message: &str) -> Scheduling {
    Scheduling {
        reasons: Vec::new(),
        status,
        reason,
        message: message.to_owned(),
    }
}

/// The binding with every member marked `removing`.
pub(super) fn all_removing(spec: &WorkloadBindingSpec) -> WorkloadBindingSpec {
    let mut spec = spec.clone();
    for cluster in &mut spec.clusters {
        cluster.removing = true;
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::placement;

    #[test]
    fn of_many_refusals_the_telling_ones_are_kept_by_member() {
        let refused = |number: usize| placement::Reason {
            cluster: format!("member-{number:03}").parse().unwrap(),
            filter: if number == 77 {
                Filter::Held
            } else {
                Filter::ClusterSelection
            },
            message: String::new(),
            numbers: BTreeMap::new(),
        };
        let plan = Plan {
            reasons: (0..100).map(refused).collect(),
            ..Plan::default()
        };
        let kept = kept_reasons(&plan);
        assert_eq!(kept.len(), REASONS);
        assert!(kept.is_sorted_by_key(|reason| reason.cluster.clone()));
        assert_eq!(
            kept.last().map(|reason| reason.cluster.as_str()),
            Some("member-077")
        );
    }
}
