//! Looking after one binding in one member: make it hold its object, or take the object away.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    decision::{self, Facts},
    engine::Engine,
    error::Error,
};
use crate::{
    act::{
        enforce::Obstacle,
        fleet::{MemberHandle, WatchScope},
        propagate::{Applied, Note, Problem, Pruned, Replicas, Standing, apply, orphan, prune},
        wire::{ActAs, Error as WireError, Target, count},
    },
    decide::{
        render,
        tenancy::{self, ActsAs},
    },
    model::{
        api::{
            BindingCluster, DriftMode, PlacedObject, PolicyDeletion, Reason, TemplateDeletion,
            WorkloadBinding,
        },
        fleet::{BindingKey, Member, ObjectRow},
        kind,
        name::{ClusterName, GroupVersionKind, NamespaceName, ObjectKey},
        template::Template,
    },
    telemetry::{Verb, metrics},
};

/// Between two looks at an object that is being deleted; its watch usually says so sooner.
const ENDING: Duration = Duration::from_secs(1);
/// After a problem that only a person can solve, in case nobody tells us that he did.
const SLOW_RETRY: Duration = Duration::from_secs(60);

/// One binding in one member, with everything a pass needs.
struct Place<'a> {
    key: &'a BindingKey,
    binding: &'a WorkloadBinding,
    member: &'a MemberHandle,
    seen: &'a Member,
}

impl Engine {
    /// One pass. Every outcome ends in the ledger, and so in the binding's status.
    pub(super) async fn look_after(self: &Arc<Self>, cluster: &ClusterName, key: &BindingKey) {
        let Some(binding) = self.index.binding(key) else {
            return;
        };
        let Some(entry) = binding.spec.clusters.iter().find(|entry| entry.name == *cluster) else {
            return;
        };
        let snapshot = self.fleet.snapshot();
        let seen = snapshot.members.get(cluster).cloned();
        let (Some(seen), Some(member)) = (seen, self.fleet.member(cluster)) else {
            let problem = Problem {
                reason: Reason::ClusterUnreachable,
                message: "the hub is not connected to the member yet".to_owned(),
                terminal: false,
            };
            self.note(key, cluster, |standing| standing.problem = Some(problem));
            self.lanes.add_after(cluster, key, ENDING);
            return;
        };
        let place = Place {
            key,
            binding: &binding,
            member: &member,
            seen: &seen,
        };
        let outcome = match writable(&seen) {
            Err(problem) => Err(Trouble::Problem(problem)),
            Ok(()) if entry.removing => self.remove(&place).await,
            Ok(()) => self.hold(&place, entry).await,
        };
        match outcome {
            Ok(()) => self.lanes.forget(cluster, key),
            Err(Trouble::NotLeading) => {}
            Err(Trouble::Problem(problem)) => {
                tracing::debug!(binding = %key, %cluster, reason = %problem.reason, message = %problem.message, "not applied");
                let final_for_intent =
                    matches!(problem.reason, Reason::InvalidForMember | Reason::KindRefused);
                let again = problem.terminal.then_some(SLOW_RETRY);
                let unwritable = matches!(problem.reason, Reason::ClusterUnreachable | Reason::ClusterHeld);
                let generation = self.index.template(key).and_then(|held| held.template.generation);
                self.note(key, cluster, |standing| {
                    // Out of reach it holds what it held: that counts only while it is what the template says.
                    let still = generation.is_none() || standing.generation == generation;
                    standing.applied = standing.applied && unwritable && still;
                    standing.problem = Some(problem);
                });
                match again {
                    _ if unwritable && !seen.is_writable() => {} // its return asks again
                    Some(_) if final_for_intent => {}            // only a change helps, and that asks again
                    Some(delay) => self.lanes.add_after(cluster, key, delay),
                    None => self.lanes.retry(cluster, key),
                }
            }
        }
    }

    fn note(&self, key: &BindingKey, cluster: &ClusterName, change: impl FnOnce(&mut Standing)) {
        self.ledger.update(key, cluster, change);
        self.touch(key);
    }

    async fn hold(&self, place: &Place<'_>, entry: &BindingCluster) -> Result<(), Trouble> {
        let Place {
            key, binding, member, ..
        } = *place;
        let Some(held) = self.index.template(key) else {
            return Ok(());
        };
        let template = &held.template;
        let policies = self.index.policies.load();
        let governed = policies.govern(template, binding.spec.policy.as_ref());
        if governed.is_none() && binding.spec.required_by.is_empty() {
            return Ok(()); // frozen
        }
        let acts_as = acts_as(binding);
        let identity = Self::identity(&acts_as, &key.namespace);
        let scope = WatchScope::Namespaces([(key.namespace.clone(), identity.clone())].into());
        member.watch_kind(&template.key.group_kind(), scope);
        let standing = self.ledger.standing(key, member.name());
        let recorded = standing
            .objects
            .iter()
            .find(|placed| placed.key() == template.key)
            .cloned();
        let known = recorded.as_ref().filter(|placed| placed.uid.is_some());
        if known.is_some() && !member.is_synced(&template.key.group_kind(), Some(&key.namespace)) {
            self.lanes
                .add_after(member.name(), key, Duration::from_millis(300));
            return Ok(()); // what is there is not known yet
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
                return Err(problem(
                    Reason::Applying,
                    "the object is being deleted in the member; it is made again when it is gone",
                    false,
                ));
            }
            Compared::Differs => None,
            Compared::Drifted(drift) => Some(drift),
        };
        if let Some(drift) = &drift {
            if binding.spec.drift.mode == DriftMode::Report {
                self.say(
                    template,
                    "DriftReported",
                    true,
                    format!("{}: {drift}", member.name()),
                );
                self.note(key, member.name(), |standing| {
                    standing.drifted = Some(drift.clone())
                });
                return Ok(());
            }
            let wait = standing.repairs.wait(Instant::now());
            if !wait.is_zero() {
                self.note(key, member.name(), |standing| {
                    standing.drifted = Some(format!(
                        "{drift}; it keeps being changed, the next repair waits {wait:.0?}"
                    ))
                });
                self.lanes.add_after(member.name(), key, wait);
                return Ok(());
            }
        }
        self.ensure(member, &key.namespace, &acts_as).await?;
        let resource = member.resource(&intent.gvk).ok_or_else(|| {
            problem(
                Reason::KindUnknown,
                &format!("the member does not serve {}", intent.gvk.group_kind()),
                false,
            )
        })?;
        let client = member.stack().acting_as(&identity)?;
        let target = Target {
            client: &client,
            resource: &resource,
            key: &intent.key,
        };
        let first = match autoscaled {
            true => self.render(place, template, replicas_of(entry))?.body,
            false => intent.body.clone(),
        };
        let version = known.and(row.as_ref()).map(|row| row.resource_version.as_str());
        let replicas = if autoscaled && kind::replicas_pointer(&intent.key.group_kind()).is_some() {
            Replicas::Autoscaled
        } else {
            Replicas::Ours
        };
        let applied = {
            let _place = member.lane().enter().await;
            let applied = apply(
                &self.me,
                target,
                &intent,
                &first,
                recorded.as_ref(),
                version,
                replicas,
            )
            .await;
            let verb = if known.is_some() {
                Verb::Apply
            } else {
                Verb::Create
            };
            count(member.name(), verb, applied)
        };
        match applied.map_err(|error| self.judge(place, &identity, &intent.gvk, error))? {
            Applied::Holds(placed, observed) => {
                member.note_written(&intent.key, &observed);
                let repaired = drift.is_some();
                match repaired {
                    true => metrics().drift_corrected.inc(),
                    false => {
                        metrics()
                            .apply_seconds
                            .observe(held.since.elapsed().as_secs_f64());
                        0
                    }
                };
                self.note(key, member.name(), |standing| {
                    standing.applied = true;
                    standing.generation = Some(template.generation.unwrap_or(1));
                    standing.objects.retain(|had| had.key() != placed.key());
                    standing.objects.push(*placed);
                    standing.problem = None;
                    standing.drifted = None;
                    standing.gone = false;
                    if repaired {
                        standing.repairs.note(Instant::now());
                    }
                });
                if let Some(drift) = drift {
                    self.say(
                        template,
                        "DriftCorrected",
                        false,
                        format!("{}: {drift}", member.name()),
                    );
                }
                Ok(())
            }
            Applied::Conflict { owner } => {
                let by = owner.map_or_else(String::new, |owner| format!(" (last edited by {owner})"));
                Err(problem(
                    Reason::Conflict,
                    &format!(
                        "{} exists in the member and was not made by this hub{by}; it is left alone",
                        intent.key
                    ),
                    true,
                ))
            }
            Applied::Terminating => Err(problem(
                Reason::Applying,
                "the object is being deleted in the member; it is made again when it is gone",
                false,
            )),
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
        let served = apis.kind(&kind).ok_or_else(|| {
            problem(
                Reason::KindUnknown,
                &format!("the member does not serve {kind}"),
                false,
            )
        })?;
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

    async fn ensure(
        &self,
        member: &MemberHandle,
        namespace: &NamespaceName,
        acts_as: &ActsAs,
    ) -> Result<(), Trouble> {
        self.enforcer
            .ensure(member, namespace, acts_as)
            .await
            .map_err(|obstacle| match obstacle {
                Obstacle::Refused { reason, message } => {
                    let passing = matches!(reason, Reason::Pending | Reason::NamespaceTerminating);
                    Trouble::Problem(Problem {
                        reason,
                        message,
                        terminal: !passing,
                    })
                }
                Obstacle::Wire(error) => error.into(),
            })
    }

    /// Takes away what was put there, when the binding says so.
    async fn remove(&self, place: &Place<'_>) -> Result<(), Trouble> {
        let Place {
            key, binding, member, ..
        } = *place;
        let name = member.name();
        let template = binding
            .spec
            .template
            .key(&key.namespace)
            .map_err(|error| problem(Reason::ApplyFailed, &error.to_string(), true))?;
        let standing = self.ledger.standing(key, name);
        if standing.gone {
            self.queue.add(key.clone());
            return Ok(());
        }
        // A member is named before the first write there: with nothing recorded there may still be an object.
        let objects = if standing.objects.is_empty() {
            vec![PlacedObject::new(&template)]
        } else {
            standing.objects
        };
        let keep = self.keeps(place, &template);
        let mut ending = false;
        for object in &objects {
            ending |= self.take_away(place, object, keep).await? == Pruned::Ending;
        }
        if ending {
            self.lanes.add_after(name, key, ENDING);
            return Ok(());
        }
        self.note(key, name, |standing| {
            *standing = Standing {
                gone: true,
                ..Standing::default()
            };
        });
        self.queue.add(key.clone());
        Ok(())
    }

    /// Whether objects stay in the member without our signs, rather than being deleted.
    fn keeps(&self, place: &Place<'_>, template: &ObjectKey) -> bool {
        let _ = template;
        let deletion = &place.binding.spec.deletion;
        match self.index.template(place.key) {
            None => deletion.template == TemplateDeletion::Orphan,
            Some(held) => {
                let policies = self.index.policies.load();
                let governed = policies
                    .govern(&held.template, place.binding.spec.policy.as_ref())
                    .is_some();
                !governed && place.binding.spec.policy.is_some() && deletion.policy == PolicyDeletion::Orphan
            }
        }
    }

    async fn take_away(
        &self,
        place: &Place<'_>,
        object: &PlacedObject,
        keep: bool,
    ) -> Result<Pruned, Trouble> {
        let Place {
            key, binding, member, ..
        } = *place;
        let gvk = GroupVersionKind::from_api_version(
            &binding.spec.template.api_version,
            &binding.spec.template.kind,
        )
        .map_err(|error| problem(Reason::ApplyFailed, &error.to_string(), true))?;
        let gvk = object.key().group_kind().at(gvk.version.clone());
        let Some(resource) = member.resource(&gvk) else {
            if member.apis().complete {
                return Ok(Pruned::Gone); // the kind is gone there, and its objects with it
            }
            return Err(problem(
                Reason::KindUnknown,
                "the member's discovery is incomplete: nothing is removed until it is known what it serves",
                false,
            ));
        };
        let acts_as = acts_as(binding);
        let identity = Self::identity(&acts_as, &key.namespace);
        let client = member.stack().acting_as(&identity)?;
        let object_key = object.key();
        let target = Target {
            client: &client,
            resource: &resource,
            key: &object_key,
        };
        let outcome = {
            let _place = member.lane().enter().await;
            if keep {
                count(member.name(), Verb::Patch, orphan(&self.me, target, object).await)
            } else {
                count(member.name(), Verb::Delete, prune(&self.me, target, object).await)
            }
        };
        match outcome {
            Ok(Pruned::Gone) => {
                if let Some(uid) = &object.uid {
                    member.note_absent(&object_key, uid);
                }
                Ok(Pruned::Gone)
            }
            Ok(Pruned::Ending) => Ok(Pruned::Ending),
            // Without its namespace the tenant has no rights: then there is nothing left to remove.
            Err(error) if error.code() == Some(403) => {
                if self.namespace_is_gone(member, &key.namespace).await? {
                    return Ok(Pruned::Gone);
                }
                self.enforcer.doubt(member.name(), &key.namespace);
                self.ensure(member, &key.namespace, &acts_as).await?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn namespace_is_gone(
        &self,
        member: &MemberHandle,
        namespace: &NamespaceName,
    ) -> Result<bool, Trouble> {
        let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> =
            kube::Api::all(member.stack().client());
        let live = namespaces.get_metadata_opt(namespace).await;
        Ok(live
            .map_err(|source| WireError::call(format!("read namespace {namespace}"), source))?
            .is_none())
    }

    /// What a refused write means, and what a person can do about it.
    fn judge(
        &self,
        place: &Place<'_>,
        identity: &ActAs,
        gvk: &GroupVersionKind,
        error: WireError,
    ) -> Trouble {
        let namespace = &place.key.namespace;
        match error.code() {
            Some(404) => {
                self.enforcer.doubt(place.member.name(), namespace);
                error.into()
            }
            Some(403) => {
                self.enforcer.doubt(place.member.name(), namespace);
                let message = error
                    .status()
                    .map(|status| status.message.clone())
                    .unwrap_or_default();
                let no_right = message.contains("cannot ") && message.contains(identity.user());
                let help = if no_right {
                    role_to_create(place, gvk)
                } else {
                    String::new()
                };
                let reason = if no_right {
                    Reason::Forbidden
                } else {
                    Reason::Refused
                };
                Trouble::Problem(Problem {
                    reason,
                    message: format!("{message}{help}"),
                    terminal: false,
                })
            }
            Some(400 | 413 | 422) => problem(Reason::InvalidForMember, &error.to_string(), true),
            Some(500) if !error.is_retryable() => problem(Reason::InvalidForMember, &error.to_string(), true),
            _ => error.into(),
        }
    }

    fn say(&self, template: &Template, reason: &'static str, warning: bool, message: String) {
        self.events.say(Note {
            about: template.key.clone(),
            api_version: template.gvk.api_version(),
            uid: template.uid.clone(),
            reason,
            warning,
            message,
        });
    }
}

/// The ClusterRole that gives tenants a kind which the stock roles don't know.
fn role_to_create(place: &Place<'_>, gvk: &GroupVersionKind) -> String {
    let apis = place.member.apis();
    let kind = gvk.group_kind();
    let plural = apis
        .kind(&kind)
        .map_or_else(|| kind.kind.to_lowercase(), |api| api.plural.clone());
    let group = if kind.group.is_empty() {
        "core"
    } else {
        &*kind.group
    };
    format!(
        "\nhint: let tenants use it in this member: kubectl create -f - <<'EOF'\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: hanse:tenant:{plural}.{group}\n  \
         labels: {{hanse.dev/aggregate-to-tenant: \"true\", rbac.authorization.k8s.io/aggregate-to-view: \"true\"}}\n\
         rules:\n- apiGroups: [\"{}\"]\n  resources: [\"{plural}\"]\n  verbs: [get, list, watch, create, update, patch, delete]\nEOF",
        kind.group
    )
}

/// Why a pass did not reach its end.
enum Trouble {
    NotLeading,
    Problem(Problem),
}

fn problem(reason: Reason, message: &str, terminal: bool) -> Trouble {
    Trouble::Problem(Problem {
        reason,
        message: message.to_owned(),
        terminal,
    })
}

impl From<WireError> for Trouble {
    fn from(error: WireError) -> Self {
        if error.is_not_leader() {
            return Self::NotLeading;
        }
        let silent = error.status().is_none();
        let reason = if silent {
            Reason::ClusterUnreachable
        } else {
            Reason::ApplyFailed
        };
        problem(reason, &error.to_string(), false)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Wire(error) => error.into(),
            error => problem(Reason::ApplyFailed, &error.to_string(), false),
        }
    }
}

fn writable(member: &Member) -> Result<(), Problem> {
    if let Some(held) = &member.held {
        let message = format!("the member is held: {held}");
        return Err(Problem {
            reason: Reason::ClusterHeld,
            message,
            terminal: false,
        });
    }
    if member.is_writable() {
        return Ok(());
    }
    Err(Problem {
        reason: Reason::ClusterUnreachable,
        message: "the member does not answer".to_owned(),
        terminal: false,
    })
}

/// As whom the binding's objects are written: fixed when it was decided.
fn acts_as(binding: &WorkloadBinding) -> ActsAs {
    binding.spec.tenant.clone().map_or(ActsAs::Admin, ActsAs::Tenant)
}

fn replicas_of(entry: &BindingCluster) -> render::Replicas {
    entry.replicas.map_or(render::Replicas::Template, |replicas| {
        render::Replicas::Exactly(i64::from(replicas))
    })
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

impl Facts<'_> {
    /// See [`decision::decide`].
    pub(super) fn decide(&self) -> decision::Decision {
        decision::decide(self)
    }
}
