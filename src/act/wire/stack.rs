//! The client stack of one API server: connections, time limits, identity, gate.
//!
//! One set of connections serves all identities; a `kube::Client` per identity is only a header in front of
//! it. Watches have connections of their own, at most [`WATCHES_PER_CONNECTION`] on one: an API server takes
//! 100 streams on an HTTP/2 connection, and the next one waits silently.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt},
};
use parking_lot::Mutex;
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use super::{
    Error,
    gate::{Gate, GateLayer},
    identity::{ActAs, impersonate},
    resolve::Resolver,
};

/// The body of an answer, whatever transport brought it.
pub type ResponseBody = UnsyncBoxBody<hyper::body::Bytes, BoxError>;
/// An API server as a service: over sockets, or in this process.
pub type HttpService = BoxCloneSyncService<Request<Body>, Response<ResponseBody>, BoxError>;

const WATCHES_PER_CONNECTION: usize = 60;
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(4);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Everything the hub needs to talk to one API server. Cheap to clone.
#[derive(Clone)]
pub struct Stack(Arc<Inner>);

struct Inner {
    gate: Gate,
    /// Makes one more connection pool.
    connect: Box<dyn Fn() -> Result<HttpService, Error> + Send + Sync>,
    requests: HttpService,
    probe: HttpService,
    watches: Mutex<Vec<(HttpService, Arc<AtomicUsize>)>>,
    own: Client,
    by_identity: DashMap<ActAs, Client>,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack")
            .field("gate", &self.0.gate)
            .finish_non_exhaustive()
    }
}

impl Stack {
    /// A stack over sockets. Fails if the TLS material or the authentication of `config` can't be used.
    pub fn connect(config: &Config, gate: Gate) -> Result<Self, Error> {
        let config = config.clone();
        Self::new(gate, move || hyper_service(&config))
    }

    /// A stack over a service in this process.
    pub fn in_process(service: &HttpService, gate: Gate) -> Result<Self, Error> {
        let service = service.clone();
        Self::new(gate, move || Ok(service.clone()))
    }

    fn new(
        gate: Gate,
        connect: impl Fn() -> Result<HttpService, Error> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let requests = gated(&gate, connect()?);
        let probe = gated(&gate, connect()?);
        let own = Client::new(requests.clone(), "default");
        Ok(Self(Arc::new(Inner {
            gate,
            connect: Box::new(connect),
            requests,
            probe,
            watches: Mutex::default(),
            own,
            by_identity: DashMap::new(),
        })))
    }

    /// A client with the stack's own credential.
    #[must_use]
    pub fn client(&self) -> Client {
        self.0.own.clone()
    }

    /// A client that acts as `identity`, on the same connections.
    pub fn acting_as(&self, identity: &ActAs) -> Result<Client, Error> {
        if let Some(client) = self.0.by_identity.get(identity) {
            return Ok(client.clone());
        }
        let client = as_identity(self.0.requests.clone(), Some(identity))?;
        self.0.by_identity.insert(identity.clone(), client.clone());
        Ok(client)
    }

    /// A client on a connection of its own, for probes: a stalled burst of writes must not look like a dead member.
    #[must_use]
    pub fn probe(&self) -> Client {
        Client::new(self.0.probe.clone(), "default")
    }

    /// A client for one watch, on a connection with room. Hold the seat as long as the watch lives.
    pub fn watching(&self, identity: Option<&ActAs>) -> Result<(Client, Seat), Error> {
        let mut pools = self.0.watches.lock();
        let free = pools
            .iter()
            .position(|(_, taken)| taken.load(Ordering::Relaxed) < WATCHES_PER_CONNECTION);
        let index = if let Some(index) = free {
            index
        } else {
            pools.push((gated(&self.0.gate, (self.0.connect)()?), Arc::default()));
            pools.len() - 1
        };
        let (service, taken) = &pools[index];
        let seat = Seat::take(taken);
        Ok((as_identity(service.clone(), identity)?, seat))
    }

    /// Whether writes may start.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }
}

fn gated(gate: &Gate, service: HttpService) -> HttpService {
    BoxCloneSyncService::new(GateLayer(gate.clone()).layer(service))
}

/// A place among the watches of one connection, given back when dropped.
#[derive(Debug)]
pub struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(taken: &Arc<AtomicUsize>) -> Self {
        taken.fetch_add(1, Ordering::Relaxed);
        Self(taken.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn as_identity(service: HttpService, identity: Option<&ActAs>) -> Result<Client, Error> {
    let Some(identity) = identity else {
        return Ok(Client::new(service, "default"));
    };
    let header = identity.header()?;
    let service = ServiceBuilder::new()
        .map_request(move |request| impersonate(request, &header))
        .service(service);
    Ok(Client::new(service, "default"))
}

/// A connection pool with sockets of its own.
fn hyper_service(config: &Config) -> Result<HttpService, Error> {
    let prepare = |source| Error::Connect {
        source: Box::new(source),
    };
    let tls = config.rustls_client_config().map_err(prepare)?;
    let auth = config.auth_layer().map_err(prepare)?;
    let mut tcp = HttpConnector::new_with_resolver(Resolver::new());
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let builder = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    let builder = match config
        .tls_server_name
        .as_deref()
        .map(rustls::pki_types::ServerName::try_from)
    {
        Some(Ok(name)) => {
            builder.with_server_name_resolver(hyper_rustls::FixedServerNameResolver::new(name.to_owned()))
        }
        _ => builder,
    };
    let connector = builder.enable_all_versions().wrap_connector(tcp);
    let hyper: HyperClient<_, Body> = HyperClient::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .http2_keep_alive_while_idle(true)
        .build(connector);
    let hyper = hyper
        .map_response(|response: Response<hyper::body::Incoming>| {
            response.map(|body| body.map_err(BoxError::from).boxed_unsync())
        })
        .map_err(BoxError::from);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(auth)
        .map_err(BoxError::from)
        .service(hyper);
    Ok(BoxCloneSyncService::new(service))
}
