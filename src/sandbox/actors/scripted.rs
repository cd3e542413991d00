//! The statuses of kinds that have no actor, by script.

use std::time::Duration;

use super::act::Desk;
use super::engine::{Actor, Wake};
use super::levers::Levers;
use crate::sandbox::failure::Failure;
use crate::sandbox::store::{Change, Key};
use crate::sandbox::write::Writer;

#[derive(Debug)]
pub(super) struct Scripted {
    levers: Levers,
}

impl Scripted {
    pub(super) fn new(levers: Levers) -> Self {
        Self { levers }
    }
}

impl Actor for Scripted {
    fn writer(&self) -> Writer {
        Writer::controller("script")
    }

    fn observe(&mut self, change: &Change, _: &Desk<'_>, wake: &mut Wake<'_>) {
        if change.new.is_some() && self.levers.scripted(&change.key.resource).is_some() {
            wake.add(change.key.clone());
        }
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        let (Some(object), Some(script)) = (desk.get(key), self.levers.scripted(&key.resource)) else {
            return Ok(None);
        };
        let Some(status) = script(&object, desk.now).filter(|status| *status != object["status"]) else {
            return Ok(None);
        };
        let mut new = (*object).clone();
        new["status"] = status;
        desk.replace_status(key, new)?;
        Ok(None)
    }
}
