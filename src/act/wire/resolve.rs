//! Names of API servers to addresses, at the moment of connecting: link-local ones are never connected to.
//!
//! They are where clouds keep their metadata services, which hand out credentials. A kubeconfig with such an address
//! is refused when it is read; of a name only the addresses that a connection is made to count, since it may mean
//! another one a moment later.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::{Service, ServiceExt};

/// Whether the address is link-local: `169.254.0.0/16` or `fe80::/10`, also the former written as IPv6.
#[must_use]
pub fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// The system's resolver, without link-local addresses.
#[derive(Debug, Clone)]
pub(super) struct Resolver(GaiResolver);

impl Resolver {
    pub(super) fn new() -> Self {
        Self(GaiResolver::new())
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(())) // the system's is asked for each name
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.0.clone();
        Box::pin(async move {
            let found = resolver.oneshot(name.clone()).await?;
            allowed(name.as_str(), found).map(Vec::into_iter)
        })
    }
}

/// The addresses that may be connected to; an error that says why when there were only others.
fn allowed(name: &str, found: impl Iterator<Item = SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    let (refused, allowed): (Vec<_>, Vec<_>) = found.partition(|address| is_link_local(address.ip()));
    match refused.first() {
        Some(first) if allowed.is_empty() => Err(io::Error::other(format!(
            "failed to connect: {name} is at the link-local address {}, where clouds keep their metadata",
            first.ip()
        ))),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain(&["10.0.0.1"], Some(1))]
    #[case::only_metadata(&["169.254.169.254"], None)]
    #[case::metadata_as_ipv6(&["::ffff:169.254.169.254", "fe80::1"], None)]
    #[case::one_of_two(&["169.254.169.254", "10.0.0.1"], Some(1))]
    #[case::none_at_all(&[], Some(0))]
    fn a_name_is_connected_to_only_at_addresses_that_are_not_link_local(
        #[case] found: &[&str],
        #[case] left: Option<usize>,
    ) {
        let addresses = found
            .iter()
            .map(|address| SocketAddr::new(address.parse().unwrap(), 443));
        assert_eq!(
            allowed("eu-1.example.dev", addresses)
                .ok()
                .map(|allowed| allowed.len()),
            left
        );
    }

    #[tokio::test]
    async fn the_systems_resolver_is_asked() {
        let name: Name = "localhost".parse().unwrap();
        let found = Resolver::new().oneshot(name).await.unwrap();
        assert!(found.into_iter().all(|address| address.ip().is_loopback()));
    }
}
