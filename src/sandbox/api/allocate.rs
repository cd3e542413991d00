//! What a server hands out: addresses and ports of Services, the selector of a Job.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::{Server, Target};
use crate::sandbox::crd;
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::object;

/// Of a create, once the object has its name and uid.
pub(super) fn on_create(server: &Server, target: &Target, object: &mut Value) -> Result<(), Failure> {
    if target.is("", "services") {
        return serve(server, target, None, object);
    }
    if target.is("batch", "jobs") {
        select_own_pods(object);
    }
    if target.is(crd::GROUP, crd::PLURAL) {
        crd::complete(object);
    }
    Ok(())
}

/// Of an update.
pub(super) fn on_update(
    server: &Server,
    target: &Target,
    old: &Value,
    new: &mut Value,
) -> Result<(), Failure> {
    if target.is("", "services") && target.subresource.is_empty() {
        return serve(server, target, Some(old), new);
    }
    if target.is(crd::GROUP, crd::PLURAL) && target.subresource.is_empty() {
        crd::complete(new);
    }
    Ok(())
}

fn serve(server: &Server, target: &Target, old: Option<&Value>, service: &mut Value) -> Result<(), Failure> {
    let (others, _) = server.store().list("services", None);
    let own = old.map(|old| object::uid(old).to_owned());
    let others: Vec<&Value> = others
        .iter()
        .map(|other| &**other)
        .filter(|other| own.as_deref() != Some(object::uid(other)))
        .collect();
    let spec = object::field_mut(service, "spec");
    let kind = spec
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("ClusterIP")
        .to_owned();
    if kind == "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            spec.remove(field);
        }
        return Ok(());
    }
    give_address(server, target, &others, spec)?;
    let wants_ports = match kind.as_str() {
        "NodePort" => true,
        "LoadBalancer" => spec.get("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false)),
        _ => false,
    };
    give_ports(server, target, &others, spec, wants_ports, &kind)
}

fn give_address(
    server: &Server,
    target: &Target,
    others: &[&Value],
    spec: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let listed = spec.get("clusterIPs").and_then(|all| all[0].as_str());
    let said = spec
        .get("clusterIP")
        .and_then(Value::as_str)
        .filter(|address| !address.is_empty());
    let asked = said.or(listed).unwrap_or_default().to_owned();
    let headless = asked == "None";
    let selects = spec
        .get("selector")
        .and_then(Value::as_object)
        .is_some_and(|all| !all.is_empty());
    let dual = headless && !selects;
    if !spec.contains_key("ipFamilyPolicy") {
        let policy = if dual { "RequireDualStack" } else { "SingleStack" };
        spec.insert("ipFamilyPolicy".to_owned(), policy.into());
    }
    if !spec.contains_key("ipFamilies") {
        let families = if dual {
            json!(["IPv4", "IPv6"])
        } else {
            json!(["IPv4"])
        };
        spec.insert("ipFamilies".to_owned(), families);
    }
    let address = if headless {
        asked
    } else {
        let taken: BTreeSet<&str> = others
            .iter()
            .filter_map(|other| other["spec"]["clusterIP"].as_str())
            .collect();
        let (first, bits) = server.settings().services;
        let range = Range::new(first, bits);
        match asked.as_str() {
            "" => range.free(&taken).ok_or_else(|| {
                Failure::internal(format!(
                    "failed to allocate a serviceIP for Service \"{}\": range is full",
                    target.name
                ))
            })?,
            wanted => {
                let why = match wanted.parse() {
                    Ok(address) if !range.holds(address) => Some(format!(
                        "the provided network does not match the current range: {first}/{bits}"
                    )),
                    Ok(_) if taken.contains(wanted) => Some("provided IP is already allocated".to_owned()),
                    _ => None,
                };
                if let Some(why) = why {
                    let why = format!("failed to allocate IP {wanted}: {why}");
                    let cause = Cause::invalid("spec.clusterIPs", json!([wanted]), &why);
                    return Err(target.invalid(vec![cause]));
                }
                asked
            }
        }
    };
    spec.insert("clusterIPs".to_owned(), json!([address]));
    spec.insert("clusterIP".to_owned(), address.into());
    Ok(())
}

fn give_ports(
    server: &Server,
    target: &Target,
    others: &[&Value],
    spec: &mut Map<String, Value>,
    wanted: bool,
    kind: &str,
) -> Result<(), Failure> {
    let mut taken: BTreeSet<u64> = others
        .iter()
        .filter_map(|other| other["spec"]["ports"].as_array())
        .flatten()
        .filter_map(|port| port["nodePort"].as_u64())
        .collect();
    let range = server.settings().node_ports.clone();
    let span = u64::from(range.end() - range.start()) + 1;
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
    let ports: Vec<&mut Value> = ports.into_iter().flatten().collect();
    for (at, port) in ports.into_iter().enumerate() {
        let asked = port["nodePort"].as_u64().unwrap_or(0);
        if kind == "ClusterIP" && asked != 0 {
            let field = format!("spec.ports[{at}].nodePort");
            let cause = Cause::forbidden(field, "may not be used when `type` is 'ClusterIP'");
            return Err(target.invalid(vec![cause]));
        }
        if asked != 0 {
            let inside = (u64::from(*range.start())..=u64::from(*range.end())).contains(&asked);
            let why = if !inside {
                format!(
                    "provided port is not in the valid range. The range of valid ports is {}-{}",
                    range.start(),
                    range.end()
                )
            } else if taken.contains(&asked) {
                "provided port is already allocated".to_owned()
            } else {
                taken.insert(asked);
                continue;
            };
            let cause = Cause::invalid(format!("spec.ports[{at}].nodePort"), asked, &why);
            return Err(target.invalid(vec![cause]));
        }
        if wanted {
            let start = u64::from(*range.start());
            let offset = server.identities().number() % span;
            let free = (0..span)
                .map(|step| start + (offset + step) % span)
                .find(|port| !taken.contains(port));
            let free =
                free.ok_or_else(|| Failure::internal("failed to allocate a nodePort: range is full"))?;
            taken.insert(free);
            port["nodePort"] = free.into();
        } else if let Value::Object(port) = port {
            port.remove("nodePort");
        }
    }
    Ok(())
}

/// Addresses for Services. The first is the API server's own, the last the broadcast.
struct Range {
    first: u32,
    size: u32,
}

impl Range {
    fn new(first: Ipv4Addr, bits: u8) -> Self {
        let size = u32::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
        Self {
            first: u32::from(first),
            size,
        }
    }

    fn holds(&self, address: Ipv4Addr) -> bool {
        (1..self.size).contains(&u32::from(address).wrapping_sub(self.first))
    }

    /// The lowest one that nobody has, but the one reserved for `kubernetes.default` and for DNS by convention.
    fn free(&self, taken: &BTreeSet<&str>) -> Option<String> {
        (11..self.size)
            .map(|at| Ipv4Addr::from(self.first + at).to_string())
            .find(|address| !taken.contains(address.as_str()))
    }
}

/// A Job selects its pods by its own uid, unless it says how.
fn select_own_pods(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    let (name, uid) = (object::name(job).to_owned(), object::uid(job).to_owned());
    let spec = object::field_mut(job, "spec");
    let template = spec.entry("template").or_insert_with(|| json!({}));
    let labels = object::metadata_mut(template)
        .entry("labels")
        .or_insert_with(|| json!({}));
    if let Value::Object(labels) = labels {
        let own = [
            ("job-name", &name),
            ("batch.kubernetes.io/job-name", &name),
            ("controller-uid", &uid),
            ("batch.kubernetes.io/controller-uid", &uid),
        ];
        for (key, value) in own {
            labels.entry(key).or_insert_with(|| value.as_str().into());
        }
    }
    let labels = labels.clone();
    let selector = spec.entry("selector").or_insert_with(|| json!({}));
    let matched = object::field_mut(selector, "matchLabels");
    matched
        .entry("batch.kubernetes.io/controller-uid")
        .or_insert_with(|| uid.into());
    // The default of a Job's labels is its pods'; upstream sets it once more on what was stored.
    object::metadata_mut(job).entry("labels").or_insert(labels);
}
