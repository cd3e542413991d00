//! The hub ends and starts again, and everything is as it should be: it has only to find that out.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failed;
use crate::fleet::Large;

const ENDS_WITHIN: Duration = Duration::from_secs(30);
const WITHIN: Duration = Duration::from_mins(15);

/// What one restart took.
#[derive(Clone, Debug)]
pub(crate) struct Restart {
    /// From the start of the process until `/readyz` says so.
    pub(crate) ready: Duration,
    /// Until it has looked at everything: from then on it takes no more CPU than at rest.
    pub(crate) through: Duration,
    /// But Leases and tokens.
    pub(crate) writes: usize,
    /// Up to then.
    pub(crate) cpu: Duration,
    pub(crate) resident: u64,
    /// The highest.
    pub(crate) peak: u64,
}

pub(crate) async fn run(large: &mut Large) -> Result<Restart, Failed> {
    large.serve.terminate(ENDS_WITHIN).await?;
    let counts = large.counts();
    let started = Instant::now();
    large.serve.restart().await?;
    let ready = loop {
        if is_ready(large.serve.address()).await {
            break started.elapsed();
        }
        if started.elapsed() > WITHIN {
            return Err(format!("not ready after {WITHIN:?}\n{}", large.serve.last_words()).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    eprintln!("ready after {ready:.1?}");
    let through = large.quiet(WITHIN).await?.duration_since(started);
    let written = large.writes_since(&counts);
    for (cluster, write) in written.iter().take(5) {
        eprintln!("written to {cluster}: {write:?}");
    }
    let usage = large.serve.usage();
    Ok(Restart {
        ready,
        through: through.max(ready),
        writes: written.len(),
        cpu: usage.cpu,
        resident: usage.memory,
        peak: peak(large.serve.pid()),
    })
}

async fn is_ready(address: &str) -> bool {
    let ask = async {
        let mut socket = TcpStream::connect(address).await?;
        socket
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    ask.await.unwrap_or(false)
}

/// `VmHWM`, in bytes.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
