//! Taking away from one member what a binding no longer puts there.

use super::engine::Engine;
use super::{
    claims::key_in,
    members::{ENDING, Place, acts_as},
    trouble::{Trouble, problem},
};
use crate::{
    act::{
        fleet::MemberHandle,
        propagate::{Pruned, Standing, orphan, prune},
        wire::{Error as WireError, Target, count},
    },
    model::{
        api::{PlacedObject, PolicyDeletion, Reason, TemplateDeletion, WorkloadBinding},
        fleet::BindingKey,
        name::{GroupVersionKind, NamespaceName},
    },
    telemetry::Verb,
};

/// Everything that may be in the member because of the binding. A member, and what a Bundle consists of, is named before
/// the first write there: of what is not recorded there may still be an object.
pub(super) fn inventory(
    binding: &WorkloadBinding,
    member: Option<&MemberHandle>,
    key: &BindingKey,
    standing: Standing,
) -> Vec<PlacedObject> {
    let is_bundle = !binding.spec.items.is_empty();
    let mut objects = standing.objects;
    for object in binding.objects(&key.namespace) {
        let object = match member.filter(|_| is_bundle) {
            Some(member) => key_in(member, &object),
            None => object,
        };
        let known = objects.iter().any(|placed| placed.is(&object)) || standing.pruned.contains(&object);
        if !known {
            objects.push(PlacedObject::new(&object));
        }
    }
    objects
}

impl Engine {
    /// Takes away what was put there, when the binding says so.
    pub(super) async fn remove(&self, place: &Place<'_>) -> Result<(), Trouble> {
        let Place {
            key, binding, member, ..
        } = *place;
        let name = member.name();
        let standing = self.ledger.standing(key, name);
        if standing.gone {
            self.queue.add(key.clone());
            return Ok(());
        }
        if !self.is_confirmed_elsewhere(place) {
            self.lanes.add_after(name, key, ENDING);
            return Ok(());
        }
        let objects = inventory(binding, Some(member), key, standing);
        let keep = self.keeps(key, binding);
        if self.take_all_away(place, objects, keep).await? == Pruned::Ending {
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
    pub(super) fn keeps(&self, key: &BindingKey, binding: &WorkloadBinding) -> bool {
        let deletion = &binding.spec.deletion;
        match self.index.template(key) {
            None => deletion.template == TemplateDeletion::Orphan,
            Some(held) => {
                let policies = self.index.policies.load();
                let governed = policies
                    .govern(&held.template, binding.spec.policy.as_ref())
                    .is_some();
                !governed && binding.spec.policy.is_some() && deletion.policy == PolicyDeletion::Orphan
            }
        }
    }

    pub(super) async fn take_away(
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
}
