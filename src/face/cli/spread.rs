//! What each member has of a shop, read from the members themselves, and how it is drawn.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write as _};

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};

/// One of the API servers that are looked at.
#[derive(Clone)]
pub struct Column {
    /// `member-1`
    pub name: String,
    /// What stands below the name.
    pub place: String,
    /// Somebody who may list Deployments.
    pub client: Client,
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Column").field(&self.name).finish()
    }
}

/// Ready and wanted replicas; `None` where the Deployment is not.
type Count = Option<(i32, i32)>;

/// Deployments by name, and how many of their pods are ready in the hub's eyes and in each member.
#[derive(Debug, PartialEq, Eq)]
pub struct Spread {
    columns: Vec<[String; 2]>,
    rows: Vec<(String, Vec<Count>)>,
}

impl Spread {
    /// Reads the Deployments of a namespace everywhere. An API server that does not answer shows nothing.
    pub async fn see(columns: &[Column], namespace: &str) -> Self {
        let seen = join_all(columns.iter().map(|column| deployments(column, namespace))).await;
        let mut names: Vec<&String> = seen.iter().flatten().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        let count = |column: &Vec<(String, (i32, i32))>, name: &String| {
            let found = column.iter().find(|(other, _)| other == name);
            found.map(|(_, count)| *count)
        };
        let rows = names.iter().map(|name| {
            let counts = seen.iter().map(|column| count(column, name));
            ((*name).clone(), counts.collect())
        });
        Self {
            rows: rows.collect(),
            columns: columns
                .iter()
                .map(|column| [column.name.clone(), column.place.clone()])
                .collect(),
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

async fn deployments(column: &Column, namespace: &str) -> Vec<(String, (i32, i32))> {
    let api: Api<Deployment> = Api::namespaced(column.client.clone(), namespace);
    let Ok(list) = api.list(&ListParams::default()).await else {
        return Vec::new();
    };
    let row = |one: Deployment| {
        let name = one.name_any();
        let wanted = one.spec.replicas.unwrap_or(1);
        let ready = one.status.and_then(|status| status.ready_replicas).unwrap_or(0);
        (name, (ready, wanted))
    };
    list.into_iter().map(row).collect()
}

/// The table on stdout: redrawn in place on a terminal, else printed once at the end.
#[derive(Debug)]
pub struct Watch {
    terminal: bool,
    drawn: usize,
    last: Option<Spread>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            terminal: io::stdout().is_terminal(),
            drawn: 0,
            last: None,
        }
    }
}

impl Watch {
    /// Draws what changed, if somebody watches.
    pub fn show(&mut self, spread: Spread) {
        if self.terminal && self.last.as_ref() != Some(&spread) {
            self.draw(&spread);
            self.last = Some(spread);
        }
    }

    /// Draws what it came to.
    pub fn end(&mut self, spread: &Spread) {
        self.draw(spread);
    }

    /// A reader that went away is no failure.
    fn draw(&mut self, spread: &Spread) {
        let table = spread.table();
        let back = match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        };
        let mut out = io::stdout().lock();
        drop(write!(out, "{back}{table}").and_then(|()| out.flush()));
        self.drawn = table.lines().count();
    }
}
