//! What each member has of some tenants, read from the members themselves, and how it is drawn.

use std::collections::BTreeMap;
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

/// Deployments by namespace and name, and how many of their pods are ready in the hub's eyes and in each member.
#[derive(Debug, PartialEq, Eq)]
struct Spread {
    columns: Vec<[String; 2]>,
    rows: Vec<([String; 2], Vec<Count>)>,
}

impl Spread {
    /// Reads the Deployments of namespaces everywhere. An API server that does not answer shows nothing.
    async fn see(columns: &[Column], namespaces: &[&str]) -> Self {
        let mut rows = Vec::new();
        for namespace in namespaces {
            let seen = join_all(columns.iter().map(|column| deployments(column, namespace))).await;
            let mut names: Vec<&String> = seen.iter().flat_map(BTreeMap::keys).collect();
            names.sort_unstable();
            names.dedup();
            rows.extend(names.into_iter().map(|name| {
                let counts = seen.iter().map(|column| column.get(name).copied());
                ([(*namespace).to_owned(), name.clone()], counts.collect())
            }));
        }
        Self {
            rows,
            columns: columns
                .iter()
                .map(|column| [column.name.clone(), column.place.clone()])
                .collect(),
        }
    }

    fn table(&self) -> String {
        let mut text = String::new();
        for line in 0..2 {
            let [namespace, deployment] = [["NAMESPACE", "DEPLOYMENT"], ["", "ready/wanted"]][line];
            let _ = write!(text, "  {namespace:<10} {deployment:<12}");
            for column in &self.columns {
                let _ = write!(text, "{:>11}", column[line]);
            }
            text.push('\n');
        }
        for ([namespace, name], counts) in &self.rows {
            let _ = write!(text, "  {namespace:<10} {name:<12}");
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

async fn deployments(column: &Column, namespace: &str) -> BTreeMap<String, (i32, i32)> {
    let api: Api<Deployment> = Api::namespaced(column.client.clone(), namespace);
    let Ok(list) = api.list(&ListParams::default()).await else {
        return BTreeMap::new();
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
    /// Looks, and draws what changed, if somebody watches: for nobody the API servers are not asked.
    pub async fn look(&mut self, columns: &[Column], namespaces: &[&str]) {
        if self.terminal {
            let spread = Spread::see(columns, namespaces).await;
            if self.last.as_ref() != Some(&spread) {
                self.draw(&spread);
                self.last = Some(spread);
            }
        }
    }

    /// Draws what it came to.
    pub async fn end(&mut self, columns: &[Column], namespaces: &[&str]) {
        self.draw(&Spread::see(columns, namespaces).await);
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
