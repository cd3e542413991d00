//! `APIService`s: whether an API that another server has answers. None does: nothing is asked of other servers here.

use std::time::Duration;

use super::act::{self, Act, Desk, Kind};
use super::conditions;
use super::engine::{Actor, Wake};
use crate::sandbox::failure::Failure;
use crate::sandbox::store::{Change, Key};
use crate::sandbox::write::Writer;

const API_SERVICES: Kind = Kind::new("apiservices.apiregistration.k8s.io");
const SERVICES: Kind = Kind::new("services");

#[derive(Debug)]
pub(super) struct ApiServices;

impl Actor for ApiServices {
    fn writer(&self) -> Writer {
        Writer::controller("available-controller")
    }

    fn observe(&mut self, change: &Change, desk: &Desk<'_>, wake: &mut Wake<'_>) {
        if API_SERVICES.is(&change.key) {
            wake.add(change.key.clone());
        } else if SERVICES.is(&change.key) && (change.old.is_none() || change.new.is_none()) {
            let all = desk.list(API_SERVICES, None);
            wake.add_all(all.iter().map(|service| act::key_of(API_SERVICES, service)));
        }
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        let Some(found) = desk.get(key) else {
            return Ok(None);
        };
        let service = &found["spec"]["service"];
        let part = |field: &str| service[field].as_str().unwrap_or_default();
        let (namespace, name) = (part("namespace"), part("name"));
        let missing = format!("service/{name} in \"{namespace}\" is not present");
        let silent = format!("failing or missing response from service/{name} in \"{namespace}\"");
        let (status, reason, message) = if !service.is_object() {
            ("True", "Local", "Local APIServices are always available")
        } else if desk.get(&SERVICES.key(namespace, name)).is_none() {
            ("False", "ServiceNotFound", missing.as_str())
        } else {
            ("False", "FailedDiscoveryCheck", silent.as_str())
        };
        let mut all = conditions::of(&found).to_vec();
        conditions::put_all(&mut all, [("Available", status, reason, message)], desk.now);
        if all != conditions::of(&found) {
            let mut new = (*found).clone();
            new["status"]["conditions"] = all.into();
            desk.perform(&Act::Replace(API_SERVICES, "status", new))?;
        }
        Ok(None)
    }
}
