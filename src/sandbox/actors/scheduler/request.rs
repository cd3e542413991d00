//! What a pod asks of a node.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::quantity::Amount;

/// Amounts by resource, and host ports.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Request {
    pub(super) amounts: BTreeMap<String, Amount>,
    pub(super) ports: BTreeSet<(String, i64)>,
}

impl Request {
    /// As upstream adds it up: containers and sidecars together, or an init container if it asks for more.
    pub(super) fn of(pod: &Value) -> Self {
        let spec = &pod["spec"];
        let mut running = BTreeMap::new();
        for container in list(&spec["containers"]) {
            add(&mut running, &requested(&container["resources"]));
        }
        let mut sidecars = BTreeMap::new();
        let mut starting = BTreeMap::new();
        for init in list(&spec["initContainers"]) {
            let mut needed = requested(&init["resources"]);
            if init["restartPolicy"] == "Always" {
                add(&mut running, &needed);
                add(&mut sidecars, &needed);
                needed = sidecars.clone();
            } else {
                add(&mut needed, &sidecars);
            }
            most(&mut starting, &needed);
        }
        most(&mut running, &starting);
        // A pod's own word counts more than its containers'.
        running.extend(requested(&spec["resources"]));
        add(&mut running, &amounts(&spec["overhead"]));
        Self {
            amounts: running,
            ports: ports(spec),
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn requested(resources: &Value) -> BTreeMap<String, Amount> {
    let mut requested = amounts(&resources["limits"]);
    requested.extend(amounts(&resources["requests"]));
    requested
}

pub(super) fn amounts(value: &Value) -> BTreeMap<String, Amount> {
    let fields = value.as_object().into_iter().flatten();
    fields
        .filter_map(|(name, amount)| {
            let amount = match amount {
                Value::String(text) => text.parse().ok()?,
                other => Amount::from_units(other.as_i64()?),
            };
            Some((name.clone(), amount))
        })
        .collect()
}

/// A sum that can't be held stays: such a pod fits nowhere anyway.
fn add(to: &mut BTreeMap<String, Amount>, more: &BTreeMap<String, Amount>) {
    for (name, amount) in more {
        let sum = to.entry(name.clone()).or_default();
        *sum = sum.checked_add(*amount).unwrap_or(*sum);
    }
}

fn most(of: &mut BTreeMap<String, Amount>, other: &BTreeMap<String, Amount>) {
    for (name, amount) in other {
        let one = of.entry(name.clone()).or_default();
        *one = (*one).max(*amount);
    }
}

fn ports(spec: &Value) -> BTreeSet<(String, i64)> {
    let containers = list(&spec["containers"]).iter();
    containers
        .flat_map(|container| list(&container["ports"]))
        .filter_map(|port| {
            let number = port["hostPort"].as_i64().filter(|number| *number > 0)?;
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            Some((protocol.to_owned(), number))
        })
        .collect()
}
