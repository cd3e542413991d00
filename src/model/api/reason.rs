//! The types and reasons of all conditions, in one place: people and alerts match on them.
//!
//! `docs/reference/reasons.md` is generated from here.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[doc = $word_doc:literal])+ $word:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $word_doc])+ $word,)*
        }

        impl $name {
            /// All of them, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$word,)*];

            /// As it stands in the condition.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word),)*
                }
            }

            /// What it means, for people.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$word => concat!($($word_doc),+).trim_ascii(),)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// What a condition is about.
    ConditionType {
        /// Cluster: objects can be placed there now, Unknown when it was not heard of. Tenant: its namespaces and rights are in place in every member it may use. Policy, `KindRule`: it is in force.
        Ready,
        /// Cluster: the last probe was answered.
        Reachable,
        /// Cluster: some node of it is ready. Absent until none was; Unknown while the member does not answer.
        NodesReady,
        /// Cluster: what `hub join` made in the member is there and new enough.
        Joined,
        /// Cluster: the hub writes nothing there until a person has decided.
        Held,
        /// Cluster: a namespace that the hub made and nobody needs any more stays, since the hub can't tell whether it is empty.
        NamespacesKept,
        /// `WorkloadBinding`: members were decided for.
        Scheduled,
        /// `WorkloadBinding`: every member decided for holds what the template says.
        Applied,
        /// `WorkloadBinding`: it serves in every member decided for.
        Available,
        /// `WorkloadBinding`: a change is on its way in some member.
        Progressing,
        /// `WorkloadBinding`: somebody edited it in a member, and that is not repaired yet.
        Drifted,
    }
}

words! {
    /// Why a condition is what it is.
    Reason {
        /// All is as it should be.
        AsDesired,
        /// The hub has not come to it yet.
        Pending,
        /// The member answers its probes.
        ProbeSucceeded,
        /// The last probe of the member failed; one more and it counts as unreachable.
        ProbeFailed,
        /// The member has not answered two probes in a row: what is known of it is old.
        Unreachable,
        /// The member answers, and none of its nodes is ready: nothing runs there for sure.
        NoNodeReady,
        /// The hub is connecting to the member.
        Connecting,
        /// The Secret named by spec.connection is missing or holds no usable kubeconfig.
        CredentialInvalid,
        /// The hub's token in the member has expired; run hub join --refresh.
        CredentialExpired,
        /// The member's certificate is not signed by the authority in its kubeconfig, not for its address, or expired; `hub join --refresh` brings another authority.
        CertificateInvalid,
        /// The namespace kube-system of the member has another uid than before: it is another cluster.
        ClusterIdentityChanged,
        /// Another Cluster object already names the same member.
        DuplicateCluster,
        /// The Lease hanse-system/hub-claim of the member names another hub; run hub takeover.
        ClaimedByAnotherHub,
        /// The member has no hub-claim of this hub; run hub join.
        NotJoined,
        /// What hub join made in the member is older than this hub needs; run hub join --refresh.
        JoinOutdated,
        /// The Cluster is being deleted and its objects are being removed.
        Leaving,
        /// A namespace of that name in the member is not ours and does not carry hanse.dev/adopt with the tenant's name.
        NamespaceNotOurs,
        /// Two tenants name the same namespace; the older one has it.
        NamespaceClaimed,
        /// The namespace is being deleted.
        NamespaceTerminating,
        /// No member matches the selectors of the policy and the tenant.
        NoMatchingCluster,
        /// Members were decided for.
        Decided,
        /// Not everything has a place: replicas wait for room, or the spread that the policy asks for cannot be kept.
        Unschedulable,
        /// The policy divides replicas, and nothing says where this custom kind has their number; or the template is a Bundle, which is copied whole.
        ReplicasUnknown,
        /// The policy that governed the template is gone; its objects stay as they are.
        PolicyGone,
        /// The policy asks for something that cannot be evaluated, such as an expression that fails.
        PolicyInvalid,
        /// The template is gone and its objects are being removed.
        TemplateGone,
        /// No Tenant names the namespace of the template.
        TenantUnknown,
        /// No policy and no other binding wants it in the member any more.
        NotSelected,
        /// The kind may not be propagated for a tenant, or not at all.
        KindRefused,
        /// The Bundle holds a manifest that can't be propagated; what members have of it stays as it is.
        BundleInvalid,
        /// The member does not serve the kind.
        KindUnknown,
        /// The hub may not list objects of a kind in the member; the message has the `ClusterRole` to create.
        KindUnreadable,
        /// The member refused the object, or does not know a field that the template sets.
        InvalidForMember,
        /// The member's policy or quota refused the object.
        Refused,
        /// An override can't be made of the object for that member, such as a patch of a field that is not there; what the member had stays as it is.
        OverrideFailed,
        /// The tenant's identity has no right to it in the member; the message has the `ClusterRole` to create.
        Forbidden,
        /// The policy says suspend: nothing is decided anew, or nothing is written to the member, until that ends.
        Suspended,
        /// The change is of a field that can't change in an object that is there; the message has the field and what helps.
        ImmutableField,
        /// Something that the workload names and can't start without is neither at the hub nor in the member; it waits.
        DependencyMissing,
        /// An object of that name that is not ours is in the way, or another binding writes the same object.
        Conflict,
        /// Every member decided for holds what the template says.
        Applied,
        /// At least one member does not hold it yet.
        Applying,
        /// The write failed and is tried again.
        ApplyFailed,
        /// It serves in every member.
        Available,
        /// It does not serve in every member yet.
        Progressing,
        /// It fails in at least one member.
        Degraded,
        /// A `KindRule` could not tell how it does; the message says why.
        HealthUnknown,
        /// At least one member was not heard of, so how it does there is not known.
        ClusterUnreachable,
        /// At least one member is held and gets no writes.
        ClusterHeld,
        /// A propagated object was edited or deleted in a member.
        Drifted,
        /// Part of the `KindRule` does not compile or points nowhere; the rest is in force.
        RuleInvalid,
        /// The `KindRule` is in force and failed on at least one object.
        RuleFailed,
        /// An older `KindRule` is about the same kind; that one is in force.
        RuleSuperseded,
        /// The hub API refuses the sums that the `KindRule` asks for; the message says what to do.
        SumRefused,
    }
}

words! {
    /// Why an event was written. Events regard the template, in its namespace, or a Cluster, in `default`.
    EventReason {
        /// Somebody changed or deleted a propagated object in a member; it is as the template says again.
        DriftCorrected,
        /// Somebody changed or deleted a propagated object in a member; it is left so, as the policy says.
        DriftReported,
        /// An object of somebody else in a member was taken over, as the policy says; the message has what changed in it.
        Adopted,
        /// A field that can't change did: the object was deleted in a member to be made again, as its template's annotation allows.
        Recreated,
        /// A Cluster is not Ready, or for another reason than before; the message says what to do.
        ClusterNotReady,
        /// A Cluster is Ready again.
        ClusterReady,
        /// The object is selected by a policy and can't be propagated, such as one over 1 MiB.
        TemplateRefused,
    }
}

/// The reference page `docs/reference/reasons.md`.
#[cfg(test)]
pub(super) fn reference() -> String {
    use std::fmt::Write as _;

    let mut page = String::from(
        "# Conditions and reasons\n\n<!-- Generated from src/model/api/reason.rs by `make crds`; not edited by hand. -->\n\n\
         ## Condition types\n\n| type | meaning |\n|---|---|\n",
    );
    for type_ in ConditionType::ALL {
        let _ = writeln!(page, "| `{type_}` | {} |", type_.meaning());
    }
    page.push_str("\n## Reasons\n\n| reason | meaning |\n|---|---|\n");
    for reason in Reason::ALL {
        let _ = writeln!(page, "| `{reason}` | {} |", reason.meaning());
    }
    page.push_str("\n## Events\n\n| reason | meaning |\n|---|---|\n");
    for reason in EventReason::ALL {
        let _ = writeln!(page, "| `{reason}` | {} |", reason.meaning());
    }
    page
}
