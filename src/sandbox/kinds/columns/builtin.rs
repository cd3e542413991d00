//! The columns of the built-in kinds that people look at, as upstream has them; descriptions are left out.

use super::cell::{labels, size};
use super::shown::{self, NONE, address, containers, or_else, quota, reference, subjects};
use super::{Computed, code, number, or, pod, text};

pub(super) const NAME: Computed = text("Name", "/metadata/name");
const AGE: Computed = code("Age", shown::age);
const CREATED: Computed = text("Created At", "/metadata/creationTimestamp");
const CONTAINERS: Computed = code("Containers", |object, _| containers(object, "name")).wide();
const IMAGES: Computed = code("Images", |object, _| containers(object, "image")).wide();
const SELECTOR: Computed = code("Selector", shown::selected).wide();

/// For kinds that upstream has no columns for, and for those that are left out here.
const GENERIC: &[Computed] = &[NAME, CREATED];
/// For custom kinds without columns.
pub(super) const NAME_AND_AGE: &[Computed] = &[NAME, AGE];

#[rustfmt::skip] // a table reads best with a row a line
const BINDINGS: &[Computed] = &[
    NAME, code("Role", |object, _| reference(&object["roleRef"]).into()), AGE,
    code("Users", |object, _| subjects(object, "User")).wide(),
    code("Groups", |object, _| subjects(object, "Group")).wide(),
    code("ServiceAccounts", |object, _| subjects(object, "ServiceAccount")).wide(),
];

#[rustfmt::skip]
const EVENTS: &[Computed] = &[
    code("Last Seen", shown::last_seen), text("Type", "/type"), text("Reason", "/reason"),
    code("Object", shown::event_about), code("Message", shown::message),
];

/// By resource and group.
#[rustfmt::skip]
const KINDS: &[(&str, &[Computed])] = &[
    ("pods", &[
        NAME, code("Ready", pod::ready), code("Status", pod::status), code("Restarts", pod::restarts), AGE,
        or("IP", "/status/podIPs/0/ip", NONE).wide(), or("Node", "/spec/nodeName", NONE).wide(),
        or("Nominated Node", "/status/nominatedNodeName", NONE).wide(), code("Readiness Gates", pod::gates).wide(),
    ]),
    ("deployments.apps", &[
        NAME, code("Ready", shown::ready_of_desired), number("Up-to-date", "/status/updatedReplicas"),
        number("Available", "/status/availableReplicas"), AGE, CONTAINERS, IMAGES, SELECTOR,
    ]),
    ("replicasets.apps", &[
        NAME, number("Desired", "/spec/replicas"), number("Current", "/status/replicas"),
        number("Ready", "/status/readyReplicas"), AGE, CONTAINERS, IMAGES, SELECTOR,
    ]),
    ("statefulsets.apps", &[NAME, code("Ready", shown::ready_of_desired), AGE, CONTAINERS, IMAGES]),
    ("daemonsets.apps", &[
        NAME, number("Desired", "/status/desiredNumberScheduled"),
        number("Current", "/status/currentNumberScheduled"), number("Ready", "/status/numberReady"),
        number("Up-to-date", "/status/updatedNumberScheduled"), number("Available", "/status/numberAvailable"),
        code("Node Selector", |object, _| labels(object.pointer("/spec/template/spec/nodeSelector")).into()),
        AGE, CONTAINERS, IMAGES, SELECTOR,
    ]),
    ("jobs.batch", &[
        NAME, code("Status", shown::job_status), code("Completions", shown::completions),
        code("Duration", shown::job_duration), AGE, CONTAINERS, IMAGES, SELECTOR,
    ]),
    ("cronjobs.batch", &[
        NAME, text("Schedule", "/spec/schedule"), or("Timezone", "/spec/timeZone", NONE),
        code("Suspend", |object, _| if object["spec"]["suspend"] == true { "True" } else { "False" }.into()),
        code("Active", |object, _| size(object, "/status/active").into()),
        code("Last Schedule", shown::last_schedule), AGE, CONTAINERS, IMAGES, SELECTOR,
    ]),
    ("horizontalpodautoscalers.autoscaling", &[
        NAME, code("Reference", |object, _| reference(&object["spec"]["scaleTargetRef"]).into()),
        code("Targets", shown::targets),
        code("MinPods", |object, _| or_else(&object["spec"]["minReplicas"], "<unset>").into()),
        number("MaxPods", "/spec/maxReplicas"), number("Replicas", "/status/currentReplicas"), AGE,
    ]),
    ("poddisruptionbudgets.policy", &[
        NAME, code("Min Available", |object, _| or_else(&object["spec"]["minAvailable"], "N/A").into()),
        code("Max Unavailable", |object, _| or_else(&object["spec"]["maxUnavailable"], "N/A").into()),
        number("Allowed Disruptions", "/status/disruptionsAllowed"), AGE,
    ]),
    ("services", &[
        NAME, text("Type", "/spec/type"), or("Cluster-IP", "/spec/clusterIPs/0", NONE),
        code("External-IP", shown::external_ip), code("Port(s)", shown::ports), AGE,
        code("Selector", shown::label_selected).wide(),
    ]),
    ("ingresses.networking.k8s.io", &[
        NAME, or("Class", "/spec/ingressClassName", NONE), code("Hosts", shown::hosts),
        code("Address", shown::balancer_addresses),
        code("Ports", |object, _| if size(object, "/spec/tls") > 0 { "80, 443" } else { "80" }.into()), AGE,
    ]),
    ("nodes", &[
        NAME, code("Status", shown::node_status), code("Roles", shown::roles), AGE,
        text("Version", "/status/nodeInfo/kubeletVersion"),
        code("Internal-IP", |node, _| address(node, "InternalIP")).wide(),
        code("External-IP", |node, _| address(node, "ExternalIP")).wide(),
        or("OS-Image", "/status/nodeInfo/osImage", "<unknown>").wide(), code("Kernel-Version", shown::kernel).wide(),
        or("Container-Runtime", "/status/nodeInfo/containerRuntimeVersion", "<unknown>").wide(),
    ]),
    ("namespaces", &[NAME, text("Status", "/status/phase"), AGE]),
    ("configmaps", &[NAME, code("Data", shown::data), AGE]),
    ("secrets", &[NAME, text("Type", "/type"), code("Data", shown::data), AGE]),
    ("serviceaccounts", NAME_AND_AGE),
    ("events", EVENTS),
    ("events.events.k8s.io", EVENTS),
    ("resourcequotas", &[
        NAME, code("Request", |object, _| quota(object, false)), code("Limit", |object, _| quota(object, true)), AGE,
    ]),
    ("rolebindings.rbac.authorization.k8s.io", BINDINGS),
    ("clusterrolebindings.rbac.authorization.k8s.io", BINDINGS),
    ("leases.coordination.k8s.io", &[NAME, text("Holder", "/spec/holderIdentity"), AGE]),
    ("priorityclasses.scheduling.k8s.io", &[
        NAME, number("Value", "/value"), code("Global-Default", |object, _| (object["globalDefault"] == true).into()),
        AGE, text("PreemptionPolicy", "/preemptionPolicy"),
    ]),
    ("customresourcedefinitions.apiextensions.k8s.io", &[
        NAME, text("Scope", "/spec/scope"), code("Versions", shown::served_versions), CREATED,
    ]),
];

/// By `deployments.apps`.
pub(super) fn of(resource: &str) -> &'static [Computed] {
    let found = KINDS.iter().find(|(kind, _)| *kind == resource);
    found.map_or(GENERIC, |(_, columns)| columns)
}
