//! A member that stops answering: how long until its Cluster says so.

use std::time::{Duration, Instant};

use crate::Failed;
use crate::fleet::{Large, is_ready};

const WITHIN: Duration = Duration::from_mins(2);

pub(crate) async fn run(large: &Large, times: usize) -> Result<Vec<Duration>, Failed> {
    let mut took = Vec::new();
    for (member, _) in large.members.iter().cycle().zip(0..times) {
        let frozen = Instant::now();
        member.faults().freeze();
        until(large, member.name(), false, frozen).await?;
        took.push(frozen.elapsed());
        member.faults().thaw();
        until(large, member.name(), true, Instant::now()).await?;
        large.quiet(WITHIN).await?;
    }
    took.sort();
    eprintln!("a lost member is noticed after {took:.1?}");
    Ok(took)
}

async fn until(large: &Large, name: &str, ready: bool, since: Instant) -> Result<(), Failed> {
    let clusters = large.clusters();
    while is_ready(&clusters.get(name).await?) != ready {
        if since.elapsed() > WITHIN {
            return Err(format!("{name} is not yet Ready={ready} after {WITHIN:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
