//! Taking away from one member what a binding no longer puts there.

use super::engine::Engine;
use super::{
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
        api::{PlacedObject, PolicyDeletion, Reason, TemplateDeletion},
        name::{GroupVersionKind, NamespaceName, ObjectKey},
    },
    telemetry::Verb,
};

impl Engine {
    /// Takes away what was put there, when the binding says so.
    pub(super) async fn remove(&self, place: &Place<'_>) -> Result<(), Trouble> {
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
        if !self.is_confirmed_elsewhere(place) {
            self.lanes.add_after(name, key, ENDING);
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
}
