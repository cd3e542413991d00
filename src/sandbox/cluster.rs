//! One cluster, put together: an API server with its bootstrap objects, its actors and its nodes.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::BodyExt as _;
use kube::client::Body as KubeBody;
use serde_json::{Value, json};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, service_fn};

use super::access::{self, Access, Subject, bootstrap};
use super::actors::{self, Actors, Levers, NodeSize, nodes, volumes};
use super::api::{Server, Settings, Write};
use super::crd;
use super::faults::Faults;
use super::kinds;
use super::serve::{Body, Http, Logs, listen};
use super::store::Store;
use super::task::Tasks;
use super::write::Writer;
use crate::model::clock::Clock;

/// An API server as a service, with the types of the hub's own client stack.
pub type Service = BoxCloneSyncService<Request<KubeBody>, Response<Body>, BoxError>;

/// Who administers a cluster: `cluster-admin`, from outside.
pub const ADMIN: &str = "admin";
/// A token of the administrator lives this long: longer than any demo or simulation.
const ADMIN_TOKEN: Duration = Duration::from_hours(24 * 365);

/// What tells one cluster from another.
#[derive(Debug, Clone)]
pub struct Options {
    /// `member-1`: also its host, `member-1.sandbox`.
    pub name: String,
    pub nodes: usize,
    pub node: NodeSize,
    /// `topology.kubernetes.io/region` of its nodes.
    pub region: String,
    /// First address and fixed bits of the range for Services.
    pub services: (Ipv4Addr, u8),
    pub node_ports: RangeInclusive<u16>,
    /// Of everything that is drawn: names, uids, start delays, faults.
    pub seed: u64,
    pub clock: Clock,
    pub actors: Actors,
}

impl Options {
    /// A cluster that runs pods on three nodes. Clusters of different numbers have different ranges, because equal
    /// ones hide what is copied from one to another by mistake.
    #[must_use]
    pub fn member(number: u8) -> Self {
        let ports = 30_000 + u16::from(number % 25) * 100;
        Self {
            name: format!("member-{number}"),
            nodes: 3,
            node: NodeSize::default(),
            region: ["eu", "us", "ap"][usize::from(number) % 3].to_owned(),
            services: (Ipv4Addr::new(10, 100 + number % 100, 0, 0), 16),
            node_ports: ports..=ports + 99,
            seed: u64::from(number),
            clock: Clock::system(),
            actors: Actors::all(),
        }
    }

    /// A hub API: nothing runs there.
    #[must_use]
    pub fn hub() -> Self {
        Self {
            name: "hub".to_owned(),
            nodes: 0,
            services: (Ipv4Addr::new(10, 96, 0, 0), 16),
            node_ports: 32_600..=32_767,
            actors: Actors::without_workloads(),
            ..Self::member(0)
        }
    }
}

/// A running cluster. Cheap to clone; it ends with [`Cluster::stop`], or when the last clone is dropped.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    name: String,
    region: String,
    http: Http,
    faults: Faults,
    levers: Levers,
    tasks: Tasks,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.cancel();
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster").field(&self.0.name).finish()
    }
}

impl Cluster {
    /// Starts it; it answers at once, its nodes are Ready. Must be called inside a runtime.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let store = Store::default();
        let faults = Faults::new(options.seed);
        let clock = faults.clock(&options.clock);
        let access = Access::new(store.clone(), clock.clone());
        let settings = Settings {
            seed: options.seed,
            services: options.services,
            node_ports: options.node_ports.clone(),
        };
        let server = Server::with_settings(store, kinds::builtin(), clock, access, settings);
        let tasks = Tasks::default();
        for namespace in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            make(
                &server,
                &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            );
        }
        for object in bootstrap() {
            make(&server, &object);
        }
        make(&server, &administrator());
        for node in nodes::make(
            &options.name,
            &options.region,
            options.nodes,
            &options.node,
            options.clock.now(),
        ) {
            make(&server, &node);
        }
        if options.actors.volumes {
            for class in volumes::classes() {
                make(&server, &class);
            }
        }
        tasks.spawn(crd::run(server.clone()));
        tasks.spawn(access::aggregate(server.clone()));
        let levers = actors::run(&server, &tasks, &options.actors);
        let printed = levers.clone();
        let logs: Logs = Arc::new(move |pod, container| printed.log(pod, container));
        Self(Arc::new(Inner {
            name: options.name.clone(),
            region: options.region.clone(),
            http: Http::with_logs(server, logs),
            faults,
            levers,
            tasks,
        }))
    }

    /// `member-1`
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// `topology.kubernetes.io/region` of its nodes.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.0.region
    }

    /// `member-1.sandbox`: by this name it is found in this process.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}.sandbox", self.0.name)
    }

    /// What can go wrong with it.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// What its actors do.
    #[must_use]
    pub fn levers(&self) -> &Levers {
        &self.0.levers
    }

    /// The API server, faults included. Requests must bring a credential.
    #[must_use]
    pub fn service(&self) -> Service {
        let (http, faults) = (self.0.http.clone(), self.0.faults.clone());
        BoxCloneSyncService::new(service_fn(move |request: Request<KubeBody>| {
            let (http, faults) = (http.clone(), faults.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.map_err(BoxError::from)?.to_bytes();
                answer(&http, &faults, Request::from_parts(parts, body)).await
            }
        }))
    }

    /// A client of the administrator.
    #[must_use]
    pub fn admin(&self) -> kube::Client {
        self.client(self.service())
    }

    /// The same, past the faults: for who judges.
    #[must_use]
    pub fn unfaulted(&self) -> kube::Client {
        let http = self.0.http.clone();
        let service = service_fn(move |request: Request<KubeBody>| {
            let http = http.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.map_err(BoxError::from)?.to_bytes();
                Ok::<_, BoxError>(http.answer(Request::from_parts(parts, body)))
            }
        });
        self.client(BoxCloneSyncService::new(service))
    }

    fn client(&self, service: Service) -> kube::Client {
        let token = self.admin_token();
        let service = tower::ServiceBuilder::new()
            .map_request(move |mut request: Request<KubeBody>| {
                if let Ok(value) = header::HeaderValue::from_str(&format!("Bearer {token}")) {
                    request.headers_mut().insert(header::AUTHORIZATION, value);
                }
                request
            })
            .service(service);
        kube::Client::new(service, "default")
    }

    /// The administrator's kubeconfig for programs in this process: its host is found there only.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let server = format!("https://{}", self.host());
        listen::kubeconfig(&self.0.name, &server, "", &self.admin_token())
    }

    /// Listens on an address of this machine, port 0 for any that is free.
    pub async fn listen(&self, address: SocketAddr) -> Result<Listening, listen::Error> {
        let (http, faults) = (self.0.http.clone(), self.0.faults.clone());
        let handler = move |request: Request<hyper::body::Incoming>| {
            let (http, faults) = (http.clone(), faults.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                answer(&http, &faults, Request::from_parts(parts, body)).await
            }
        };
        let listening = listen::listen(handler, address).await?;
        let kubeconfig = listen::kubeconfig(
            &self.0.name,
            &listening.url(),
            listening.ca_pem(),
            &self.admin_token(),
        );
        Ok(Listening {
            listening,
            kubeconfig,
        })
    }

    /// Requests that changed something, or were to: the last ones, oldest first.
    #[must_use]
    pub fn writes(&self) -> Vec<Write> {
        self.0.http.writes()
    }

    /// How many there were, forgotten ones too.
    #[must_use]
    pub fn written(&self) -> usize {
        self.0.http.server().journal().count()
    }

    /// Those after the first so many, as far as they are remembered.
    #[must_use]
    pub fn writes_since(&self, count: usize) -> Vec<Write> {
        self.0.http.server().journal().since(count)
    }

    /// How many objects there are.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.0.http.server().store().len()
    }

    /// Forgets all history: watches that start in the past are answered with 410.
    pub fn compact(&self) {
        self.0.http.server().store().compact();
    }

    /// Ends its actors and watches.
    pub async fn stop(&self) {
        self.0.faults.cut_watches();
        self.0.tasks.stop().await;
    }

    fn admin_token(&self) -> String {
        let subject = Subject::User {
            name: ADMIN.to_owned(),
            groups: vec!["system:authenticated".to_owned()],
        };
        let access = self.0.http.server().access();
        access.issue(&subject, &[], ADMIN_TOKEN).text
    }
}

/// A cluster that can be reached over loopback, until this is dropped or stopped.
#[derive(Debug)]
pub struct Listening {
    listening: listen::Listening,
    kubeconfig: String,
}

impl Listening {
    /// `https://127.0.0.1:40123`
    #[must_use]
    pub fn url(&self) -> String {
        self.listening.url()
    }

    /// The administrator's.
    #[must_use]
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// Accepts nothing more and closes what is open.
    pub async fn stop(self) {
        self.listening.stop().await;
    }
}

async fn answer(http: &Http, faults: &Faults, request: Request<Bytes>) -> Result<Response<Body>, BoxError> {
    let headers = request.headers().clone();
    let user = move || bearer_of(&headers);
    faults
        .around(&user, request, |request| http.answer(request))
        .await
}

/// Who a token says he is, for faults that are about somebody: the server itself asks for more.
fn bearer_of(headers: &HeaderMap) -> String {
    use base64::Engine as _;
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let claims = token
        .and_then(|token| token.split('.').nth(1))
        .and_then(|claims| {
            base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(claims)
                .ok()
        })
        .and_then(|claims| serde_json::from_slice::<Value>(&claims).ok());
    claims
        .and_then(|claims| claims["sub"].as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// What is there from the beginning.
fn make(server: &Server, object: &Value) {
    let kind = object["kind"].as_str().unwrap_or_default();
    let group = object["apiVersion"]
        .as_str()
        .and_then(|version| version.split_once('/'))
        .map_or("", |(group, _)| group);
    let kinds = server.kinds();
    let target = kinds.kind(group, kind).and_then(|resource| {
        let metadata = &object["metadata"];
        let [namespace, name] =
            ["namespace", "name"].map(|field| metadata[field].as_str().unwrap_or_default());
        server.target(group, &resource.plural, namespace, name)
    });
    let made = target.map(|target| server.create(&Writer::controller("bootstrap"), &target, object.clone()));
    debug_assert!(matches!(made, Some(Ok(_))), "{kind}: {made:?}");
}

fn administrator() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "sandbox:admin"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": ADMIN}],
    })
}
