//! Taking a member over from another hub, or from a copy of this one: its claim is rewritten, by its owner.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ListParams};

use super::{
    Claim, JoinError, Joiner,
    join_error::{hub, member},
    ownership::{Claiming, read_claim, write_claim},
};
use crate::model::{api::Cluster, mark};

/// Rewrites the claim of a member. The other hub stops writing there when it next reads the claim.
pub async fn takeover(joiner: &Joiner<'_>, mut report: impl FnMut(&str)) -> Result<Claim, JoinError> {
    report("looking at the hub API and the member");
    let claim = read_claim(joiner.hub).await?;
    Api::<Cluster>::all(joiner.hub.clone())
        .list(&ListParams::default().limit(1))
        .await
        .map_err(hub("list clusters"))?;
    let namespace: Option<Namespace> = Api::all(joiner.member.clone())
        .get_opt(mark::SYSTEM_NAMESPACE)
        .await
        .map_err(member("read namespace hanse-system"))?;
    if namespace.is_none() {
        return Err(JoinError::NotJoined {
            name: joiner.name.clone(),
        });
    }
    report("rewriting the claim");
    write_claim(joiner.member, &claim, Claiming::Always).await?;
    Ok(claim)
}
