//! Which hub API, as whom, in which namespace.

use std::time::Duration;

use http::Request;
use kube::{
    Client, Config,
    client::{Body, retry::RetryPolicy},
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use tower::{BoxError, ServiceBuilder, retry::RetryLayer, service_fn};

use super::{args::Global, failure::Failure};
use crate::{
    act::wire::{Gate, Stack},
    model::{clock::Clock, manifest::Code, name::NamespaceName},
};

/// The hub API as the person who typed the command reaches it.
pub(super) struct Hub {
    pub(super) client: Client,
    /// From `-n`, else the context's.
    pub(super) namespace: NamespaceName,
    /// Whether `-n` was given.
    pub(super) chosen: bool,
    /// What ages are reckoned by.
    pub(super) clock: Clock,
}

impl Hub {
    /// One that is reached with a client there is already.
    pub(super) fn of(client: &Client, namespace: NamespaceName, chosen: bool, clock: &Clock) -> Self {
        Self {
            client: patient(client),
            namespace,
            chosen,
            clock: clock.clone(),
        }
    }

    pub(super) async fn connect(global: &Global) -> Result<Self, Failure> {
        let config = config(global, Prefer::Kubeconfig).await?;
        let namespace = match &global.namespace {
            Some(name) => namespace(name)?,
            None => namespace(&config.default_namespace)?,
        };
        let stack = Stack::connect(&config, Gate::always_open())?;
        Ok(Self {
            client: patient(&stack.client()),
            namespace,
            chosen: global.namespace.is_some(),
            clock: Clock::system(),
        })
    }
}

/// A client that tries again when the server asks for it: 429 while a kind has only just been defined, 503 while a
/// server starts. A person should not have to type the same command twice for that.
pub(super) fn patient(client: &Client) -> Client {
    let Ok(policy) = RetryPolicy::new(Duration::from_millis(250), Duration::from_secs(2), 5, true) else {
        return client.clone();
    };
    let plain = client.clone();
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(policy))
        .service(service_fn(move |request: Request<Body>| {
            let plain = plain.clone();
            async move { plain.send(request).await.map_err(BoxError::from) }
        }));
    Client::new(service, "default")
}

fn namespace(name: &str) -> Result<NamespaceName, Failure> {
    name.parse().map_err(|error| {
        Failure::usage(format!("{name:?} is no name for a namespace: {error}")).with_hint(
            "a namespace has 1 to 63 of a-z, 0-9 and -, and begins and ends with a letter or digit",
        )
    })
}

/// What is used when `--kubeconfig` is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefer {
    /// A person's: `$KUBECONFIG`, then the cluster this runs in.
    Kubeconfig,
    /// A server's: the cluster this runs in, then `$KUBECONFIG`.
    InCluster,
}

/// The configuration of the hub API's client.
pub(super) async fn config(global: &Global, prefer: Prefer) -> Result<Config, Failure> {
    let named = global.kubeconfig.is_some() || global.context.is_some();
    if prefer == Prefer::InCluster
        && !named
        && let Ok(config) = Config::incluster()
    {
        return Ok(config);
    }
    let options = KubeConfigOptions {
        context: global.context.clone(),
        ..KubeConfigOptions::default()
    };
    let found = match &global.kubeconfig {
        Some(path) => match Kubeconfig::read_from(path) {
            Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await,
            Err(error) => Err(error),
        },
        None => Config::from_kubeconfig(&options).await,
    };
    match found {
        Ok(config) => Ok(config),
        Err(_) if !named && let Ok(config) = Config::incluster() => Ok(config),
        Err(error) => {
            let file = global.kubeconfig.as_ref().map_or_else(
                || std::env::var("KUBECONFIG").unwrap_or_else(|_| "~/.kube/config".to_owned()),
                |path| path.display().to_string(),
            );
            Err(Failure::new(
                Code::KUBECONFIG_UNREADABLE,
                format!("failed to use the kubeconfig {file} of the hub API: {}", without_quotes(&error)),
            )
            .with_hint("name the kubeconfig of the hub API with --kubeconfig, its context with --context, or set KUBECONFIG"))
        }
    }
}

/// The parser's words may show a piece of the text, and that holds credentials.
fn without_quotes(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(_) => "it is not YAML, or not a kubeconfig".to_owned(),
        KubeconfigError::ReadConfig(source, _) => source.to_string(),
        KubeconfigError::CurrentContextNotSet => "it has no current context".to_owned(),
        KubeconfigError::LoadContext(name) => format!("it has no context {name:?}"),
        KubeconfigError::FindPath => "there is no such file".to_owned(),
        other => other.to_string(),
    }
}
