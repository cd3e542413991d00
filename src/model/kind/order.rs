//! What comes before what, within one member.

use crate::model::name::GroupKind;

/// Where objects of a kind stand in the order of applying; they are taken away in the opposite order. Nothing waits for
/// what comes before it: everything is tried again until it fits, and the order only spares tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Where others are, and what kinds there are.
    Ground,
    /// As whom they run.
    Identity,
    /// What they read.
    Configuration,
    /// Where they write.
    Storage,
    /// How they are found: a pod sees in its environment the Services that were there before it.
    Discovery,
    /// What runs, and every kind that nothing is known of.
    Workload,
    /// What acts on workloads, or leads to them.
    Attachment,
}

impl Stage {
    /// The last one.
    pub const LAST: Self = Self::Attachment;

    /// Where the kind stands.
    #[must_use]
    pub fn of(kind: &GroupKind) -> Self {
        match (&*kind.group, &*kind.kind) {
            ("", "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::Ground,
            ("", "ServiceAccount") | ("rbac.authorization.k8s.io", _) => Self::Identity,
            ("", "ConfigMap" | "Secret") => Self::Configuration,
            ("", "PersistentVolumeClaim" | "PersistentVolume") | ("storage.k8s.io", _) => Self::Storage,
            ("", "Service") => Self::Discovery,
            ("autoscaling" | "policy" | "networking.k8s.io" | "gateway.networking.k8s.io" | "keda.sh", _) => {
                Self::Attachment
            }
            _ => Self::Workload,
        }
    }

    /// As a number that grows with the order of applying.
    #[must_use]
    pub fn index(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_before_them() {
        let kinds = [
            ("", "Namespace"),
            ("", "ServiceAccount"),
            ("", "Secret"),
            ("", "PersistentVolumeClaim"),
            ("", "Service"),
            ("apps", "StatefulSet"),
            ("autoscaling", "HorizontalPodAutoscaler"),
        ];
        let stages = kinds.map(|(group, kind)| Stage::of(&GroupKind::new(group, kind)));
        assert!(stages.is_sorted_by(|one, next| one < next), "{stages:?}");
        assert_eq!(
            Stage::of(&GroupKind::new("example.dev", "Widget")),
            Stage::Workload
        );
        assert_eq!(Stage::LAST, stages[6]);
    }
}
