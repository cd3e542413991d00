//! The claim: the Lease `hanse-system/hub-claim` in a member, which says whose member it is (PROTOCOL §1.5).
//!
//! It is written by `hub join` and `hub takeover` with the member owner's credential, never renewed, and only
//! read by the hub. Two hubs, or a hub and its restored copy, differ in one of its two parts.

use std::fmt;

use crate::model::fleet::Held;

/// Who a hub is, as members remember it: the holder of the claim is `<hub id>/<hub API uid>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// From ConfigMap `hanse-system/hub-identity`; travels with a backup of the hub API.
    pub hub: String,
    /// uid of the hub API's namespace kube-system; stays behind when a backup is restored elsewhere.
    pub api: String,
}

impl Claim {
    /// Reads `spec.holderIdentity`.
    #[must_use]
    pub fn parse(holder: &str) -> Option<Self> {
        let (hub, api) = holder.split_once('/')?;
        (!hub.is_empty() && !api.is_empty() && !api.contains('/')).then(|| Self {
            hub: hub.to_owned(),
            api: api.to_owned(),
        })
    }

    /// The field manager of this hub in members and on the hub API: `hanse-<first 8 of hub id>`.
    #[must_use]
    pub fn manager(&self) -> String {
        format!("hanse-{}", self.hub.get(..8).unwrap_or(&self.hub))
    }

    /// What a member with this holder in its claim means to this hub: `None` when it is ours.
    #[must_use]
    pub fn judge(&self, holder: Option<&str>) -> Option<Held> {
        match holder {
            None | Some("") => Some(Held::Unclaimed),
            Some(holder) if Self::parse(holder).as_ref() == Some(self) => None,
            Some(holder) => Some(Held::Claimed {
                by: holder.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.hub, self.api)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::ours(Some("h1/a1"), None)]
    #[case::another_hub(Some("h2/a1"), Some(Held::Claimed { by: "h2/a1".into() }))]
    #[case::a_restored_copy(Some("h1/a2"), Some(Held::Claimed { by: "h1/a2".into() }))]
    #[case::not_a_claim(Some("h1"), Some(Held::Claimed { by: "h1".into() }))]
    #[case::never_joined(None, Some(Held::Unclaimed))]
    fn a_member_is_held_unless_its_claim_is_exactly_ours(
        #[case] holder: Option<&str>,
        #[case] held: Option<Held>,
    ) {
        let ours = Claim {
            hub: "h1".into(),
            api: "a1".into(),
        };
        assert_eq!(ours.judge(holder), held);
        assert_eq!(Claim::parse(&ours.to_string()), Some(ours));
    }
}
