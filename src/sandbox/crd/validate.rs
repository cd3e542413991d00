//! What is wrong with a definition.

use serde_json::Value;

use super::condition::{ESTABLISHED, is_true};
use super::structural::{self, invalid, required, unsupported};
use crate::model::schema::Schemas;
use crate::sandbox::failure::Cause;
use crate::sandbox::object::name;

/// What is refused in a definition, in upstream's words. `old` is None for creates. What the schema of definitions
/// finds (missing fields, wrong types) is not repeated here.
pub(crate) fn validate(definition: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    if old.is_none() && name(definition) != format!("{plural}.{group}") {
        let why = r#"must be spec.names.plural+"."+spec.group"#;
        causes.push(invalid("metadata.name", &name(definition).into(), why));
    }
    if !group.is_empty() && !group.contains('.') {
        causes.push(invalid(
            "spec.group",
            &spec["group"],
            "should be a domain with at least one dot",
        ));
    }
    let scope = text(&spec["scope"]);
    if !matches!(scope.as_str(), "" | "Cluster" | "Namespaced") {
        causes.push(unsupported("spec.scope", &scope, &["Cluster", "Namespaced"]));
    }
    names(&spec["names"], &mut causes);
    versions(definition, &mut causes);
    if let Some(old) = old {
        immutable(old, definition, &mut causes);
    }
    causes
}

fn names(names: &Value, causes: &mut Vec<Cause>) {
    for field in ["plural", "singular", "kind", "listKind"] {
        if names[field].as_str().is_none_or(str::is_empty) {
            causes.push(required(&format!("spec.names.{field}"), ""));
        }
    }
}

fn versions(definition: &Value, causes: &mut Vec<Cause>) {
    let all = &definition["spec"]["versions"];
    let listed = all.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut seen = Vec::new();
    // Upstream keeps one schema for all versions apart, and names it so.
    let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
    let same = listed.iter().all(|version| schema(version) == schema(&listed[0]));
    let before = causes.len();
    for (index, version) in listed.iter().enumerate() {
        let at = format!("spec.versions[{index}]");
        let name = version["name"].as_str().unwrap_or_default();
        seen.push(name);
        if !schema(version).is_object() {
            causes.push(required(&format!("{at}.schema.openAPIV3Schema"), ""));
        } else if !same {
            causes.extend(structural::check(
                &schema(version),
                &format!("{at}.schema.openAPIV3Schema"),
            ));
        } else if index == 0 {
            causes.extend(structural::check(
                &schema(version),
                "spec.validation.openAPIV3Schema",
            ));
        }
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() != count {
        causes.push(invalid("spec.versions", all, "must contain unique version names"));
    }
    if listed.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(invalid("spec.versions", all, why));
    }
    if causes.len() == before {
        rules(definition, causes);
    }
}

/// Rules that can't be read are refused. What only our CEL does not know is accepted and not checked.
fn rules(definition: &Value, causes: &mut Vec<Cause>) {
    let Ok(schemas) = Schemas::from_crd(definition) else {
        return;
    };
    let unread =
        |text: &&String| text.contains("there is no variable") || text.contains("the expression at ");
    for rule in schemas.skipped_rules().iter().filter(unread) {
        let (rule, why) = rule.rsplit_once(": failed to compile").unwrap_or((rule, ""));
        let at = "spec.validation.openAPIV3Schema.x-kubernetes-validations";
        causes.push(invalid(at, &rule.into(), &format!("compilation failed{why}")));
    }
}

/// What a kind that is in use can't change, and versions that objects may still be kept in.
fn immutable(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let mut fields = vec!["/spec/group", "/spec/names/plural"];
    if is_true(old, ESTABLISHED) {
        fields.extend(["/spec/scope", "/spec/names/kind"]);
    }
    for field in fields {
        let now = new.pointer(field).unwrap_or(&Value::Null);
        if old.pointer(field) != Some(now) {
            let at = field.trim_start_matches('/').replace('/', ".");
            causes.push(invalid(&at, now, "field is immutable"));
        }
    }
    let stored = new["status"]["storedVersions"].as_array().into_iter().flatten();
    for (index, version) in stored.enumerate() {
        let versions = new["spec"]["versions"].as_array();
        if versions.is_some_and(|all| all.iter().any(|one| one["name"] == *version)) {
            continue;
        }
        let name = version.as_str().unwrap_or_default();
        let why = format!(
            "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until \
             a storage migration ensures no data remains persisted in {name} and removes {name} from \
             status.storedVersions"
        );
        causes.push(invalid(&format!("status.storedVersions[{index}]"), version, &why));
    }
}
