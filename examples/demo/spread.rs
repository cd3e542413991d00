//! What each member has of the shop, read from the members themselves, and how it is drawn.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ListParams};

use crate::harness::{ControlPlane, Fleet};

/// Ready and wanted replicas; `None` where the Deployment is not.
type Count = Option<(i32, i32)>;

/// Deployments by name, and how many of their pods are ready in the hub's eyes and in each member.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spread {
    columns: Vec<[String; 2]>,
    rows: Vec<(String, Vec<Count>)>,
}

impl Spread {
    /// A control plane that does not answer shows nothing.
    pub(crate) async fn see(fleet: &Fleet, namespace: &str) -> Self {
        let seen = join_all(fleet.control_planes().map(|one| deployments(one, namespace))).await;
        let mut names: Vec<&String> = seen.iter().flatten().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        let count = |column: &Vec<(String, (i32, i32))>, name: &String| {
            column
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, count)| *count)
        };
        let rows = names
            .iter()
            .map(|name| {
                (
                    (*name).clone(),
                    seen.iter().map(|column| count(column, name)).collect(),
                )
            })
            .collect();
        let hub = ["hub API".to_owned(), "sum".to_owned()];
        let members = fleet
            .members()
            .iter()
            .map(|m| [m.name().to_owned(), m.region().to_owned()]);
        Self {
            columns: std::iter::once(hub).chain(members).collect(),
            rows,
        }
    }

    fn table(&self) -> String {
        let mut text = String::new();
        for line in 0..2 {
            let _ = write!(text, "  {:<12}", ["DEPLOYMENT", "ready/wanted"][line]);
            for column in &self.columns {
                let _ = write!(text, "{:>11}", column[line]);
            }
            text.push('\n');
        }
        for (name, counts) in &self.rows {
            let _ = write!(text, "  {name:<12}");
            for count in counts {
                let shown =
                    count.map_or_else(|| "·".to_owned(), |(ready, wanted)| format!("{ready}/{wanted}"));
                let _ = write!(text, "{shown:>11}");
            }
            text.push('\n');
        }
        text
    }
}

async fn deployments(control_plane: &ControlPlane, namespace: &str) -> Vec<(String, (i32, i32))> {
    let api: Api<Deployment> = Api::namespaced(control_plane.admin(), namespace);
    let Ok(list) = api.list(&ListParams::default()).await else {
        return Vec::new();
    };
    let row = |one: Deployment| {
        let wanted = one.spec.replicas.unwrap_or(1);
        let ready = one.status.and_then(|status| status.ready_replicas).unwrap_or(0);
        Some((one.metadata.name?, (ready, wanted)))
    };
    list.into_iter().filter_map(row).collect()
}

/// The table on the screen: redrawn in place on a terminal, else printed once at the end.
#[derive(Debug)]
pub(crate) struct Watch {
    terminal: bool,
    drawn: usize,
    last: Option<Spread>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            drawn: 0,
            last: None,
        }
    }

    pub(crate) fn show(&mut self, spread: Spread) {
        if self.terminal && self.last.as_ref() != Some(&spread) {
            self.draw(&spread);
            self.last = Some(spread);
        }
    }

    pub(crate) fn end(&mut self, spread: &Spread) {
        self.draw(spread);
    }

    fn draw(&mut self, spread: &Spread) {
        let table = spread.table();
        let back = if self.drawn == 0 {
            String::new()
        } else {
            format!("\x1b[{}A\x1b[J", self.drawn)
        };
        print!("{back}{table}");
        let _ = std::io::stdout().flush();
        self.drawn = table.lines().count();
    }
}
