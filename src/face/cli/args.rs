//! What can be typed. The texts here are the manual: `hub man` and `docs/reference/cli.md` are made from them.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use super::simulate;
use crate::{
    act::engine,
    model::{clock::GoDuration, name::ClusterName},
};

/// One hub, many Kubernetes clusters.
#[derive(Debug, Parser)]
#[command(
    name = "hub",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    long_about = "One hub, many Kubernetes clusters.\n\nYou write ordinary manifests to the hub API; the hub decides which member \
                  clusters run them, under your policies, applies them there as the tenant, and brings the status back.",
    after_long_help = "Getting started:
  hub demo                                       see it work: a whole fleet in this process
  hub install                                    prepare the hub API: custom resources and rights
  hub serve                                      run the hub
  hub join eu-1 --member-kubeconfig eu-1.yaml    register a member cluster
  hub apply -f policies/ -f shop/ --wait         write policies and manifests, wait until they run
  hub explain deployment/web -n shop             why it is where it is, and why not elsewhere

Data goes to stdout, words go to stderr. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 timed out."
)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// What every verb understands.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Kubeconfig of the hub API [default: $KUBECONFIG, ~/.kube/config, then the cluster this runs in]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Context of that kubeconfig [default: its current one]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// Namespace on the hub API [default: the context's]
    #[arg(short, long, global = true, value_name = "NS")]
    pub(super) namespace: Option<String>,
    /// How data is printed
    #[arg(short, long, global = true, value_name = "FORMAT", value_enum)]
    pub(super) output: Option<Format>,
    /// When to colour: the variable `NO_COLOR` and pipes turn it off
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
    /// Say more; twice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table with more columns
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// A whole fleet in this process: hub API, hub, members, and a shop that spreads over them
    ///
    /// Nothing has to be installed and nothing is left behind. All API servers listen on loopback, so that kubectl and
    /// hub work with them from another terminal, with the kubeconfigs in the folder. They are not real Kubernetes, but
    /// close to it; no containers run.
    #[command(
        after_help = "Examples:\n  hub demo\n  hub demo --members 5 --dir /tmp/fleet\n  hub demo --exit-when-ready"
    )]
    Demo(Demo),
    /// Run the hub against a hub API
    ///
    /// Several may run: one is the leader, the others stand by warm. On SIGTERM it finishes what it is writing,
    /// gives up leadership and ends within 10 seconds. It never writes to a disk.
    ///
    /// Without --kubeconfig it uses the cluster it runs in, else $KUBECONFIG.
    #[command(after_help = "Example:\n  hub serve --kubeconfig hub.yaml --listen 127.0.0.1:8700")]
    Serve(Serve),
    /// Apply the custom resources and rights that the hub API needs
    ///
    /// Safe to repeat: it changes only what differs. The hub id in the ConfigMap hanse-system/hub-identity is made
    /// once and never overwritten, because members are claimed by it.
    #[command(after_help = "Example:\n  hub install --kubeconfig hub.yaml")]
    Install(Install),
    /// Print the custom resources
    #[command(after_help = "Example:\n  hub crds | kubectl apply --server-side -f -")]
    Crds,
    /// Register a member cluster: identity, roles, fence, token
    ///
    /// Connects to the member once, with the kubeconfig you give. It makes there an identity for the hub with few rights
    /// and a fence that bounds what that identity can do, then stores a token for it in the hub API. Your kubeconfig is
    /// not stored anywhere. No software is installed in the member.
    ///
    /// Safe to repeat. With --refresh it brings an older member up to date and renews its token.
    #[command(
        after_help = "Examples:\n  hub join eu-1 --member-kubeconfig eu-1.yaml --label env=prod --region eu-west\n  \
                      hub join eu-1 --member-kubeconfig eu-1.yaml --refresh"
    )]
    Join(Join),
    /// Drain a member, then remove what join made there
    ///
    /// Deletes the Cluster and waits while the running hub takes its objects out of the member. Then it removes what
    /// `hub join` made: the hub's rights first, the fence last, namespaces only if they hold nothing else. Without
    /// --member-kubeconfig it prints the commands for that instead.
    #[command(
        after_help = "Examples:\n  hub leave eu-1 --member-kubeconfig eu-1.yaml\n  hub leave eu-1 --forget    # the cluster is gone for good"
    )]
    Leave(Leave),
    /// Claim a member that another hub, or a restored copy, held
    ///
    /// Rewrites the claim in the member so that this hub may write there and the other one stops. Be sure that the other
    /// hub is gone or meant to let go.
    #[command(after_help = "Example:\n  hub takeover eu-1 --member-kubeconfig eu-1.yaml")]
    Takeover(Takeover),
    /// Keep what is new away from a member
    ///
    /// What runs there stays. The same as `cordoned: true` in the spec of the Cluster, and as a taint
    /// hanse.dev/cordoned:NoSchedule, which policies may tolerate.
    #[command(after_help = "Example:\n  hub cordon eu-1")]
    Cordon(Cordon),
    /// Let a member that was cordoned or drained be used again
    #[command(after_help = "Example:\n  hub uncordon eu-1")]
    Uncordon(Cordon),
    /// Cordon a member and move away what runs there
    ///
    /// Adds the taint hanse.dev/drained:NoExecute and waits until the hub has taken its objects out of the member, but for
    /// those whose policies tolerate it. The member stays registered: hub uncordon brings it back.
    #[command(after_help = "Examples:\n  hub drain eu-1\n  hub drain eu-1 --timeout 30m")]
    Drain(DrainMember),
    /// Read policy files and manifests offline and say what is wrong
    ///
    /// Checks syntax, fields, names and cross-references without any cluster. Each finding is
    /// `file:line:column: error[HUB####]: text` with a hint below; every code has a page in docs/errors.
    /// Exits with 1 if there is an error; warnings alone exit with 0.
    #[command(after_help = "Examples:\n  hub check policies/ shop/\n  kubectl kustomize shop/ | hub check -")]
    Check(Check),
    /// Write policies and manifests to the hub API, in order
    ///
    /// Everything is read and checked first: if anything is wrong, nothing is changed. Then it applies, server-side and as
    /// you: namespaces and custom resource definitions, tenants, policies, templates.
    #[command(
        after_help = "Examples:\n  hub apply -f policies/ -f shop/ -n shop --wait\n  kubectl kustomize shop/ | hub apply -n shop -f -\n  \
                      hub apply -f shop/ --dry-run"
    )]
    Apply(Apply),
    /// Show what would change in the members, object by object
    ///
    /// Reads files as `hub apply` does, has the hub API and the members try every object without changing it, and prints
    /// what differs from what runs: each object as it would be in each member, with its overrides. Policies and overrides
    /// in the files count, for templates that are there already too. Values of Secrets are never shown. It takes the right
    /// to read the members' credentials on the hub API.
    ///
    /// Exits with 0 when nothing differs, 1 when something does, 2 when something could not be compared.
    #[command(
        after_help = "Examples:\n  hub diff -f policies/ -f shop/ -n shop\n  kubectl kustomize shop/ | hub diff -n shop -f -"
    )]
    Diff(Diff),
    /// Delete what files say from the hub API, in reverse order
    ///
    /// Templates first, then policies, tenants and namespaces; waits until each is gone.
    #[command(after_help = "Example:\n  hub delete -f shop/ -n shop")]
    Delete(Delete),
    /// Show objects: clusters, tenants, policies, bindings, orphans, or any kind
    ///
    /// Any kind of the hub API can be named, in any case, singular, plural or short. With --cluster it shows
    /// objects of that member, read as the tenant of the namespace.
    ///
    /// `orphans` are objects in members that carry this hub's stamp but belong to no binding. They are shown, never deleted.
    #[command(
        after_help = "Examples:\n  hub get clusters\n  hub get bindings -A -o wide\n  hub get deployments --cluster eu-1 -n shop\n  hub get orphans"
    )]
    Get(Get),
    /// How the fleet, or one workload, is doing in each member
    #[command(after_help = "Examples:\n  hub status\n  hub status deployment/web -n shop")]
    Status(Status),
    /// Show what the hub reported
    #[command(after_help = "Examples:\n  hub events -n shop\n  hub events -A --watch")]
    Events(Events),
    /// Why a workload is where it is, and why not elsewhere
    ///
    /// Prints per member whether it was chosen, or the first filter that refused it, with every number that was used.
    #[command(after_help = "Example:\n  hub explain deployment/web -n shop")]
    Explain(Explain),
    /// Divide the replicas of a workload anew
    ///
    /// Replicas stay where they are while their sum is right: new weights, or room that came since, move nothing. This asks
    /// for a new division, by annotation hanse.dev/rebalance on the workload. What leaves a member goes when its replacement
    /// is applied elsewhere.
    #[command(after_help = "Example:\n  hub rebalance deployment/web -n shop")]
    Rebalance(Rebalance),
    /// Make an object that runs in a member a template, without touching it
    ///
    /// What people set in it becomes a template in the same namespace at the hub, and a policy has the hub adopt it there:
    /// in that member only, and left behind should template or policy go. With --deps what it names goes along: ConfigMaps,
    /// Secrets, ServiceAccounts, claims, and the Services of an Ingress. What is at the hub already stays as it is. Where a
    /// policy that does not adopt selects it, nothing is written.
    #[command(
        after_help = "Examples:\n  hub promote deployment/web --cluster eu-1 --deps -n shop --dry-run\n  \
                      hub promote deployment/web --cluster eu-1 --deps -n shop"
    )]
    Promote(Promote),
    /// The hub on a scripted fleet in this process, in virtual time
    ///
    /// Days pass in a blink: time moves on only when everybody waits. The same script prints the same every time, but for
    /// faults that strike by chance. Without
    /// a script, or with -, commands are read line by line from the terminal or from stdin.
    #[command(after_help = simulate::EXAMPLES, after_long_help = simulate::help())]
    Simulate(Simulate),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  source <(hub completions bash)")]
    Completions(Completions),
    /// Print the manual
    #[command(after_help = "Examples:\n  hub man join | man -l -\n  hub man --format markdown")]
    Man(Man),
    /// Print the version
    Version,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Demo {
    /// How many members
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(super) members: u64,
    /// Where hub.kubeconfig, member-1.kubeconfig, … are put while it runs [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub(super) dir: Option<PathBuf>,
    /// End when the shop runs everywhere
    #[arg(long)]
    pub(super) exit_when_ready: bool,
    /// Where to answer /livez, /readyz and /metrics [default: a free port]
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:0",
        hide_default_value = true
    )]
    pub(super) listen: SocketAddr,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Simulate {
    /// A file with one command a line, or - for stdin
    pub(super) script: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Serve {
    /// Where to answer /livez, /readyz and /metrics
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8700")]
    pub(super) listen: SocketAddr,
    /// How long leadership lasts without renewal
    #[arg(long, value_name = "TIME", default_value = "9s")]
    pub(super) lease_duration: GoDuration,
    /// When a leader that could not renew stops writing
    #[arg(long, value_name = "TIME", default_value = "6s")]
    pub(super) renew_deadline: GoDuration,
    /// How often leadership is renewed or tried for
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub(super) retry_period: GoDuration,
    /// Workloads that may leave lost members within an hour; more wait
    #[arg(long, value_name = "N", default_value_t = engine::Options::MAX_FAILOVERS)]
    pub(super) max_failovers_per_hour: u32,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Install {
    /// How long to wait for the custom resources to be served
    #[arg(long, value_name = "TIME", default_value = "1m")]
    pub(super) timeout: GoDuration,
}

/// A member as its owner reaches it.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct MemberAccess {
    /// Context of the member's kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub(super) member_context: Option<String>,
    #[command(flatten)]
    pub(super) allow: Allow,
}

/// What a member's kubeconfig may contain. Each is refused unless it is allowed.
#[derive(Debug, Clone, Copy, Default, ClapArgs)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line"
)]
pub(super) struct Allow {
    /// Let the member's kubeconfig run a program to log in
    #[arg(long = "allow-exec")]
    pub(super) exec: bool,
    /// Let the member's kubeconfig use an auth provider
    #[arg(long = "allow-auth-provider")]
    pub(super) auth_provider: bool,
    /// Do not verify the member's certificate
    #[arg(long = "allow-insecure-tls")]
    pub(super) insecure_tls: bool,
    /// Let the member's kubeconfig name files
    #[arg(long = "allow-file-paths")]
    pub(super) file_paths: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Join {
    /// Name of the member in the fleet
    pub(super) name: ClusterName,
    /// Kubeconfig of the member's owner, used once
    #[arg(long, value_name = "FILE")]
    pub(super) member_kubeconfig: PathBuf,
    #[command(flatten)]
    pub(super) access: MemberAccess,
    /// Label of the Cluster, for selectors; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    pub(super) labels: Vec<(String, String)>,
    /// Region of the member [default: from its nodes' labels]
    #[arg(long, value_name = "NAME")]
    pub(super) region: Option<String>,
    /// Zone of the member [default: from its nodes' labels]
    #[arg(long, value_name = "NAME")]
    pub(super) zone: Option<String>,
    /// Who runs the member
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,
    /// Bring a joined member up to date: rights, fence and a new token
    #[arg(long)]
    pub(super) refresh: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Leave {
    /// Name of the member
    pub(super) name: ClusterName,
    /// Kubeconfig of the member's owner, to remove what join made
    #[arg(long, value_name = "FILE")]
    pub(super) member_kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    pub(super) access: MemberAccess,
    /// The member is gone for good: forget it and what was placed there
    #[arg(long)]
    pub(super) forget: bool,
    /// How long to wait while the hub drains it
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub(super) timeout: GoDuration,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Takeover {
    /// Name of the member
    pub(super) name: ClusterName,
    /// Kubeconfig of the member's owner, used once
    #[arg(long, value_name = "FILE")]
    pub(super) member_kubeconfig: PathBuf,
    #[command(flatten)]
    pub(super) access: MemberAccess,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Cordon {
    /// Name of the member
    pub(super) name: ClusterName,
}

#[derive(Debug, ClapArgs)]
pub(super) struct DrainMember {
    /// Name of the member
    pub(super) name: ClusterName,
    /// How long to wait while the hub drains it
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub(super) timeout: GoDuration,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Check {
    /// Files, folders, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Apply {
    /// File, folder, or - for stdin; may be repeated
    #[arg(short, long = "filename", required = true, value_name = "PATH", num_args = 1..)]
    pub(super) filename: Vec<String>,
    /// Check everything with the server, change nothing, and show what would change in the members
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Wait until every template is applied and available in its members
    #[arg(long)]
    pub(super) wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub(super) timeout: GoDuration,
    /// Take over fields that another manager owns
    #[arg(long)]
    pub(super) force_conflicts: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Diff {
    /// File, folder, or - for stdin; may be repeated
    #[arg(short, long = "filename", required = true, value_name = "PATH", num_args = 1..)]
    pub(super) filename: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Delete {
    /// File, folder, or - for stdin; may be repeated
    #[arg(short, long = "filename", required = true, value_name = "PATH", num_args = 1..)]
    pub(super) filename: Vec<String>,
    /// How long to wait until all is gone
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub(super) timeout: GoDuration,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Get {
    /// clusters, tenants, policies, bindings, orphans, or any kind; KIND/NAME works too
    pub(super) kind: String,
    /// One object
    pub(super) name: Option<String>,
    /// Look in this member instead of the hub API
    #[arg(long, value_name = "NAME")]
    pub(super) cluster: Option<ClusterName>,
    /// In all namespaces
    #[arg(short = 'A', long)]
    pub(super) all_namespaces: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Status {
    /// A workload; the whole fleet without it
    #[arg(value_name = "KIND/NAME")]
    pub(super) workload: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Events {
    /// In all namespaces
    #[arg(short = 'A', long)]
    pub(super) all_namespaces: bool,
    /// Go on printing as they come
    #[arg(short, long)]
    pub(super) watch: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Explain {
    /// A workload
    #[arg(value_name = "KIND/NAME")]
    pub(super) workload: String,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Rebalance {
    /// A workload
    #[arg(value_name = "KIND/NAME")]
    pub(super) workload: String,
    /// How long to wait for the decision
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(super) timeout: GoDuration,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Promote {
    /// An object that runs in the member
    #[arg(value_name = "KIND/NAME")]
    pub(super) workload: String,
    /// The member
    #[arg(long, value_name = "NAME")]
    pub(super) cluster: ClusterName,
    /// Take along what it names and can't run without
    #[arg(long)]
    pub(super) deps: bool,
    /// Print what would be written, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// How long to wait until Secrets there may be read
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(super) timeout: GoDuration,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Man {
    /// The page of one verb
    pub(super) verb: Option<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = ManFormat::Roff)]
    pub(super) format: ManFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ManFormat {
    /// For man(1)
    Roff,
    /// The whole reference as one page
    Markdown,
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a label is written KEY=VALUE".to_owned()),
    }
}
