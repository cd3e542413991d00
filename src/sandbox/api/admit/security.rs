//! Pod Security: what the pods of a namespace may do to their node, by its label `pod-security.kubernetes.io/enforce`.
//!
//! Of the two standards the checks are played that everyday pods meet, in upstream's words and order; those for
//! AppArmor, SELinux, Windows and host probes are not.

use std::collections::BTreeSet;

use serde_json::Value;

use super::namespace;
use crate::sandbox::api::{Server, Target};
use crate::sandbox::failure::Failure;
use crate::sandbox::object;

const LABEL: &str = "pod-security.kubernetes.io/enforce";
const VERSION: &str = "pod-security.kubernetes.io/enforce-version";

/// Capabilities that containers have anyhow.
const USUAL_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Volumes that reach no further than the namespace.
const HARMLESS_VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// What is wrong, and with what.
type Finding = (&'static str, String);

/// A pod that is made, or given containers, must keep to its namespace's standard.
pub(super) fn enforce(
    server: &Server,
    target: &Target,
    old: Option<&Value>,
    pod: &Value,
) -> Result<(), Failure> {
    let gains = match &*target.subresource {
        "" => old.is_none(),
        "ephemeralcontainers" => true,
        _ => false,
    };
    let of = target.namespace.as_deref().filter(|_| gains);
    let Some(namespace) = of.and_then(|name| namespace::get(server, name)) else {
        return Ok(());
    };
    let level = object::label(&namespace, LABEL).unwrap_or("privileged");
    let findings = match level {
        "baseline" => baseline(&pod["spec"], false),
        "restricted" => {
            let mut findings = baseline(&pod["spec"], true);
            findings.extend(restricted(&pod["spec"]));
            findings
        }
        _ => return Ok(()),
    };
    if findings.is_empty() {
        return Ok(());
    }
    let version = object::label(&namespace, VERSION).unwrap_or("latest");
    let findings: Vec<String> = findings
        .iter()
        .map(|(what, detail)| format!("{what} ({detail})"))
        .collect();
    Err(target.forbidden(&format!(
        "violates PodSecurity \"{level}:{version}\": {}",
        findings.join(", ")
    )))
}

/// `stricter`: the restricted standard has checks of its own instead of three of these.
fn baseline(spec: &Value, stricter: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    if !stricter {
        let (who, what) = offenders(spec, |container| {
            let added = texts(&container["securityContext"]["capabilities"]["add"]);
            added.filter(|one| !USUAL_CAPABILITIES.contains(one)).collect()
        });
        if !who.is_empty() {
            let what = quoted(&what);
            let detail = format!(
                "{} must not include {what} in securityContext.capabilities.add",
                named(&who)
            );
            found.push(("non-default capabilities", detail));
        }
    }
    let shared = ["hostNetwork", "hostPID", "hostIPC"];
    let shared: Vec<String> = shared
        .iter()
        .filter(|field| spec[**field] == true)
        .map(|field| format!("{field}=true"))
        .collect();
    if !shared.is_empty() {
        found.push(("host namespaces", shared.join(", ")));
    }
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    let of_host: Vec<&str> = volumes
        .filter(|volume| volume["hostPath"].is_object())
        .filter_map(|volume| volume["name"].as_str())
        .collect();
    if !of_host.is_empty() && !stricter {
        let detail = format!("{} {}", plural("volume", &of_host), quoted(&of_host));
        found.push(("hostPath volumes", detail));
    }
    let (who, ports) = offenders(spec, |container| {
        let ports = container["ports"].as_array().into_iter().flatten();
        let ports = ports.filter_map(|port| port["hostPort"].as_u64());
        ports
            .filter(|port| *port != 0)
            .map(|port| port.to_string())
            .collect()
    });
    if !who.is_empty() {
        let uses = if who.len() == 1 { "uses" } else { "use" };
        let detail = format!(
            "{} {uses} {} {}",
            named(&who),
            plural("hostPort", &ports),
            ports.join(", ")
        );
        found.push(("hostPort", detail));
    }
    let who = those(spec, |context| context["privileged"] == true);
    if !who.is_empty() {
        let detail = format!("{} must not set securityContext.privileged=true", named(&who));
        found.push(("privileged", detail));
    }
    let (who, mounts) = offenders(spec, |container| {
        let mount = container["securityContext"]["procMount"].as_str();
        mount.filter(|mount| *mount != "Default").into_iter().collect()
    });
    if !who.is_empty() {
        let detail = format!(
            "{} must not set securityContext.procMount to {}",
            named(&who),
            quoted(&mounts)
        );
        found.push(("procMount", detail));
    }
    if !stricter {
        found.extend(unconfined(spec));
    }
    found
}

fn restricted(spec: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    let who = those(spec, |context| context["allowPrivilegeEscalation"] != false);
    if !who.is_empty() {
        let detail = format!(
            "{} must set securityContext.allowPrivilegeEscalation=false",
            named(&who)
        );
        found.push(("allowPrivilegeEscalation != false", detail));
    }
    let mut details = Vec::new();
    let who = those(spec, |context| {
        texts(&context["capabilities"]["drop"]).all(|one| one != "ALL")
    });
    if !who.is_empty() {
        details.push(format!(
            "{} must set securityContext.capabilities.drop=[\"ALL\"]",
            named(&who)
        ));
    }
    let (who, what) = offenders(spec, |container| {
        let added = texts(&container["securityContext"]["capabilities"]["add"]);
        added.filter(|one| *one != "NET_BIND_SERVICE").collect()
    });
    if !who.is_empty() {
        let what = quoted(&what);
        details.push(format!(
            "{} must not include {what} in securityContext.capabilities.add",
            named(&who)
        ));
    }
    if !details.is_empty() {
        found.push(("unrestricted capabilities", details.join("; ")));
    }
    found.extend(reaching_volumes(spec));
    found.extend(pod_or_containers(
        spec,
        "runAsNonRoot != true",
        |context| context["runAsNonRoot"].as_bool(),
        (
            "securityContext.runAsNonRoot=false",
            "securityContext.runAsNonRoot=true",
        ),
    ));
    let root = |context: &Value| (context["runAsUser"] == 0).then_some(false);
    let (setters, _) = setters(spec, root);
    if !setters.is_empty() {
        found.push(("runAsUser=0", format!("{setters} must not set runAsUser=0")));
    }
    if let Some(explicit) = unconfined(spec) {
        found.push(explicit);
    } else {
        found.extend(pod_or_containers(
            spec,
            "seccompProfile",
            |context| context["seccompProfile"].is_object().then_some(true),
            (
                "",
                "securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
            ),
        ));
    }
    found
}

/// A seccomp profile that is none.
fn unconfined(spec: &Value) -> Option<Finding> {
    let bad = |context: &Value| {
        let profile = context["seccompProfile"]["type"].as_str()?;
        (!matches!(profile, "RuntimeDefault" | "Localhost")).then_some(false)
    };
    let (setters, _) = setters(spec, bad);
    let detail = format!("{setters} must not set securityContext.seccompProfile.type to \"Unconfined\"");
    (!setters.is_empty()).then_some(("seccompProfile", detail))
}

fn reaching_volumes(spec: &Value) -> Option<Finding> {
    let (mut who, mut kinds) = (Vec::new(), BTreeSet::new());
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        let source = volume
            .as_object()?
            .iter()
            .find(|(field, value)| *field != "name" && !value.is_null());
        let kind = source.map_or("unknown", |(kind, _)| kind.as_str());
        if !HARMLESS_VOLUMES.contains(&kind) {
            who.push(volume["name"].as_str().unwrap_or_default());
            kinds.insert(kind);
        }
    }
    if who.is_empty() {
        return None;
    }
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let detail = format!(
        "{} {} {} {} {}",
        plural("volume", &who),
        quoted(&who),
        if who.len() == 1 { "uses" } else { "use" },
        plural("restricted volume type", &kinds),
        quoted(&kinds),
    );
    Some(("restricted volume types", detail))
}

/// What the pod says for all containers, or each for itself: wrong where it is said to be, or not said at all.
fn pod_or_containers(
    spec: &Value,
    what: &'static str,
    says: impl Fn(&Value) -> Option<bool>,
    (not, must): (&str, &str),
) -> Option<Finding> {
    let (wrong, silent) = setters(spec, &says);
    if !wrong.is_empty() {
        return Some((what, format!("{wrong} must not set {not}")));
    }
    if silent.is_empty() || says(&spec["securityContext"]) == Some(true) {
        return None;
    }
    Some((what, format!("pod or {} must set {must}", named(&silent))))
}

/// Who says that it is not so, in words, and the containers that say nothing.
fn setters(spec: &Value, says: impl Fn(&Value) -> Option<bool>) -> (String, Vec<&str>) {
    let mut wrong = Vec::new();
    if says(&spec["securityContext"]) == Some(false) {
        wrong.push("pod".to_owned());
    }
    let who = those(spec, |context| says(context) == Some(false));
    if !who.is_empty() {
        wrong.push(named(&who));
    }
    (
        wrong.join(" and "),
        those(spec, |context| says(context).is_none()),
    )
}

/// In the order of upstream.
fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    let fields = ["initContainers", "containers", "ephemeralContainers"];
    fields
        .into_iter()
        .filter_map(|field| spec[field].as_array())
        .flatten()
}

/// The names of containers whose `securityContext` is so.
fn those(spec: &Value, so: impl Fn(&Value) -> bool) -> Vec<&str> {
    let found = containers(spec).filter(|container| so(&container["securityContext"]));
    found.filter_map(|container| container["name"].as_str()).collect()
}

/// The names of containers with something wrong, and all that is.
fn offenders<'a, T: Ord>(spec: &'a Value, wrong: impl Fn(&'a Value) -> Vec<T>) -> (Vec<&'a str>, Vec<T>) {
    let (mut who, mut all) = (Vec::new(), BTreeSet::new());
    for container in containers(spec) {
        let wrong = wrong(container);
        if !wrong.is_empty() {
            who.push(container["name"].as_str().unwrap_or_default());
            all.extend(wrong);
        }
    }
    (who, all.into_iter().collect())
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// `container "a"`, `containers "a", "b"`
fn named(who: &[&str]) -> String {
    format!("{} {}", plural("container", who), quoted(who))
}

fn plural<T>(word: &str, of: &[T]) -> String {
    format!("{word}{}", if of.len() == 1 { "" } else { "s" })
}

fn quoted(all: &[&str]) -> String {
    let all: Vec<String> = all.iter().map(|one| format!("{one:?}")).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn said(findings: &[Finding]) -> String {
        let said: Vec<String> = findings
            .iter()
            .map(|(what, detail)| format!("{what} ({detail})"))
            .collect();
        said.join(", ")
    }

    #[rstest]
    #[case(json!({}), "")]
    #[case(json!({"hostNetwork": true, "hostPID": true}), "host namespaces (hostNetwork=true, hostPID=true)")]
    #[case(json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}), r#"hostPath volumes (volume "v")"#)]
    #[case(
        json!({"containers": [{"name": "c", "securityContext": {"privileged": true}}]}),
        r#"privileged (container "c" must not set securityContext.privileged=true)"#
    )]
    #[case(
        json!({"containers": [{"name": "c", "ports": [{"hostPort": 80}]}, {"name": "d", "ports": [{"hostPort": 80}]}]}),
        r#"hostPort (containers "c", "d" use hostPort 80)"#
    )]
    fn the_baseline_refuses_what_reaches_the_node(#[case] spec: Value, #[case] expected: &str) {
        assert_eq!(said(&baseline(&spec, false)), expected);
    }

    #[test]
    fn the_restricted_standard_wants_much_said() {
        let spec = json!({"containers": [{"name": "c"}]});
        assert_eq!(
            said(&restricted(&spec)),
            r#"allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"#
        );
        let careful = json!({
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "c", "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            }}],
        });
        assert_eq!(said(&restricted(&careful)), "");
    }
}
