//! What a pod asks for, by its spec.

use serde::Deserialize;

use super::{Amounts, ResourceList};

/// A pod's spec, as far as its requests go.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// The node it is bound to.
    pub node_name: Option<Box<str>>,
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
    overhead: ResourceList,
    resources: Option<Demand>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Demand {
    requests: ResourceList,
    limits: ResourceList,
}

impl Demand {
    /// What is not requested is requested as it is limited: the API server fills it in when the pod is made.
    fn requested(&self) -> Amounts {
        if self.limits == ResourceList::default() {
            return self.requests.amounts.clone();
        }
        self.limits.clone().overlaid(&self.requests).amounts
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    resources: Option<Demand>,
    #[serde(default)]
    restart_policy: Option<String>,
}

impl Container {
    fn requested(&self) -> Amounts {
        self.resources.as_ref().map(Demand::requested).unwrap_or_default()
    }
}

impl PodSpec {
    /// What the scheduler charges: containers and sidecars together, or the hungriest moment of starting,
    /// whichever is more, plus overhead; a request of the whole pod replaces the sum
    /// (component-helpers `resource.PodRequests`). It counts no pod.
    #[must_use]
    pub fn requests(&self) -> Amounts {
        let mut running = Amounts::default();
        for container in self.containers.iter().flatten() {
            running.add(&container.requested());
        }
        let mut sidecars = Amounts::default();
        let mut starting = Amounts::default();
        for container in self.init_containers.iter().flatten() {
            let asked = container.requested();
            if container.restart_policy.as_deref() == Some("Always") {
                sidecars.add(&asked);
                starting = starting.most(&sidecars);
            } else {
                let mut at_once = sidecars.clone();
                at_once.add(&asked);
                starting = starting.most(&at_once);
            }
        }
        running.add(&sidecars);
        let mut total = running.most(&starting);
        if let Some(Demand { requests: whole, .. }) = &self.resources {
            let asked = whole.amounts.base;
            if whole.names_cpu {
                total.base.cpu_milli = asked.cpu_milli;
            }
            if whole.names_memory {
                total.base.memory = asked.memory;
            }
        }
        total.add(&self.overhead.amounts);
        total.base.pods = 0;
        total
    }
}
