//! `hub demo`: a whole fleet in this process, that kubectl and hub reach from outside.
//!
//! ```text
//! Embedded (hub API, hub, members) ─► listen on loopback ─► folder: kubeconfigs, manifests ─► hub apply ─► table
//! ```
//!
//! What can be refused is refused before anything starts. The folder's files are this demo's: it never overwrites one
//! that was there, and takes its own away however it ends.

mod folder;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use tokio::net::TcpListener;

use self::folder::Folder;
use super::apply;
use super::args::{Apply, Demo, Global, LogFormat};
use super::embedded::{self, Embedded, MOST_MEMBERS, name_regions};
use super::failure::{Exit, Failure};
use super::output::{Audience, Screen};
use super::progress::Progress;
use super::serve;
use super::spread::{Column, Watch};
use super::tour::{TEAMS, tour};
use crate::act::engine::LeaseTimes;
use crate::act::wire::Tasks;
use crate::face::server;
use crate::model::clock::GoDuration;
use crate::model::manifest::Code;
use crate::sandbox::Listening;

/// It runs long before this, or something is wrong.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often the table is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// A hub waits the difference of the first two before it leads, and so long may a write take. No other hub can have
/// been before, because the hub API begins with this process, and its writes go nowhere else.
const ALONE: LeaseTimes = LeaseTimes {
    duration: Duration::from_secs(9),
    renew_deadline: Duration::from_secs(8),
    retry_period: Duration::from_secs(1),
};

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Demo) -> Result<Exit, Failure> {
    let started = Instant::now();
    let members = members(wanted.members)?;
    if global.verbose > 0 {
        serve::log(LogFormat::Text, global.verbose - 1)?;
    }
    let listener = serve::listen(wanted.listen).await?;
    let folder = Folder::make(wanted.dir.as_deref(), members)?;
    let mut progress = Progress::new(screen);
    let outcome = tokio::select! {
        outcome = show(screen, wanted, listener, folder, members, started, &mut progress) => outcome,
        () = serve::asked_to_stop() => Ok(if wanted.exit_when_ready { Exit::Refused } else { Exit::Done }),
    };
    drop(progress);
    outcome
}

/// How many members there shall be.
pub(super) fn members(wanted: u64) -> Result<u8, Failure> {
    u8::try_from(wanted)
        .ok()
        .filter(|number| (1..=MOST_MEMBERS).contains(number))
        .ok_or_else(|| {
            Failure::usage(format!("a fleet in one process can't have {wanted} members"))
                .with_hint(format!("choose 1 to {MOST_MEMBERS}"))
        })
}

/// Starts all of it, and stays until it is dropped.
async fn show(
    screen: Screen,
    wanted: &Demo,
    listener: TcpListener,
    mut folder: Folder,
    members: u8,
    started: Instant,
    progress: &mut Progress,
) -> Result<Exit, Failure> {
    let address = listener
        .local_addr()
        .map_err(|error| Failure::system("failed to listen", &error))?;
    progress.doing(&format!(
        "starting a hub API and {} in this process",
        super::table::counted(members.into(), "member")
    ));
    let mut fleet = Embedded::start(&embedded::Options {
        members,
        lease: ALONE,
        change: name_regions,
        ..embedded::Options::default()
    });
    let listening = open(&mut fleet, &mut folder).await?;
    fleet
        .federate(|step| progress.doing(step))
        .await
        .map_err(|error| not_come_about(&error))?;
    let tasks = Tasks::default();
    if let Some(waiting) = fleet.waits() {
        let stopped = tasks.clone();
        tasks.spawn("http", async move {
            let stop = async move { stopped.stopped().await };
            if let Err(error) = server::serve(listener, server::Sources { waiting }, stop).await {
                tracing::error!(%error, "failed to answer HTTP");
            }
        });
    }
    let shown = wanted.dir.as_deref().unwrap_or(folder.path()).display();
    progress.done(&format!("hub apply -f {shown}/policies"));
    for team in TEAMS {
        progress.done(&format!("hub apply -f {shown}/{team} -n {team} --wait"));
    }
    spread(&fleet, &folder).await?;
    progress.done(&format!(
        "shop and blog run where their policies say, {:.1} s after the start",
        started.elapsed().as_secs_f32()
    ));
    if !wanted.exit_when_ready {
        progress.pause();
        screen.data(&hints(folder.path(), members, address))?;
        std::future::pending::<()>().await;
    }
    drop(listening);
    tasks.stop();
    fleet.end().await;
    Ok(Exit::Done)
}

/// Lets every API server listen, and writes down how it is reached.
async fn open(fleet: &mut Embedded, folder: &mut Folder) -> Result<Vec<Listening>, Failure> {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let opening = fleet
        .clusters()
        .map(async |cluster| (cluster.name().to_owned(), cluster.listen(any_port).await));
    let opening = join_all(opening).await;
    let mut listening = Vec::new();
    for (name, opened) in opening {
        let opened = opened.map_err(|error| {
            Failure::new(Code::SYSTEM, format!("failed to let {name} listen: {error}"))
                .with_hint("this machine refuses it; fewer members need fewer ports and files")
        })?;
        folder.write(&format!("{name}.kubeconfig"), opened.kubeconfig())?;
        fleet
            .listens(&name, &opened)
            .map_err(|error| not_come_about(&error))?;
        listening.push(opened);
    }
    Ok(listening)
}

fn not_come_about(error: &embedded::Error) -> Failure {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        words = format!("{words}: {source}");
        cause = source.source();
    }
    Failure::new(Code::REQUEST_REFUSED, words)
        .with_hint("this is a defect: please report it with what `hub demo -v` says")
}

/// Applies policies, shop and blog as their people would, and draws meanwhile what each member has of them.
async fn spread(fleet: &Embedded, folder: &Folder) -> Result<(), Failure> {
    let applying = async {
        apply_one(folder, "policies", None).await?;
        try_join_all(TEAMS.map(|team| apply_one(folder, team, Some(team)))).await
    };
    tokio::pin!(applying);
    let columns: Vec<Column> = fleet
        .clusters()
        .enumerate()
        .map(|(index, cluster)| Column {
            name: if index == 0 {
                "hub API".to_owned()
            } else {
                cluster.name().to_owned()
            },
            place: if index == 0 {
                "sum".to_owned()
            } else {
                cluster.region().to_owned()
            },
            client: cluster.admin(),
        })
        .collect();
    let mut watch = Watch::default();
    loop {
        tokio::select! {
            applied = &mut applying => {
                applied?;
                break;
            }
            () = tokio::time::sleep(LOOK) => watch.look(&columns, &TEAMS).await,
        }
    }
    watch.end(&columns, &TEAMS).await;
    Ok(())
}

/// `hub apply` of a folder in the demo's; what is in a namespace is waited for.
async fn apply_one(folder: &Folder, what: &str, namespace: Option<&str>) -> Result<Exit, Failure> {
    let global = Global {
        kubeconfig: Some(folder.path().join("hub.kubeconfig")),
        namespace: namespace.map(str::to_owned),
        ..Global::default()
    };
    let what = Apply {
        filename: vec![folder.path().join(what).display().to_string()],
        dry_run: false,
        wait: namespace.is_some(),
        timeout: GoDuration(PATIENCE),
        force_conflicts: false,
    };
    apply::run(&global, Screen::before(Audience::Nobody), &what).await
}

fn hints(folder: &Path, members: u8, address: SocketAddr) -> String {
    let own = std::env::current_exe().unwrap_or_default();
    let programs = own.parent().unwrap_or(&own);
    let tour = tour(programs, folder, &folder.join(TEAMS[0]), members.into());
    format!("{tour}http://{address}/readyz and /metrics are the hub's own. Ctrl-C ends everything.\n")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(1, true)]
    #[case(200, true)]
    #[case(0, false)]
    #[case(201, false)]
    #[case(10_000, false)]
    #[case(u64::MAX, false)]
    fn a_fleet_has_1_to_200_members(#[case] wanted: u64, #[case] accepted: bool) {
        assert_eq!(members(wanted).is_ok(), accepted);
    }
}
