//! The `CustomResourceDefinition`s: what the types derive, plus rules, columns and what API servers expect.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};
use kube::CustomResourceExt;

use super::column::columns;
use super::refusal::refusals;
use super::rule::rules;
use super::{
    Bundle, Cluster, ClusterOverridePolicy, ClusterPropagationPolicy, KindRule, OverridePolicy,
    PropagationPolicy, Tenant, WorkloadBinding,
};

/// The CRDs of all kinds, in the order of the documentation. `hub install` applies and `hub crds` prints
/// them; `manifests/crds/` holds them as [`render`]ed.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        Cluster::crd(),
        Tenant::crd(),
        PropagationPolicy::crd(),
        ClusterPropagationPolicy::crd(),
        OverridePolicy::crd(),
        ClusterOverridePolicy::crd(),
        Bundle::crd(),
        KindRule::crd(),
        WorkloadBinding::crd(),
    ];
    crds.iter_mut().for_each(finish);
    crds
}

/// The CRD as a YAML document, the same text at every call.
pub fn render(crd: &CustomResourceDefinition) -> Result<String, serde_saphyr::ser::Error> {
    Ok(format!(
        "# Generated from src/model/api by `make crds`; not edited by hand.\n{}",
        serde_saphyr::to_string(crd)?
    ))
}

fn finish(crd: &mut CustomResourceDefinition) {
    let kind = crd.spec.names.kind.clone();
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns(&kind));
        let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        else {
            continue;
        };
        settle(schema);
        for refusal in refusals(&kind) {
            add_rule(
                schema,
                refusal.path,
                refusal.cel(),
                refusal.message(),
                Some("FieldValueForbidden"),
            );
        }
        for rule in rules(&kind) {
            add_rule(
                schema,
                rule.path,
                rule.cel.to_owned(),
                rule.message.to_owned(),
                None,
            );
        }
        if let Some(conditions) = field_mut(schema, "status.conditions") {
            settle_conditions(conditions);
        }
    }
}

/// What derived schemas say that would be wrong or noisy in a CRD.
fn settle(schema: &mut JSONSchemaProps) {
    // Absent says it; an explicit null is a mistake worth an error.
    schema.nullable = None;
    // A default would be written into people's objects and dirty their diffs.
    schema.default = None;
    if schema
        .format
        .as_deref()
        .is_some_and(|format| format.starts_with("uint"))
    {
        schema.format = Some("int64".to_owned());
    }
    schema
        .properties
        .iter_mut()
        .flat_map(BTreeMap::values_mut)
        .for_each(settle);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        settle(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        settle(values);
    }
}

/// Conditions merge by type, and their texts are bounded as in Kubernetes' own types.
fn settle_conditions(conditions: &mut JSONSchemaProps) {
    conditions.x_kubernetes_list_type = Some("map".to_owned());
    conditions.x_kubernetes_list_map_keys = Some(vec!["type".to_owned()]);
    let bounds = [("type", 316), ("reason", 1024), ("message", 32_768)];
    for (name, max) in bounds {
        if let Some(field) = field_mut(conditions, &format!("[].{name}")) {
            field.max_length = Some(max);
        }
    }
}

fn add_rule(schema: &mut JSONSchemaProps, path: &str, rule: String, message: String, reason: Option<&str>) {
    let Some(field) = field_mut(schema, path) else {
        return;
    };
    field
        .x_kubernetes_validations
        .get_or_insert_with(Vec::new)
        .push(ValidationRule {
            rule,
            message: Some(message),
            reason: reason.map(str::to_owned),
            ..ValidationRule::default()
        });
}

/// The schema at `spec.placement.terms[].clusters`.
fn field_mut<'a>(schema: &'a mut JSONSchemaProps, path: &str) -> Option<&'a mut JSONSchemaProps> {
    let mut at = schema;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let (name, item) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        if !name.is_empty() {
            at = at.properties.as_mut()?.get_mut(name)?;
        }
        if item {
            let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut at.items else {
                return None;
            };
            at = items;
        }
    }
    Some(at)
}

#[cfg(test)]
#[path = "crd_tests.rs"]
mod tests;
