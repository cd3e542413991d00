//! From objects as they were sent and as they came back to rules of what the server adds.
//!
//! A rule belongs to a schema: `field` gets `value` where it is absent. When the server does not add it everywhere, the
//! rule has a condition on one other field, of the same object or of one that it lies in: the simplest that tells the
//! cases apart.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// What admission, allocation and code of its own fill in: the sandbox has code for these.
const NOT_DEFAULTS: &[(&str, &str)] = &[
    ("Container", "imagePullPolicy"),
    ("Container", "resources"),
    ("ContainerPort", "hostPort"),
    ("ServicePort", "targetPort"),
    ("ServicePort", "nodePort"),
    ("ServiceSpec", "clusterIP"),
    ("ServiceSpec", "clusterIPs"),
    ("ServiceSpec", "ipFamilies"),
    ("ServiceSpec", "ipFamilyPolicy"),
    ("ServiceSpec", "healthCheckNodePort"),
    ("PodSpec", "serviceAccount"),
    ("JobSpec", "selector"),
    ("JobSpec", "completions"),
    ("NamespaceSpec", "finalizers"),
    ("ResourceRequirements", "requests"),
    ("LimitRangeItem", "default"),
    ("LimitRangeItem", "defaultRequest"),
    ("HorizontalPodAutoscalerSpec", "metrics"),
    ("NetworkPolicySpec", "policyTypes"),
    ("HPAScalingRules", "policies"),
    ("HPAScalingRules", "stabilizationWindowSeconds"),
    ("HPAScalingPolicy", "type"),
    ("HPAScalingPolicy", "value"),
    ("HPAScalingPolicy", "periodSeconds"),
    ("MetricSpec", "resource"),
    ("MetricSpec", "type"),
    ("MetricTarget", "type"),
    ("MetricTarget", "averageUtilization"),
    ("ResourceMetricSource", "name"),
    ("LabelSelector", "matchLabels"),
    ("ObjectMeta", "labels"),
    ("NodeSpec", "taints"),
    ("Taint", "effect"),
    ("Taint", "key"),
    ("Volume", "emptyDir"),
    ("PersistentVolumeStatus", "lastPhaseTransitionTime"),
];

/// The kind of the whole object, as conditions name it.
const KIND: &str = "@kind";

/// How many objects up a condition may look.
const UP: usize = 2;

/// One object of one schema, in one answer.
struct Case {
    /// Fields that the probe set.
    sent: BTreeSet<String>,
    /// As it came back.
    fields: Map<String, Value>,
    /// Its own and its parents' fields, as a condition may name them: `type`, `^.strategy.type`.
    scene: BTreeMap<String, Value>,
}

pub(crate) struct Lessons<'d> {
    definitions: &'d Map<String, Value>,
    cases: BTreeMap<String, Vec<Case>>,
    /// Of the probe that is being looked at.
    kind: Value,
}

impl<'d> Lessons<'d> {
    pub(crate) fn new(definitions: &'d Map<String, Value>) -> Self {
        Self {
            definitions,
            cases: BTreeMap::new(),
            kind: Value::Null,
        }
    }

    /// Takes in a probe and its answer. Metadata is not defaulted but made, and so is status but of volumes.
    pub(crate) fn see(&mut self, schema: &str, sent: &Value, got: &Value) {
        self.kind = sent["kind"].clone();
        let mut got = got.clone();
        let is_volume = schema.contains("PersistentVolume");
        if let Some(fields) = got.as_object_mut() {
            fields.retain(|name, _| match name.as_str() {
                "apiVersion" | "kind" | "metadata" => false,
                "status" => is_volume,
                _ => true,
            });
        }
        self.named(schema, Some(sent), &got, &[]);
    }

    fn named(&mut self, name: &str, sent: Option<&Value>, got: &Value, parents: &[&Map<String, Value>]) {
        let Some(fields) = got.as_object() else { return };
        let Some(schema) = self.definitions.get(name) else {
            return;
        };
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        let sent_fields = sent.and_then(Value::as_object);
        let case = Case {
            sent: sent_fields.into_iter().flat_map(Map::keys).cloned().collect(),
            fields: fields.clone(),
            scene: self.scene(fields, parents),
        };
        self.cases.entry(name.to_owned()).or_default().push(case);
        let mut below = vec![fields];
        below.extend(parents.iter().take(UP));
        for (field, value) in fields {
            if let Some(property) = properties.get(field) {
                let sent = sent_fields.and_then(|sent| sent.get(field));
                self.value(property, sent, value, &below);
            }
        }
    }

    fn value(&mut self, schema: &Value, sent: Option<&Value>, got: &Value, parents: &[&Map<String, Value>]) {
        if let Some(name) = reference(schema) {
            return self.named(name, sent, got, parents);
        }
        match got {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let sent = sent.and_then(|sent| sent.get(index));
                    self.value(&schema["items"], sent, item, parents);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    let sent = sent.and_then(|sent| sent.get(name));
                    self.value(&schema["additionalProperties"], sent, field, parents);
                }
            }
            _ => {}
        }
    }

    /// Fields that are objects or lists are shown as `{}`: only whether they are there may matter.
    fn scene(&self, fields: &Map<String, Value>, parents: &[&Map<String, Value>]) -> BTreeMap<String, Value> {
        let mut scene = BTreeMap::from([(KIND.to_owned(), self.kind.clone())]);
        let mut prefix = String::new();
        let is_deep = |value: &Value| value.is_object() || value.is_array();
        for fields in std::iter::once(&fields).chain(parents) {
            for (name, value) in *fields {
                for (below, value) in value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(_, value)| !is_deep(value))
                {
                    scene.insert(format!("{prefix}{name}.{below}"), value.clone());
                }
                let shown = if is_deep(value) { json!({}) } else { value.clone() };
                scene.insert(format!("{prefix}{name}"), shown);
            }
            prefix += "^.";
        }
        scene
    }

    /// All rules, by schema.
    pub(crate) fn rules(&self) -> Value {
        let mut rules = Map::new();
        for (name, cases) in &self.cases {
            let short = name.rsplit('.').next().unwrap_or_default();
            let added: BTreeSet<&String> = cases
                .iter()
                .flat_map(|case| case.fields.keys().filter(|field| !case.sent.contains(*field)))
                .filter(|field| !NOT_DEFAULTS.contains(&(short, field.as_str())))
                .collect();
            let of: Vec<Value> = added
                .into_iter()
                .flat_map(|field| self.rules_of(name, field, cases))
                .collect();
            if !of.is_empty() {
                rules.insert(name.clone(), of.into());
            }
        }
        Value::Object(rules)
    }

    fn rules_of(&self, name: &str, field: &str, cases: &[Case]) -> Vec<Value> {
        let property = &self.definitions[name]["properties"][field];
        let is_object = reference(property)
            .and_then(|name| self.definitions.get(name))
            .is_some_and(|schema| schema["properties"].is_object());
        // What a new object holds is learned as its own schema's.
        let shown = |value: &Value| {
            if is_object && value.is_object() {
                json!({})
            } else {
                value.clone()
            }
        };
        let judged: Vec<(Value, &Case)> = cases
            .iter()
            .filter(|case| !case.sent.contains(field))
            .map(|case| (case.fields.get(field).map_or(Value::Null, shown), case))
            .collect();
        let mut values: Vec<&Value> = Vec::new();
        for (value, _) in &judged {
            if !value.is_null() && !values.contains(&value) {
                values.push(value);
            }
        }
        let mut rules = Vec::new();
        for value in values {
            if property["default"] == *value {
                continue;
            }
            let (with, without): (Vec<_>, Vec<_>) = judged.iter().partition(|(other, _)| other == value);
            let mut rule = json!({"field": field, "value": value});
            if !without.is_empty() {
                let Some(when) = conditions(field, &with, &without) else {
                    eprintln!("hint: nothing tells when {name} gets {field}: {value}");
                    continue;
                };
                rule["when"] = when.into();
            }
            rules.push(rule);
        }
        rules
    }
}

/// One condition, or first one on the kind of the whole object and then another.
fn conditions(field: &str, with: &[&(Value, &Case)], without: &[&(Value, &Case)]) -> Option<Vec<Value>> {
    if let Some(one) = condition(field, with, without) {
        return Some(vec![one]);
    }
    let kinds: BTreeSet<String> = with
        .iter()
        .map(|(_, case)| case.scene[KIND].to_string())
        .collect();
    let rest: Vec<_> = without
        .iter()
        .copied()
        .filter(|(_, case)| kinds.contains(&case.scene[KIND].to_string()))
        .collect();
    let kinds: Vec<Value> = kinds
        .iter()
        .filter_map(|kind| serde_json::from_str(kind).ok())
        .collect();
    Some(vec![
        json!({"path": KIND, "in": kinds}),
        condition(field, with, &rest)?,
    ])
}

/// The simplest condition that holds in all of the first and in none of the second.
fn condition(field: &str, with: &[&(Value, &Case)], without: &[&(Value, &Case)]) -> Option<Value> {
    let paths: BTreeSet<&String> = with
        .iter()
        .chain(without)
        .flat_map(|(_, case)| case.scene.keys())
        .collect();
    let mut paths: Vec<&String> = paths
        .into_iter()
        .filter(|path| !path.split('.').any(|part| part == field))
        .filter(|path| !path.ends_with("name") && !path.ends_with("path") && !path.ends_with("image"))
        .collect();
    // The nearest first, and among them what names a kind of thing.
    paths.sort_by_key(|path| {
        let is_type = path.to_lowercase().ends_with("type");
        (
            !is_type,
            *path != KIND,
            path.matches('^').count(),
            path.matches('.').count(),
            path.len(),
        )
    });
    for path in paths {
        let values = |cases: &[&(Value, &Case)]| {
            let mut values: Vec<Value> = Vec::new();
            for (_, case) in cases {
                let value = case.scene.get(path).cloned().unwrap_or(Value::Null);
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            values
        };
        let (holds, fails) = (values(with), values(without));
        if holds.iter().all(|value| !fails.contains(value)) {
            let fewer_fail = fails.len() < holds.len() || fails == [Value::Null];
            let (word, values) = if fewer_fail { ("not", fails) } else { ("in", holds) };
            return Some(json!({"path": path, word: values}));
        }
    }
    None
}

fn reference(schema: &Value) -> Option<&str> {
    let text = match (&schema["$ref"], schema["allOf"].get(0)) {
        (Value::String(text), _) => text,
        (_, Some(only)) => only["$ref"].as_str()?,
        _ => return None,
    };
    text.rsplit('/').next()
}
