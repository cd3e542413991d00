//! How API servers are reached: over sockets, or in this process.

use std::{fmt, sync::Arc};

use kube::{Config, client::ConfigExt as _};
use tower::{BoxError, ServiceBuilder, ServiceExt as _, util::BoxCloneSyncService};

use super::{Error, Gate, HttpService, Stack};

/// Makes the connections for a client configuration. Cheap to clone.
#[derive(Clone)]
pub struct Dial(Way);

#[derive(Clone)]
enum Way {
    Sockets,
    InProcess(Find),
}

/// The service of a host.
type Find = Arc<dyn Fn(&str) -> Option<HttpService> + Send + Sync>;

impl Dial {
    /// Over sockets.
    #[must_use]
    pub fn sockets() -> Self {
        Self(Way::Sockets)
    }

    /// To services of this process, by the host of the server's address; they see the credential that the
    /// configuration has. Hosts that are not known fail like a name that does not resolve.
    pub fn in_process(find: impl Fn(&str) -> Option<HttpService> + Send + Sync + 'static) -> Self {
        Self(Way::InProcess(Arc::new(find)))
    }

    /// The stack of one API server.
    pub fn stack(&self, config: &Config, gate: Gate) -> Result<Stack, Error> {
        let Way::InProcess(find) = &self.0 else {
            return Stack::connect(config, gate);
        };
        let host = config.cluster_url.host().unwrap_or_default();
        let auth = config.auth_layer().map_err(|source| Error::Connect {
            source: Box::new(source),
        })?;
        let service = find(host).ok_or_else(|| Error::NoSuchHost {
            host: host.to_owned(),
        })?;
        let service = ServiceBuilder::new()
            .option_layer(auth)
            .map_err(BoxError::from)
            .service(service);
        Stack::in_process(&BoxCloneSyncService::new(service.map_err(BoxError::from)), gate)
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Way::Sockets => "Dial(sockets)",
            Way::InProcess(_) => "Dial(in process)",
        })
    }
}
