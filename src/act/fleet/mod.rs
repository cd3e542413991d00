//! Members: join, connect, probe, watch, discovery, facts.

mod claim;
mod credential;
mod error;
mod footprint;
mod join;
mod kubeconfig;
mod leave;
mod takeover;

pub use claim::Claim;
pub use credential::{TOKEN_EXPIRES, TOKEN_LIFETIME, secret_name};
pub use error::Error;
pub use footprint::JOIN_VERSION;
pub use join::{JoinError, Joined, Joiner, Wishes, hub_user, join, read_claim};
pub use kubeconfig::{ALLOW, Allow, vet_kubeconfig};
pub use leave::{Drain, drain, footprint_commands, forget, forget_secret, remove_footprint};
pub use takeover::takeover;
