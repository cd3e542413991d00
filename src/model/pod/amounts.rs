//! Amounts of resources, those that every node has and any others.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::model::fleet::Resources;
use crate::model::quantity::Amount;

/// Amounts of resources: of a node, of what its pods take, of what one pod asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Amounts {
    /// CPU, memory and pods.
    pub base: Resources,
    /// Any other resource, such as `ephemeral-storage` in bytes or `nvidia.com/gpu`. Most pods ask for none.
    pub others: BTreeMap<Box<str>, u64>,
}

impl Amounts {
    /// What is left when `used` is taken away; never below zero.
    #[must_use]
    pub fn minus(&self, used: &Self) -> Self {
        let mut left = self.clone();
        left.take(used, 1);
        left
    }

    /// Takes away `asked`, so many times; stops at zero.
    pub fn take(&mut self, asked: &Self, times: u64) {
        self.base = self.base.minus(asked.base.times(times));
        for (name, amount) in &asked.others {
            if let Some(left) = self.others.get_mut(name) {
                *left = left.saturating_sub(amount.saturating_mul(times));
            }
        }
    }

    /// Adds `more`.
    pub fn add(&mut self, more: &Self) {
        self.base = self.base.plus(more.base);
        for (name, amount) in &more.others {
            let sum = self.others.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }

    /// Takes away what was added; a resource of which nothing is left goes.
    pub fn subtract(&mut self, less: &Self) {
        self.take(less, 1);
        self.others.retain(|_, amount| *amount > 0);
    }

    /// The larger of both, resource by resource.
    #[must_use]
    pub fn most(mut self, other: &Self) -> Self {
        self.base = Resources {
            cpu_milli: self.base.cpu_milli.max(other.base.cpu_milli),
            memory: self.base.memory.max(other.base.memory),
            pods: self.base.pods.max(other.base.pods),
        };
        for (name, amount) in &other.others {
            let most = self.others.entry(name.clone()).or_default();
            *most = (*most).max(*amount);
        }
        self
    }

    /// How many times `asked` fits into this. What asks for nothing fits without end.
    #[must_use]
    pub fn holds(&self, asked: &Self) -> u64 {
        let times = |have: u64, ask: u64| have.checked_div(ask).unwrap_or(u64::MAX);
        let (have, ask) = (self.base, asked.base);
        let base = times(have.cpu_milli, ask.cpu_milli)
            .min(times(have.memory, ask.memory))
            .min(times(have.pods, ask.pods));
        asked.others.iter().fold(base, |least, (name, amount)| {
            least.min(times(self.others.get(name).copied().unwrap_or_default(), *amount))
        })
    }

    /// The first resource of which less is there than `asked`, with what is there and what is asked.
    #[must_use]
    pub fn lacks<'a>(&self, asked: &'a Self) -> Option<(&'a str, u64, u64)> {
        let (have, ask) = (self.base, asked.base);
        let base = [
            ("cpu", have.cpu_milli, ask.cpu_milli),
            ("memory", have.memory, ask.memory),
            ("pods", have.pods, ask.pods),
        ];
        let others = asked.others.iter().map(|(name, amount)| {
            let have = self.others.get(name).copied().unwrap_or_default();
            (&**name, have, *amount)
        });
        base.into_iter().chain(others).find(|(_, have, ask)| have < ask)
    }
}

/// A resource list as Kubernetes writes it: `{"cpu": "100m", "memory": "1Gi"}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceList {
    /// The amounts.
    pub amounts: Amounts,
    /// Whether CPU is named at all: a request of the whole pod replaces only what it names.
    pub names_cpu: bool,
    /// Whether memory is named at all.
    pub names_memory: bool,
}

impl ResourceList {
    /// This list, with what `over` names replaced.
    #[must_use]
    pub fn overlaid(mut self, over: &Self) -> Self {
        if over.names_cpu {
            self.amounts.base.cpu_milli = over.amounts.base.cpu_milli;
        }
        if over.names_memory {
            self.amounts.base.memory = over.amounts.base.memory;
        }
        for (name, amount) in &over.amounts.others {
            self.amounts.others.insert(name.clone(), *amount);
        }
        self.names_cpu |= over.names_cpu;
        self.names_memory |= over.names_memory;
        self
    }
}

impl<'de> Deserialize<'de> for ResourceList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = ResourceList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a resource list")
            }

            fn visit_unit<E>(self) -> Result<ResourceList, E> {
                Ok(ResourceList::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ResourceList, A::Error> {
                let mut list = ResourceList::default();
                while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    let amount: Option<Amount> = map.next_value()?;
                    let Some(amount) = amount else { continue };
                    let units = u64::try_from(amount.units()).unwrap_or_default();
                    let base = &mut list.amounts.base;
                    match &*name {
                        "cpu" => {
                            base.cpu_milli = amount
                                .milli()
                                .ok()
                                .and_then(|milli| milli.try_into().ok())
                                .unwrap_or_default();
                            list.names_cpu = true;
                        }
                        "memory" => {
                            base.memory = units;
                            list.names_memory = true;
                        }
                        "pods" => base.pods = units,
                        _ if units > 0 => {
                            list.amounts.others.insert(name.as_ref().into(), units);
                        }
                        _ => {}
                    }
                }
                Ok(list)
            }
        }
        deserializer.deserialize_any(Reading)
    }
}
