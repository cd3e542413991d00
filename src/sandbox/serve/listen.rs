//! Listening on a real address, for `kubectl` and other programs: the sandbox's only sockets.
//!
//! TLS with an authority of its own, HTTP/1.1 and HTTP/2 as the client likes. Who somebody is, tokens tell; client
//! certificates are not asked for. Connections are not upgraded: no `exec`, no `port-forward`.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Bytes, Incoming};
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::BoxError;

use crate::sandbox::task::Tasks;

/// How long a client may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long requests in flight may take to end when the listener stops. Watches never end by themselves.
const GRACE: Duration = Duration::from_millis(500);

/// As the API server of 1.37: a client with more watches than this needs a second connection.
const STREAMS: u32 = 100;

/// Why nothing listens.
#[derive(Debug, Error)]
pub enum Error {
    /// Choose another port, or 0 for any that is free.
    #[error("failed to listen on {address}: the port is in use")]
    PortInUse { address: SocketAddr },
    #[error("failed to listen on {address}")]
    Bind {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("failed to make a certificate for {address}")]
    Certificate {
        address: SocketAddr,
        #[source]
        source: rcgen::Error,
    },
    #[error("failed to set up TLS for {address}")]
    Tls {
        address: SocketAddr,
        #[source]
        source: rustls::Error,
    },
}

/// A server that listens until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    address: SocketAddr,
    ca_pem: String,
    closing: CancellationToken,
    /// Closed when the last connection has ended.
    connections: mpsc::Receiver<Infallible>,
    tasks: Tasks,
}

impl Listening {
    /// Where: with the port that was found when port 0 was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://127.0.0.1:40123`
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate, in PEM, that clients must trust.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Accepts nothing more, lets requests in flight end for a moment, and closes what is left.
    pub(crate) async fn stop(mut self) {
        self.closing.cancel();
        // An error means that some are still open: watches.
        let _ended = tokio::time::timeout(GRACE, self.connections.recv()).await;
        self.tasks.stop().await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.tasks.cancel();
    }
}

/// Serves on an address with TLS. Must be called inside a runtime. What the handler fails with ends the connection.
pub(crate) async fn listen<H, F, B>(handler: H, address: SocketAddr) -> Result<Listening, Error>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, BoxError>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => Error::PortInUse { address },
            _ => Error::Bind { address, source },
        })?;
    let address = listener
        .local_addr()
        .map_err(|source| Error::Bind { address, source })?;
    let (tls, ca_pem) = tls(address)?;
    let (open, connections) = mpsc::channel(1);
    let closing = CancellationToken::new();
    let tasks = Tasks::default();
    let accepting = Accepting {
        tls: TlsAcceptor::from(Arc::new(tls)),
        closing: closing.clone(),
        open,
        tasks: tasks.clone(),
    };
    tasks.spawn(accepting.run(listener, handler));
    Ok(Listening {
        address,
        ca_pem,
        closing,
        connections,
        tasks,
    })
}

/// What every connection needs.
#[derive(Clone)]
struct Accepting {
    tls: TlsAcceptor,
    closing: CancellationToken,
    /// Held by each open connection.
    open: mpsc::Sender<Infallible>,
    tasks: Tasks,
}

impl Accepting {
    async fn run<H, F, B>(self, listener: TcpListener, handler: H)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response<B>, BoxError>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        while let Some(accepted) = self.closing.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((socket, _)) => self.tasks.spawn(self.clone().connection(socket, handler.clone())),
                // Out of file descriptors, or the client has gone: neither is helped by hurry.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// One connection, to its end. What goes wrong with it is the client's to notice.
    async fn connection<H, F, B>(self, socket: TcpStream, handler: H)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response<B>, BoxError>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        // Small frames of watches must not wait for more.
        let _best_effort = socket.set_nodelay(true);
        let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, self.tls.accept(socket)).await else {
            return;
        };
        let service = service_fn(handler);
        let mut builder = auto::Builder::new(Spawn(self.tasks.clone()));
        builder.http2().max_concurrent_streams(STREAMS);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ended = connection.as_mut() => return,
            () = self.closing.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ended = connection.await;
    }
}

/// HTTP/2 needs a task for each stream.
#[derive(Debug, Clone)]
struct Spawn(Tasks);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawn {
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

/// A configuration with a certificate for an address, and the authority to trust.
fn tls(address: SocketAddr) -> Result<(ServerConfig, String), Error> {
    let (certificate, key, ca_pem) =
        certificate(address).map_err(|source| Error::Certificate { address, source })?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
        })
        .map_err(|source| Error::Tls { address, source })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, ca_pem))
}

fn certificate(address: SocketAddr) -> Result<(rcgen::Certificate, KeyPair, String), rcgen::Error> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority
        .distinguished_name
        .push(DnType::CommonName, "sandbox authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca_pem = authority.self_signed(&authority_key)?.pem();
    let key = KeyPair::generate()?;
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let ip = address.ip();
    if !ip.is_unspecified() && !names.contains(&ip.to_string()) {
        names.push(ip.to_string());
    }
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "sandbox API server");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &Issuer::new(authority, authority_key))?;
    Ok((certificate, key, ca_pem))
}

/// What `kubectl --kubeconfig` reads. `name` is how the cluster, its user and the context are called.
pub(crate) fn kubeconfig(name: &str, server: &str, ca_pem: &str, token: &str) -> String {
    use base64::Engine as _;
    let ca = base64::engine::general_purpose::STANDARD.encode(ca_pem);
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: {name}
  user:
    token: {token}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
current-context: {name}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn serving() -> Listening {
        let handler = |request: Request<Incoming>| async move {
            let version = format!("{:?} {}", request.version(), request.uri().path());
            Ok(Response::new(http_body_util::Full::new(Bytes::from(version))))
        };
        listen(handler, "127.0.0.1:0".parse().unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_client_that_trusts_the_authority_is_answered_over_http_2_and_a_stop_closes() {
        let listening = serving().await;
        let text = kubeconfig("a", &listening.url(), listening.ca_pem(), "secret");
        let config = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(config.current_context.as_deref(), Some("a"));
        let mut roots = rustls::RootCertStore::empty();
        let pem = rustls::pki_types::pem::PemObject::from_pem_slice(listening.ca_pem().as_bytes()).unwrap();
        roots.add(pem).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        for (http2, expected) in [(true, "HTTP/2.0 /livez"), (false, "HTTP/1.1 /livez")] {
            let connector = hyper_rustls::HttpsConnectorBuilder::new()
                .with_tls_config(tls.clone())
                .https_only();
            let connector = if http2 {
                connector.enable_all_versions().build()
            } else {
                connector.enable_http1().build()
            };
            let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
                .build::<_, http_body_util::Empty<Bytes>>(connector);
            let uri = format!("{}/livez", listening.url()).parse().unwrap();
            let answer = client.get(uri).await.unwrap();
            let body = http_body_util::BodyExt::collect(answer.into_body())
                .await
                .unwrap();
            assert_eq!(body.to_bytes(), expected);
        }
        let address = listening.address();
        listening.stop().await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_port_in_use_is_said_to_be_in_use() {
        let first = serving().await;
        let handler = |_| async { Ok(Response::new(http_body_util::Empty::<Bytes>::new())) };
        let error = listen(handler, first.address()).await.unwrap_err();
        let expected = format!("failed to listen on {}: the port is in use", first.address());
        assert_eq!(error.to_string(), expected);
    }
}
