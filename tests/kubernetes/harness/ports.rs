//! Free ports on the loopback interface.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Error;

/// Below the range from which the kernel gives ports to outgoing connections: a server that is killed and started
/// again on its port must not find it taken by some client in between.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port on which nothing listens. Each port is given once in this process, and processes begin at different places.
pub(super) fn free() -> Result<u16, Error> {
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        if let Ok(port) = u16::try_from(port)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            return Ok(port);
        }
    }
    Err(Error::NoFreePort)
}
