//! Services, and what routes to and past them.

use serde_json::Value;

use super::cell::{at, few, items, labels, name, none_if_empty, or, plain, selector};
use super::{AGE, Computed, NAME, text, wide};
use crate::model::clock::Timestamp;

pub(super) const SERVICES: &[Computed] = &[
    NAME,
    text("Type", |object, _| at(object, "/spec/type").into()),
    text("Cluster-IP", |object, _| {
        or(object, "/spec/clusterIPs/0", "<none>")
    }),
    text("External-IP", external_ip),
    text("Port(s)", |object, _| none_if_empty(ports(object)).into()),
    AGE,
    wide("Selector", |object, _| {
        labels(object.pointer("/spec/selector")).into()
    }),
];

fn external_ip(service: &Value, _: Timestamp) -> Value {
    let mut own: Vec<String> = items(service, "/spec/externalIPs").map(plain).collect();
    match at(service, "/spec/type") {
        "ClusterIP" | "NodePort" => none_if_empty(own.join(",")).into(),
        "LoadBalancer" => {
            let mut all = balancers(service);
            all.append(&mut own);
            if all.is_empty() {
                "<pending>".into()
            } else {
                all.join(",").into()
            }
        }
        "ExternalName" => at(service, "/spec/externalName").into(),
        _ => "<unknown>".into(),
    }
}

/// Addresses or names of load balancers, sorted.
fn balancers(object: &Value) -> Vec<String> {
    let mut found: Vec<String> = items(object, "/status/loadBalancer/ingress")
        .filter_map(|ingress| ingress["ip"].as_str().or(ingress["hostname"].as_str()))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}

fn ports(service: &Value) -> String {
    let ports: Vec<String> = items(service, "/spec/ports")
        .map(|port| {
            let (number, protocol) = (plain(&port["port"]), at(port, "/protocol"));
            match port["nodePort"].as_i64() {
                Some(node_port @ 1..) => format!("{number}:{node_port}/{protocol}"),
                _ => format!("{number}/{protocol}"),
            }
        })
        .collect();
    ports.join(",")
}

pub(super) const ENDPOINTS: &[Computed] = &[
    NAME,
    text("Endpoints", |object, _| {
        let mut all = Vec::new();
        for subset in items(object, "/subsets") {
            let addresses: Vec<&str> = items(subset, "/addresses")
                .map(|address| at(address, "/ip"))
                .collect();
            let mut ports = items(subset, "/ports")
                .map(|port| plain(&port["port"]))
                .peekable();
            if ports.peek().is_none() {
                all.extend(addresses.iter().map(|ip| (*ip).to_owned()));
            }
            for port in ports {
                all.extend(addresses.iter().map(|ip| match ip.contains(':') {
                    true => format!("[{ip}]:{port}"),
                    false => format!("{ip}:{port}"),
                }));
            }
        }
        if object["subsets"].as_array().is_none_or(Vec::is_empty) {
            return "<none>".into();
        }
        few(&all, 3, ",").into()
    }),
    AGE,
];

pub(super) const SLICES: &[Computed] = &[
    NAME,
    text("AddressType", |object, _| at(object, "/addressType").into()),
    text("Ports", |object, _| {
        let ports: Vec<String> = items(object, "/ports")
            .map(|port| match (&port["port"], &port["name"]) {
                (Value::Null, Value::Null) => "*".to_owned(),
                (Value::Null, name) => plain(name),
                (number, _) => plain(number),
            })
            .collect();
        unset_if_empty(few(&ports, 3, ","))
    }),
    text("Endpoints", |object, _| {
        let addresses: Vec<String> = items(object, "/endpoints")
            .flat_map(|endpoint| items(endpoint, "/addresses").map(plain))
            .collect();
        unset_if_empty(few(&addresses, 3, ","))
    }),
    AGE,
];

fn unset_if_empty(text: String) -> Value {
    if text.is_empty() {
        "<unset>".into()
    } else {
        text.into()
    }
}

pub(super) const INGRESSES: &[Computed] = &[
    NAME,
    text("Class", |object, _| {
        or(object, "/spec/ingressClassName", "<none>")
    }),
    text("Hosts", |object, _| {
        let rules: Vec<&Value> = items(object, "/spec/rules").collect();
        let hosts = rules
            .iter()
            .map(|rule| at(rule, "/host"))
            .filter(|host| !host.is_empty());
        let hosts: Vec<&str> = hosts.take(3).collect();
        match (hosts.is_empty(), rules.len().saturating_sub(3)) {
            (true, _) => "*".into(),
            (false, more @ 1..) if hosts.len() == 3 => format!("{} + {more} more...", hosts.join(",")).into(),
            (false, _) => hosts.join(",").into(),
        }
    }),
    text("Address", |object, _| balancers(object).join(",").into()),
    text("Ports", |object, _| {
        let secure = items(object, "/spec/tls").next().is_some();
        if secure { "80, 443".into() } else { "80".into() }
    }),
    AGE,
];

pub(super) const INGRESS_CLASSES: &[Computed] = &[
    text("Name", |object, now| {
        let default =
            object["metadata"]["annotations"]["ingressclass.kubernetes.io/is-default-class"] == "true";
        if default {
            format!("{} (default)", plain(&name(object, now))).into()
        } else {
            name(object, now)
        }
    }),
    text("Controller", |object, _| at(object, "/spec/controller").into()),
    text("Parameters", |object, _| {
        let parameters = &object["spec"]["parameters"];
        if parameters.is_null() {
            return "<none>".into();
        }
        let group = match at(parameters, "/apiGroup") {
            "" => String::new(),
            group => format!(".{group}"),
        };
        format!("{}{group}/{}", at(parameters, "/kind"), at(parameters, "/name")).into()
    }),
    AGE,
];

pub(super) const POLICIES: &[Computed] = &[
    NAME,
    text("Pod-Selector", |object, _| {
        none_if_empty(selector(object.pointer("/spec/podSelector"))).into()
    }),
    AGE,
];
