//! Objects that somebody changes in a member: how long until they are as their template says.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::Failed;
use crate::fill::name;
use crate::fleet::{Large, namespace_of};

const AT_ONCE: usize = 8;
const WITHIN: Duration = Duration::from_mins(1);

pub(crate) async fn run(large: &Large, times: usize) -> Result<Vec<Duration>, Failed> {
    let mut took: Vec<Duration> = stream::iter(0..times)
        .map(async |number| -> Result<Duration, Failed> {
            let member = &large.members[number % large.members.len()];
            let maps: Api<ConfigMap> = Api::namespaced(member.unfaulted(), &namespace_of(member));
            let (name, theirs) = (name(number), json!({"data": {"number": "theirs"}}));
            let editor = PatchParams {
                field_manager: Some("kubectl-edit".to_owned()),
                ..PatchParams::default()
            };
            let changed = Instant::now();
            maps.patch(&name, &editor, &Patch::Merge(&theirs)).await?;
            loop {
                let data = maps.get(&name).await?.data.unwrap_or_default();
                if data.get("number").is_some_and(|text| *text == number.to_string()) {
                    return Ok(changed.elapsed());
                }
                if changed.elapsed() > WITHIN {
                    return Err(format!("{name} in {} is not repaired", member.name()).into());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    took.sort();
    // Conditions and events of it trail: they are not the next pass's.
    large.quiet(WITHIN * 5).await?;
    Ok(took)
}
