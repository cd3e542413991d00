//! How a scenario gets its fleet, and when it is skipped.

use std::ops::AsyncFnOnce;
use std::sync::Arc;

use libtest_mimic::{Completion, Failed, Trial};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::harness::{Federation, Fleet, FleetOptions, Need, World, skips_are_failures};
use crate::observer::Observer;

/// What all scenarios of one world stand on: one runtime, and one shared fleet once somebody asks for it.
pub(crate) struct Stage {
    world: World,
    runtime: Runtime,
    /// Held while the fleet starts, so that the others wait for it instead of starting a second one.
    shared: Mutex<Option<Result<Arc<Fleet>, String>>>,
    federation: Mutex<Option<Result<Arc<Federation>, String>>>,
    /// Watches the shared fleet from the moment its hub serves.
    observer: Mutex<Option<Observer>>,
    /// Own fleets are large: one at a time.
    alone: Mutex<()>,
}

impl Stage {
    pub(crate) fn new(world: World) -> Arc<Self> {
        let runtime = Runtime::new().expect("a tokio runtime starts");
        Arc::new(Self {
            world,
            runtime,
            shared: Mutex::new(None),
            federation: Mutex::new(None),
            observer: Mutex::new(None),
            alone: Mutex::new(()),
        })
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    fn shared_fleet(&self) -> Result<Arc<Fleet>, String> {
        let options = FleetOptions {
            world: self.world,
            audited: true,
            ..FleetOptions::default()
        };
        let start = || {
            self.runtime
                .block_on(Fleet::start(options))
                .map(Arc::new)
                .map_err(|error| error_chain(&error))
        };
        self.shared.lock().get_or_insert_with(start).clone()
    }

    fn shared_federation(&self, fleet: &Fleet) -> Result<Arc<Federation>, String> {
        let start = || {
            let _runtime = self.runtime.enter();
            let members = fleet.members().iter();
            let members = members.map(|member| (member.name().to_owned(), member.admin()));
            *self.observer.lock() = Some(Observer::start(fleet.hub().admin(), members));
            let federation = Federation::start(fleet, env!("CARGO_BIN_EXE_hub"), &[]);
            self.runtime
                .block_on(federation)
                .map(Arc::new)
                .map_err(|error| error_chain(&error))
        };
        self.federation.lock().get_or_insert_with(start).clone()
    }

    /// Ends the shared hub and fleet. What the hub did to members of it that it must not do.
    pub(crate) fn clear(&self) -> Vec<String> {
        self.federation.lock().take();
        let fleet = self.shared.lock().take();
        let (Some(observer), Some(Ok(fleet))) = (self.observer.lock().take(), fleet) else {
            return Vec::new();
        };
        let members = fleet.members().iter();
        members
            .flat_map(|member| observer.judge(member.name(), member.writes()))
            .collect()
    }
}

type Run = Box<dyn FnOnce(&Stage) -> Result<(), Failed> + Send>;

/// A named scenario, not yet run.
pub(crate) struct Scenario {
    name: &'static str,
    needs: Vec<Need>,
    soak: bool,
    /// Where it can be played: everywhere, unless it says so.
    only: Option<World>,
    run: Run,
}

impl Scenario {
    fn new(name: &'static str, run: Run) -> Self {
        Self {
            name,
            needs: vec![Need::Kubernetes],
            soak: false,
            only: None,
            run,
        }
    }

    /// A scenario on the shared fleet. It keeps to names from `Fleet::namespace` and leaves the API servers alone.
    pub(crate) fn shared<F>(name: &'static str, scenario: F) -> Self
    where
        F: AsyncFnOnce(&Fleet) + Send + 'static,
    {
        let run = move |stage: &Stage| {
            let fleet = stage.shared_fleet()?;
            stage.runtime.block_on(scenario(&fleet));
            Ok(())
        };
        Self::new(name, Box::new(run))
    }

    /// A scenario on a fleet of its own, with which it may do anything.
    pub(crate) fn alone<F>(name: &'static str, options: FleetOptions, scenario: F) -> Self
    where
        F: AsyncFnOnce(Fleet) + Send + 'static,
    {
        let run = move |stage: &Stage| {
            let _turn = stage.alone.lock();
            let options = FleetOptions {
                world: stage.world,
                ..options
            };
            stage.runtime.block_on(async {
                let fleet = Fleet::start(options).await.map_err(|error| error_chain(&error))?;
                scenario(fleet).await;
                Ok(())
            })
        };
        Self::new(name, Box::new(run))
    }

    /// A scenario without a fleet.
    pub(crate) fn plain<F>(name: &'static str, scenario: F) -> Self
    where
        F: AsyncFnOnce() + Send + 'static,
    {
        let run = move |stage: &Stage| {
            stage.runtime.block_on(scenario());
            Ok(())
        };
        Self {
            needs: Vec::new(),
            // Once is enough.
            only: Some(World::Kubernetes),
            ..Self::new(name, Box::new(run))
        }
    }

    /// A scenario on the shared fleet with a hub in service, shared as well: it keeps to tenants and namespaces of
    /// its own, and neither stops the hub nor leaves it.
    #[allow(dead_code, reason = "for scenarios of the hub")]
    pub(crate) fn federated<F>(name: &'static str, scenario: F) -> Self
    where
        F: AsyncFnOnce(&Fleet, &Federation) + Send + 'static,
    {
        let run = move |stage: &Stage| {
            let fleet = stage.shared_fleet()?;
            let federation = stage.shared_federation(&fleet)?;
            stage.runtime.block_on(scenario(&fleet, &federation));
            Ok(())
        };
        Self::new(name, Box::new(run))
    }

    /// What it cannot do without, beside Kubernetes.
    #[allow(dead_code, reason = "for scenarios with kubectl or the example applications")]
    pub(crate) fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// It waits for more than a minute: `make soak` runs it, `make test` names it as ignored.
    #[allow(dead_code, reason = "for scenarios that take long")]
    pub(crate) fn soak(mut self) -> Self {
        self.soak = true;
        self
    }

    /// It needs real Kubernetes: `why` says what the sandbox is not.
    pub(crate) fn only_on_kubernetes(mut self, _why: &'static str) -> Self {
        self.only = Some(World::Kubernetes);
        self
    }

    /// As a trial of the stage's world, if it is played there. What is missing skips it, with the reason; with `HANSE_REQUIRE=all` it fails it.
    pub(crate) fn on(mut self, stage: &Arc<Stage>) -> Option<Trial> {
        if self.only.is_some_and(|only| only != stage.world) {
            return None;
        }
        if stage.world == World::Sandbox {
            self.needs.retain(|need| *need != Need::Kubernetes);
        }
        let stage = Arc::clone(stage);
        let soak = self.soak;
        let name = format!("{}::{}", stage.world.word(), self.name);
        let trial = Trial::ignorable_test(name, move || {
            let missing: Vec<String> = self.needs.into_iter().filter_map(Need::missing).collect();
            if missing.is_empty() {
                return (self.run)(&stage).map(|()| Completion::Completed);
            }
            let reason = missing.join("; ");
            if skips_are_failures() {
                Err(reason.into())
            } else {
                Ok(Completion::ignored_with(reason))
            }
        });
        Some(trial.with_ignored_flag(soak))
    }
}

/// An error and its causes, in one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
