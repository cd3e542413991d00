//! What a value must satisfy beyond its type, in CEL: the API server refuses what breaks a rule.
//!
//! Every list and text that a rule walks is bounded in the schema, or the API server would refuse the whole
//! CRD for the cost that the rule *might* have.

/// One rule on the schema at `path`.
#[derive(Debug)]
pub(super) struct Rule {
    /// From the object down, items of lists as `[]`; empty for the object itself.
    pub(super) path: &'static str,
    /// True of what is accepted.
    pub(super) cel: &'static str,
    /// What the user reads otherwise.
    pub(super) message: &'static str,
}

const CLUSTER: &[Rule] = &[
    Rule {
        path: "",
        cel: "self.metadata.name.size() <= 57 && !self.metadata.name.contains('.')",
        message: "metadata.name of a Cluster has at most 57 characters and no dots: virtual nodes are named after it",
    },
    Rule {
        path: "spec.connection",
        cel: "[has(self.kubeconfigSecret), has(self.inCluster), has(self.agent)].filter(given, given).size() == 1",
        message: "exactly one of kubeconfigSecret, inCluster and agent says how the member is reached",
    },
];

const TENANT: &[Rule] = &[
    Rule {
        path: "",
        cel: "self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')",
        message: "metadata.name of a Tenant has at most 63 characters and no dots: it becomes the value of a label",
    },
    Rule {
        path: "",
        cel: "self.metadata.name != 'hanse-admin'",
        message: "hanse-admin stands for the administrators and cannot name a Tenant",
    },
    Rule {
        path: "spec.owners[]",
        cel: "self.kind == 'ServiceAccount' ? has(self.namespace) : !has(self.namespace)",
        message: "an owner of kind ServiceAccount needs a namespace; a User or Group has none",
    },
    Rule {
        path: "spec.namespaces[]",
        cel: "self != 'default' && !self.startsWith('kube-') && !self.startsWith('hanse-')",
        message: "default, kube-* and hanse-* belong to no tenant",
    },
];

/// Of every kind that selects templates.
const SELECTED_VERSION: Rule = Rule {
    path: "spec.resourceSelectors[].apiVersion",
    cel: "self == '*' || self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[a-z0-9]+$')",
    message: "apiVersion is group/version like apps/v1, a version like v1, or \"*\"",
};
const SELECTED_GROUP: Rule = Rule {
    path: "spec.resourceSelectors[]",
    cel: "!self.apiVersion.startsWith('hanse.dev/') || self.kind == 'Bundle'",
    message: "kinds of the hub are never propagated, but for Bundle",
};
const CHANGED_GROUP: Rule = Rule {
    path: "spec.resourceSelectors[].apiVersion",
    cel: "!self.startsWith('hanse.dev/')",
    message: "kinds of the hub are never propagated; what is in a Bundle is selected by its own kinds",
};
const SELECTED_KIND: Rule = Rule {
    path: "spec.resourceSelectors[].kind",
    cel: "self == '*' || self.matches('^[A-Za-z][-A-Za-z0-9]*$')",
    message: "kind is a kind like Deployment, or \"*\"",
};

const POLICY: &[Rule] = &[
    SELECTED_VERSION,
    SELECTED_GROUP,
    SELECTED_KIND,
    Rule {
        path: "spec.placement.tolerations[]",
        cel: "has(self.operator) && self.operator == 'Exists' ? !has(self.value) : has(self.key)",
        message: "a toleration with operator Exists has no value; with Equal it has a key",
    },
    Rule {
        path: "spec.placement.tolerations[]",
        cel: "!has(self.tolerationSeconds) || has(self.effect) && self.effect == 'NoExecute'",
        message: "tolerationSeconds goes with effect NoExecute",
    },
    Rule {
        path: "spec.failover.after",
        cel: "!self.matches('[0-9]{8}') && duration(self) > duration('0s') && duration(self) <= duration('8760h')",
        message: "failover.after is longer than 0s, as who is silent for a moment is not lost, and at most 8760h",
    },
    Rule {
        path: "spec.placement.spread[]",
        cel: "self.by in ['region', 'zone', 'provider', 'cluster'] || self.by.startsWith('label:')",
        message: "by is region, zone, provider, cluster or label:<key>",
    },
    Rule {
        path: "spec.placement.spread[]",
        cel: "!has(self.minGroups) || !has(self.maxGroups) || self.minGroups <= self.maxGroups",
        message: "minGroups is at most maxGroups",
    },
    Rule {
        path: "spec.placement.replicas",
        cel: "has(self.mode) && self.mode == 'Divided' || !has(self.divide) && !has(self.minPerCluster) && !has(self.maxPerCluster)",
        message: "divide, minPerCluster and maxPerCluster go with mode Divided only",
    },
    Rule {
        path: "spec.ignoreFields[].pointers[]",
        cel: "self.matches('^(/([^/~]|~[01])+)+$')",
        message: "a pointer is a JSON pointer (RFC 6901) like /spec/replicas: slashes in names are written ~1, tildes ~0",
    },
    Rule {
        path: "spec.ignoreFields[].pointers[]",
        cel: "!self.matches('^/(apiVersion|kind|spec|data|metadata|metadata/(labels|annotations))$') && !self.matches('^/(status($|/)|metadata/(labels|annotations)/hanse[.]dev~1)') && (!self.startsWith('/metadata/') || self.matches('^/metadata/(labels|annotations)/'))",
        message: "only single fields can be left to members: never apiVersion, kind, status, the whole of spec, data or metadata, nor the hub's own labels and annotations",
    },
    Rule {
        path: "spec.ignoreFields[].pointers[]",
        cel: "!self.matches('/([0-9]+|-)(/|$)') || self.matches('^/(data|stringData|binaryData|metadata)/')",
        message: "an item of a list is named by its key, not by its position: /spec/template/spec/containers/name=app/image",
    },
    Rule {
        path: "spec.placement.replicas",
        cel: "!has(self.mode) || self.mode == 'Duplicated' || has(self.divide)",
        message: "mode Divided says how: divide.weighted, divide.capacity or divide.packed",
    },
    Rule {
        path: "spec.placement.replicas",
        cel: "!has(self.minPerCluster) || !has(self.maxPerCluster) || self.minPerCluster <= self.maxPerCluster",
        message: "minPerCluster is at most maxPerCluster",
    },
    Rule {
        path: "spec.placement",
        cel: "!has(self.fallback) || self.fallback == 'Whole' || has(self.replicas) && has(self.replicas.mode) && self.replicas.mode == 'Divided'",
        message: "fallback Spill goes with replicas.mode Divided: a copy is never split over terms",
    },
    Rule {
        path: "spec.placement.spread[]",
        cel: "!self.by.startsWith('label:') || self.by.size() > 6",
        message: "label: is followed by the key of a label",
    },
    Rule {
        path: "spec.placement.spread[]",
        cel: "has(self.minGroups) || has(self.maxGroups)",
        message: "a spread has minGroups, maxGroups or both",
    },
    Rule {
        path: "spec.placement.replicas.divide.weighted",
        cel: "self.exists(item, item.weight > 0)",
        message: "at least one weight is greater than 0",
    },
    Rule {
        path: "spec.placement.replicas.divide",
        cel: "[has(self.capacity), has(self.weighted), has(self.packed)].filter(given, given).size() == 1",
        message: "exactly one of capacity, weighted and packed says how replicas are divided",
    },
];

const OVERRIDE_POLICY: &[Rule] = &[
    SELECTED_VERSION,
    CHANGED_GROUP,
    SELECTED_KIND,
    Rule {
        path: "spec.rules[]",
        cel: "has(self.labels) || has(self.annotations) || has(self.image) && size(self.image) > 0 \
              || has(self.env) && size(self.env) > 0 || has(self.args) && size(self.args) > 0 \
              || has(self.command) && size(self.command) > 0 || has(self.patch) && size(self.patch) > 0",
        message: "a rule changes something: image, env, args, labels, annotations, command or patch",
    },
    Rule {
        path: "spec.rules[].image[]",
        cel: "has(self.registry) || has(self.repository) || has(self.tag) || has(self.digest)",
        message: "an item of image names a registry, a repository, a tag or a digest",
    },
    Rule {
        path: "spec.rules[].env[]",
        cel: "has(self.set) || has(self.remove)",
        message: "an item of env sets or removes variables",
    },
    Rule {
        path: "spec.rules[].args[]",
        cel: "has(self.append) || has(self.remove)",
        message: "an item of args appends or removes arguments",
    },
    Rule {
        path: "spec.rules[].args[].container",
        cel: "self != '*'",
        message: "arguments are those of one container: name it",
    },
    Rule {
        path: "spec.rules[].command[].container",
        cel: "self != '*'",
        message: "a command is that of one container: name it",
    },
    Rule {
        path: "spec.rules[].labels.set",
        cel: "self.all(key, !key.startsWith('hanse.dev/'))",
        message: "labels of the hub can't be changed",
    },
    Rule {
        path: "spec.rules[].labels.remove[]",
        cel: "!self.startsWith('hanse.dev/')",
        message: "labels of the hub can't be changed",
    },
    Rule {
        path: "spec.rules[].annotations.set",
        cel: "self.all(key, !key.startsWith('hanse.dev/'))",
        message: "annotations of the hub can't be changed",
    },
    Rule {
        path: "spec.rules[].annotations.remove[]",
        cel: "!self.startsWith('hanse.dev/')",
        message: "annotations of the hub can't be changed",
    },
    Rule {
        path: "spec.rules[].patch[]",
        cel: "(self.op in ['move', 'copy']) == has(self.from)",
        message: "from goes with op move and copy, which need it",
    },
    Rule {
        path: "spec.rules[].patch[]",
        cel: "self.op == 'test' || !self.path.matches('^/(apiVersion|kind|status|metadata)(/|$)') \
              || self.path.matches('^/metadata/(labels|annotations)(/|$)')",
        message: "an override never changes what an object is: of apiVersion, kind, metadata and status \
                  only labels and annotations",
    },
    Rule {
        path: "spec.rules[].patch[].path",
        cel: "!self.matches('^/metadata/(labels|annotations)/hanse[.]dev~1')",
        message: "labels and annotations of the hub can't be changed",
    },
];

const KIND_RULE: &[Rule] = &[
    Rule {
        path: "spec.group",
        cel: "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)+$')",
        message: "group is the API group of custom resources, like argoproj.io; kinds that Kubernetes builds in have their own rules",
    },
    Rule {
        path: "spec.group",
        cel: "!(self in ['hanse.dev', 'admissionregistration.k8s.io', 'apiextensions.k8s.io', 'apiregistration.k8s.io', \
              'authentication.k8s.io', 'authorization.k8s.io', 'certificates.k8s.io', 'coordination.k8s.io', 'discovery.k8s.io', \
              'events.k8s.io', 'flowcontrol.apiserver.k8s.io', 'internal.apiserver.k8s.io', 'networking.k8s.io', 'node.k8s.io', \
              'rbac.authorization.k8s.io', 'resource.k8s.io', 'scheduling.k8s.io', 'storage.k8s.io'])",
        message: "kinds of Kubernetes itself and of the hub have their own rules, which stand",
    },
    Rule {
        path: "spec.kind",
        cel: "self.matches('^[A-Z][-A-Za-z0-9]*$')",
        message: "kind is a kind like Rollout",
    },
    Rule {
        path: "spec",
        cel: "has(self.health) || has(self.replicasPath) || has(self.podTemplatePath) || has(self.dependencies) || has(self.status)",
        message: "a KindRule says at least one of health, replicasPath, podTemplatePath, dependencies and status",
    },
    Rule {
        path: "spec.replicasPath",
        cel: "self.matches('^/spec(/([^~/]|~[01])+)+$')",
        message: "replicasPath is a JSON pointer below /spec, like /spec/replicas",
    },
    Rule {
        path: "spec.podTemplatePath",
        cel: "self.matches('^/spec(/([^~/]|~[01])+)+$')",
        message: "podTemplatePath is a JSON pointer below /spec, like /spec/template",
    },
    Rule {
        path: "spec.status.sum[]",
        cel: "self.matches('^/status(/([^~/]|~[01])+)+$')",
        message: "what is summed is a JSON pointer below /status, like /status/readyReplicas",
    },
];

const BUNDLE: &[Rule] = &[
    Rule {
        path: "spec.manifests[].apiVersion",
        cel: "self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*$')",
        message: "apiVersion is a version like v1, or a group and a version like apps/v1",
    },
    Rule {
        path: "spec.manifests[].kind",
        cel: "self.matches('^[A-Z][-A-Za-z0-9]*$')",
        message: "kind is a kind like Deployment",
    },
    Rule {
        path: "spec.manifests[]",
        cel: "self.kind != 'Secret' || self.apiVersion.contains('/')",
        message: "a Secret has no place in a Bundle, where everybody who may read Bundles reads it: make it in the \
                  namespace and name it in spec.secrets",
    },
    Rule {
        path: "spec.manifests[]",
        cel: "!self.apiVersion.startsWith('hanse.dev/')",
        message: "kinds of the hub are not propagated, and a Bundle holds no other Bundle",
    },
    Rule {
        path: "spec.manifests",
        cel: "self.all(one, self.exists_one(other, other.metadata.name == one.metadata.name && \
              other.kind == one.kind && other.apiVersion == one.apiVersion))",
        message: "every object stands in the Bundle once",
    },
];

const WORKLOAD_BINDING: &[Rule] = &[Rule {
    path: "spec.template",
    // uid and version may change: a template made again under its name keeps its binding.
    cel: "self.kind == oldSelf.kind && self.name == oldSelf.name && \
          (self.apiVersion.contains('/') ? self.apiVersion.split('/')[0] : '') == \
          (oldSelf.apiVersion.contains('/') ? oldSelf.apiVersion.split('/')[0] : '')",
    message: "a binding never changes its template",
}];

/// The rules of a kind.
pub(super) fn rules(kind: &str) -> &'static [Rule] {
    match kind {
        "Cluster" => CLUSTER,
        "Tenant" => TENANT,
        "PropagationPolicy" | "ClusterPropagationPolicy" => POLICY,
        "OverridePolicy" | "ClusterOverridePolicy" => OVERRIDE_POLICY,
        "Bundle" => BUNDLE,
        "KindRule" => KIND_RULE,
        "WorkloadBinding" => WORKLOAD_BINDING,
        _ => &[],
    }
}
