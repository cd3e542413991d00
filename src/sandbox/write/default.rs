//! What the server fills in before anything else sees an object.
//!
//! Custom kinds say it in their schema. For built-in ones the data file has what the real server was seen to add; the
//! few defaults that are computed from other fields are code here.

use serde_json::{Map, Value, json};

use crate::model::schema::builtin;
use crate::sandbox::kinds::{Origin, Resource, Version, definition_of, definitions};
use crate::sandbox::object::{field_mut, metadata_mut};

/// Rules may wait for each other's fields: a `type` first, then what it brings.
const ROUNDS: usize = 3;

/// Says a default of 0 and leaves it out all the same.
const REPLICATION_CONTROLLER: &str = "io.k8s.api.core.v1.ReplicationControllerSpec";

/// How a DaemonSet once counted its templates: the server still shows it.
pub(super) const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Fills in the defaults of a kind. Doing it twice changes nothing.
pub(crate) fn default_fields(resource: &Resource, version: &Version, object: &mut Value) {
    match (&resource.origin, &version.schema) {
        (Origin::Custom { .. }, Some(schema)) => schema.fill_defaults(object),
        (Origin::Custom { .. }, None) => {}
        (Origin::BuiltIn | Origin::Virtual, _) => {
            if let Some(name) = definition_of(&resource.group, &version.name, &resource.kind) {
                before(name, object);
                named(name, object, &resource.kind);
                after(name, object);
            }
        }
    }
}

/// The schema's own defaults of a status that is new: `loadBalancer: {}` of Services.
pub(super) fn default_status(resource: &Resource, version: &Version, object: &mut Value) {
    let schema = definition_of(&resource.group, &version.name, &resource.kind);
    let schema = schema.and_then(|name| definitions().get(name));
    if let (Some(schema), Some(status)) = (schema, object.get_mut("status")) {
        any(&schema["properties"]["status"], status, &resource.kind);
    }
}

/// The object as Go has it before anything is set: what managedFields of a create are compared with.
pub(super) fn zero(resource: &Resource, version: &Version) -> Value {
    let mut object = json!({"apiVersion": resource.api_version(&version.name), "kind": *resource.kind});
    if resource.origin == Origin::BuiltIn
        && let Some(name) = definition_of(&resource.group, &version.name, &resource.kind)
    {
        zero_fields(name, &mut object);
    }
    object
}

fn zero_fields(name: &str, object: &mut Value) {
    let (Some(fields), Some(schema)) = (object.as_object_mut(), definitions().get(name)) else {
        return;
    };
    for (field, property) in schema["properties"].as_object().into_iter().flatten() {
        match default_of(property) {
            Some(Value::Object(_)) => {
                let mut inner = json!({});
                if let Some(name) = reference(property) {
                    zero_fields(name, &mut inner);
                }
                fields.insert(field.clone(), inner);
            }
            Some(scalar) if *scalar == "" || *scalar == 0 || *scalar == false => {
                fields.insert(field.clone(), scalar.clone());
            }
            None if is_required(schema, field) => {
                fields.insert(field.clone(), Value::Null);
            }
            Some(_) | None => {}
        }
    }
}

fn is_required(schema: &Value, field: &str) -> bool {
    let required = schema["required"].as_array().into_iter().flatten();
    required.into_iter().any(|one| one == field)
}

/// The default a schema names; `{}` only where an object may stand.
fn default_of(property: &Value) -> Option<&Value> {
    let default = property.get("default")?;
    let is_text = reference(property)
        .and_then(|name| definitions().get(name))
        .is_some_and(|schema| schema["type"] != "object");
    (!(default.is_object() && is_text)).then_some(default)
}

pub(super) fn reference(schema: &Value) -> Option<&str> {
    let text = match (&schema["$ref"], schema["allOf"].get(0)) {
        (Value::String(text), _) => text,
        (_, Some(only)) => only["$ref"].as_str()?,
        _ => return None,
    };
    text.rsplit('/').next()
}

/// An object of a named schema.
fn named(name: &str, object: &mut Value, kind: &str) {
    let (Some(fields), Some(schema)) = (object.as_object_mut(), definitions().get(name)) else {
        return;
    };
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    for (field, property) in properties {
        if let Some(default) = default_of(property)
            && is_absent(fields.get(field))
            && !(name == REPLICATION_CONTROLLER && field == "minReadySeconds")
        {
            fields.insert(field.clone(), default.clone());
        }
    }
    special(name, fields);
    let rules = builtin().defaults.get(name).and_then(Value::as_array);
    for _ in 0..ROUNDS {
        for rule in rules.into_iter().flatten() {
            let field = rule["field"].as_str().unwrap_or_default();
            if is_unset(fields.get(field), &rule["value"]) && applies(rule, fields, kind) {
                fields.insert(field.to_owned(), rule["value"].clone());
            }
        }
    }
    for (field, value) in fields.iter_mut() {
        if let Some(property) = properties.get(field) {
            any(property, value, kind);
        }
    }
}

fn any(schema: &Value, value: &mut Value, kind: &str) {
    if let Some(name) = reference(schema) {
        return named(name, value, kind);
    }
    match value {
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| any(&schema["items"], item, kind)),
        Value::Object(fields) => {
            let of = &schema["additionalProperties"];
            fields.values_mut().for_each(|field| any(of, field, kind));
        }
        _ => {}
    }
}

fn is_absent(field: Option<&Value>) -> bool {
    field.is_none_or(Value::is_null)
}

/// As Go sees it: an empty text is none.
fn is_unset(field: Option<&Value>, default: &Value) -> bool {
    is_absent(field) || (field.is_some_and(|field| field == "") && default.is_string())
}

fn applies(rule: &Value, fields: &Map<String, Value>, kind: &str) -> bool {
    rule["when"].as_array().into_iter().flatten().all(|condition| {
        let path = condition["path"].as_str().unwrap_or_default();
        let found = if path == "@kind" {
            Value::from(kind)
        } else {
            let mut steps = path.split('.');
            let first = steps.next().and_then(|step| fields.get(step));
            let found = steps.fold(first, |value, step| value?.get(step));
            match found {
                Some(Value::Object(_) | Value::Array(_)) => json!({}),
                Some(scalar) => scalar.clone(),
                None => Value::Null,
            }
        };
        let among = |word: &str| condition[word].as_array().map(|values| values.contains(&found));
        among("in").unwrap_or(true) && !among("not").unwrap_or(false)
    })
}

/// Defaults that are computed from fields beside them, by schema.
fn special(name: &str, fields: &mut Map<String, Value>) {
    match name {
        "io.k8s.api.core.v1.Container" | "io.k8s.api.core.v1.EphemeralContainer" => {
            pull_policy(fields, "image", "imagePullPolicy");
        }
        "io.k8s.api.core.v1.ImageVolumeSource" => pull_policy(fields, "reference", "pullPolicy"),
        "io.k8s.api.core.v1.Volume"
            if fields
                .iter()
                .all(|(field, value)| field == "name" || value.is_null()) =>
        {
            fields.insert("emptyDir".to_owned(), json!({}));
        }
        "io.k8s.api.core.v1.PodSpec" => {
            let account = fields
                .get("serviceAccountName")
                .or(fields.get("serviceAccount"))
                .cloned();
            if let Some(account) = account.filter(|account| !account.is_null() && account != "") {
                fields.insert("serviceAccount".to_owned(), account.clone());
                fields.insert("serviceAccountName".to_owned(), account);
            }
        }
        "io.k8s.api.core.v1.ServicePort" => {
            let is_none = fields
                .get("targetPort")
                .is_none_or(|port| port.is_null() || port == 0 || port == "");
            if let Some(port) = fields.get("port").filter(|_| is_none).cloned() {
                fields.insert("targetPort".to_owned(), port);
            }
        }
        "io.k8s.api.core.v1.ServiceSpec"
            if fields
                .get("sessionAffinity")
                .is_none_or(|affinity| affinity != "ClientIP") =>
        {
            fields.remove("sessionAffinityConfig");
        }
        "io.k8s.api.core.v1.LimitRangeItem" => limits(fields),
        "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec" => autoscaler(fields),
        "io.k8s.api.networking.v1.NetworkPolicySpec"
            if fields
                .get("policyTypes")
                .and_then(Value::as_array)
                .is_none_or(Vec::is_empty) =>
        {
            let is_egress = fields
                .get("egress")
                .and_then(Value::as_array)
                .is_some_and(|rules| !rules.is_empty());
            let types = if is_egress {
                json!(["Ingress", "Egress"])
            } else {
                json!(["Ingress"])
            };
            fields.insert("policyTypes".to_owned(), types);
        }
        _ => {}
    }
}

fn pull_policy(fields: &mut Map<String, Value>, image: &str, policy: &str) {
    if fields
        .get(policy)
        .is_none_or(|policy| policy.is_null() || policy == "")
    {
        let image = fields.get(image).and_then(Value::as_str).unwrap_or_default();
        let last = image.rsplit('/').next().unwrap_or_default();
        let is_latest = !image.contains('@') && last.split_once(':').is_none_or(|(_, tag)| tag == "latest");
        let word = if is_latest && !image.is_empty() {
            "Always"
        } else {
            "IfNotPresent"
        };
        fields.insert(policy.to_owned(), word.into());
    }
}

/// For containers: the maximum is the default, the default or else the minimum the default request.
fn limits(fields: &mut Map<String, Value>) {
    if fields.get("type").is_none_or(|of| of != "Container") {
        return;
    }
    for (from, to) in [
        ("max", "default"),
        ("default", "defaultRequest"),
        ("min", "defaultRequest"),
    ] {
        let Some(Value::Object(amounts)) = fields.get(from).cloned() else {
            continue;
        };
        let into = fields.entry(to).or_insert_with(|| json!({}));
        for (name, amount) in amounts {
            if into.get(&name).is_none() {
                into[name] = amount;
            }
        }
    }
}

fn autoscaler(fields: &mut Map<String, Value>) {
    if fields
        .get("metrics")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty)
    {
        let target = json!({"type": "Utilization", "averageUtilization": 80});
        let metrics = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
        fields.insert("metrics".to_owned(), metrics);
    }
    let Some(behavior) = fields.get_mut("behavior").filter(|behavior| behavior.is_object()) else {
        return;
    };
    let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let defaults = [
        (
            "scaleUp",
            json!({"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [pods, percent]}),
        ),
        ("scaleDown", json!({"selectPolicy": "Max", "policies": [percent]})),
    ];
    for (way, default) in defaults {
        let rules = field_mut(behavior, way);
        for (name, value) in default.as_object().into_iter().flatten() {
            if is_absent(rules.get(name)) {
                rules.insert(name.clone(), value.clone());
            }
        }
    }
}

/// What must be there before the rules of the parts look at it.
fn before(name: &str, object: &mut Value) {
    match name {
        "io.k8s.api.batch.v1.Job" => {
            let spec = field_mut(object, "spec");
            if is_absent(spec.get("completions")) && is_absent(spec.get("parallelism")) {
                spec.insert("completions".to_owned(), 1.into());
            }
            labels_of_template(object);
        }
        "io.k8s.api.core.v1.ReplicationController" => {
            labels_of_template(object);
            let labels = object["spec"]["template"]["metadata"]["labels"].clone();
            let spec = field_mut(object, "spec");
            if is_absent(spec.get("selector")) && labels.is_object() {
                spec.insert("selector".to_owned(), labels);
            }
        }
        "io.k8s.api.apps.v1.DaemonSet" => {
            let metadata = metadata_mut(object);
            let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
            if annotations.is_object() && annotations.get(TEMPLATE_GENERATION).is_none() {
                annotations[TEMPLATE_GENERATION] = "1".into();
            }
        }
        "io.k8s.api.core.v1.Namespace" => {
            if let Some(name) = object["metadata"]["name"].as_str().map(str::to_owned) {
                let metadata = metadata_mut(object);
                let labels = metadata.entry("labels").or_insert_with(|| json!({}));
                if labels.is_null() {
                    *labels = json!({});
                }
                if labels.is_object() {
                    labels["kubernetes.io/metadata.name"] = name.into();
                }
            }
        }
        "io.k8s.api.core.v1.Secret" => secret(object),
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition" => {
            let kind = object["spec"]["names"]["kind"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            if let Some(names) = object["spec"]["names"]
                .as_object_mut()
                .filter(|_| !kind.is_empty())
            {
                names
                    .entry("singular")
                    .or_insert_with(|| kind.to_lowercase().into());
                names
                    .entry("listKind")
                    .or_insert_with(|| format!("{kind}List").into());
            }
        }
        _ => {}
    }
}

fn labels_of_template(object: &mut Value) {
    let labels = object["spec"]["template"]["metadata"]["labels"].clone();
    let own = &object["metadata"]["labels"];
    if labels.is_object() && own.as_object().is_none_or(Map::is_empty) {
        metadata_mut(object).insert("labels".to_owned(), labels);
    }
}

/// `stringData` is for writing only.
fn secret(object: &mut Value) {
    use base64::Engine as _;
    let Some(Value::Object(texts)) = object
        .as_object_mut()
        .and_then(|fields| fields.remove("stringData"))
    else {
        return;
    };
    let data = field_mut(object, "data");
    for (name, text) in texts {
        let bytes = text.as_str().unwrap_or_default();
        data.insert(
            name,
            base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        );
    }
}

/// What only a Pod gets, and not the templates of pods.
fn after(name: &str, object: &mut Value) {
    if name != "io.k8s.api.core.v1.Pod" {
        return;
    }
    let Some(spec) = object["spec"].as_object_mut() else {
        return;
    };
    spec.entry("enableServiceLinks").or_insert_with(|| true.into());
    let is_host_network = spec.get("hostNetwork").is_some_and(|on| on == true);
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers
            .into_iter()
            .flatten()
            .filter(|container| container.is_object())
        {
            if let Some(limits) = container["resources"]["limits"].as_object().cloned() {
                let requests = field_mut(&mut container["resources"], "requests");
                for (name, amount) in limits {
                    requests.entry(name).or_insert(amount);
                }
            }
            let ports = container["ports"].as_array_mut();
            for port in ports
                .into_iter()
                .flatten()
                .filter(|port| is_host_network && port.is_object())
            {
                if is_absent(port.get("hostPort")) {
                    port["hostPort"] = port["containerPort"].clone();
                }
            }
        }
    }
    let ip = object["status"]["podIP"].as_str().map(str::to_owned);
    if let Some(ip) = ip.filter(|ip| !ip.is_empty())
        && object["status"]["podIPs"][0]["ip"] != ip.as_str()
    {
        object["status"]["podIPs"] = json!([{"ip": ip}]);
    }
}
