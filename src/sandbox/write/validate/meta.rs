//! Names, labels, annotations and owners.

use serde_json::{Map, Value};

use super::{Change, IMMUTABLE};
use crate::sandbox::failure::Cause;
use crate::sandbox::kinds::Origin;

/// What a name must look like: the longest, the pattern, the words, the examples.
struct Form {
    longest: usize,
    pattern: &'static str,
    words: &'static str,
    examples: &'static [&'static str],
    /// The same as the pattern: every write asks, for every label.
    fits: fn(&str) -> bool,
}

const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const LABEL_VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const LABEL_NAME: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

static SUBDOMAIN_FORM: Form = Form {
    longest: 253,
    pattern: SUBDOMAIN,
    words: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
            start and end with an alphanumeric character",
    examples: &["example.com"],
    fits: |text| text.split('.').all(is_label),
};

static LABEL_FORM: Form = Form {
    longest: 63,
    pattern: LABEL,
    words: "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
            end with an alphanumeric character",
    examples: &["my-name", "123-abc"],
    fits: is_label,
};

static LABEL_VALUE_FORM: Form = Form {
    longest: 63,
    pattern: LABEL_VALUE,
    words: "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
            start and end with an alphanumeric character",
    examples: &["MyValue", "my_value", "12345"],
    fits: |text| text.is_empty() || is_label_name(text),
};

static LABEL_NAME_FORM: Form = Form {
    longest: 63,
    pattern: LABEL_NAME,
    words: "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
            character",
    examples: &["MyName", "my.name", "123-abc"],
    fits: is_label_name,
};

fn is_label(text: &str) -> bool {
    let is_letter = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    has_edges(text, is_letter, |letter| letter == b'-')
}

fn is_label_name(text: &str) -> bool {
    has_edges(
        text,
        |letter| letter.is_ascii_alphanumeric(),
        |letter| b"-_.".contains(&letter),
    )
}

/// Letters all over, and others between them.
fn has_edges(text: &str, is_letter: impl Fn(u8) -> bool, may_stand_inside: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let edges = [bytes.first(), bytes.last()];
    edges
        .iter()
        .all(|edge| edge.is_some_and(|letter| is_letter(*letter)))
        && bytes
            .iter()
            .all(|letter| is_letter(*letter) || may_stand_inside(*letter))
}

impl Form {
    /// What is wrong with a text.
    fn judge(&self, text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        if text.len() > self.longest {
            problems.push(format!("must be no more than {} bytes", self.longest));
        }
        if !(self.fits)(text) {
            let examples: Vec<String> = self.examples.iter().map(|one| format!("'{one}', ")).collect();
            problems.push(format!(
                "{} (e.g. {}regex used for validation is '{}')",
                self.words,
                examples.join(" or "),
                self.pattern
            ));
        }
        problems
    }
}

/// All annotations of an object together.
const ANNOTATIONS: usize = 256 << 10;

pub(super) fn check(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let metadata = &change.new["metadata"];
    match change.old {
        None => name(change, metadata, causes),
        Some(old) => unchanged(&old["metadata"], metadata, causes),
    }
    labels(metadata.get("labels"), "metadata.labels", causes);
    let annotations = metadata["annotations"].as_object();
    let size: usize = annotations
        .into_iter()
        .flatten()
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    for key in annotations.into_iter().flat_map(Map::keys) {
        qualified(&key.to_lowercase(), key, "metadata.annotations", causes);
    }
    if size > ANNOTATIONS {
        causes.push(Cause::too_long("metadata.annotations", ANNOTATIONS));
    }
    owners(metadata, causes);
    let is_core = matches!(change.resource.origin, Origin::BuiltIn)
        && !matches!(
            &*change.resource.group,
            "apiextensions.k8s.io" | "apiregistration.k8s.io"
        );
    finalizers(change.old, metadata, is_core, causes);
}

/// Finalizers that need no prefix, of kinds of the main server.
const STANDARD: &[&str] = &["kubernetes", "orphan", "foregroundDeletion"];

fn finalizers(old: Option<&Value>, metadata: &Value, is_core: bool, causes: &mut Vec<Cause>) {
    let list = |metadata: &Value| metadata["finalizers"].as_array().cloned().unwrap_or_default();
    let (field, new) = ("metadata.finalizers", list(metadata));
    for (at, finalizer) in new.iter().enumerate() {
        let text = finalizer.as_str().unwrap_or_default();
        qualified(text, text, field, causes);
        if is_core && !text.contains('/') && !STANDARD.contains(&text) {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(format!("{field}[{at}]"), finalizer, why));
        }
    }
    let Some(old) = old
        .map(|old| &old["metadata"])
        .filter(|old| !old["deletionTimestamp"].is_null())
    else {
        return;
    };
    let before = list(old);
    let added: Vec<String> = new
        .iter()
        .filter(|one| !before.contains(one))
        .map(Value::to_string)
        .collect();
    if !added.is_empty() {
        let why = "no new finalizers can be added if the object is being deleted, found new finalizers";
        causes.push(Cause::forbidden(
            field,
            &format!("{why} []string{{{}}}", added.join(", ")),
        ));
    }
}

fn name(change: &Change<'_>, metadata: &Value, causes: &mut Vec<Cause>) {
    let name = metadata["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        if metadata["generateName"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(
                "metadata.name",
                "name or generateName is required",
            ));
        }
        return;
    }
    let group = &*change.resource.group;
    let problems = match (group, &*change.resource.plural) {
        ("", "namespaces" | "services") => LABEL_FORM.judge(name),
        ("rbac.authorization.k8s.io" | "certificates.k8s.io" | "apiregistration.k8s.io", _) => segment(name),
        _ => SUBDOMAIN_FORM.judge(name),
    };
    let value = Value::from(name);
    causes.extend(
        problems
            .iter()
            .map(|why| Cause::invalid("metadata.name", &value, why)),
    );
}

/// What may stand in a path.
fn segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    let wrong = ["/", "%"].into_iter().filter(|part| name.contains(*part));
    wrong.map(|part| format!("may not contain '{part}'")).collect()
}

/// What an update may not change. An update that leaves one of them out was filled in before.
fn unchanged(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    for field in ["name", "namespace", "uid", "creationTimestamp"] {
        if old.get(field) != new.get(field) {
            let value = new.get(field).cloned().unwrap_or_else(|| "".into());
            causes.push(Cause::invalid(format!("metadata.{field}"), &value, IMMUTABLE));
        }
    }
}

/// The labels of an object or of a template.
pub(super) fn labels(labels: Option<&Value>, field: &str, causes: &mut Vec<Cause>) {
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        qualified(key, key, field, causes);
        let text = value.as_str().unwrap_or_default();
        causes.extend(
            LABEL_VALUE_FORM
                .judge(text)
                .iter()
                .map(|why| Cause::invalid(field, value, why)),
        );
    }
}

/// `prefix/name` or `name`.
fn qualified(key: &str, shown: &str, field: &str, causes: &mut Vec<Cause>) {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let mut problems: Vec<String> = Vec::new();
    match prefix {
        Some("") => problems.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => {
            problems.extend(
                SUBDOMAIN_FORM
                    .judge(prefix)
                    .iter()
                    .map(|why| format!("prefix part {why}")),
            );
        }
        None => {}
    }
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    }
    problems.extend(
        LABEL_NAME_FORM
            .judge(name)
            .iter()
            .map(|why| format!("name part {why}")),
    );
    let value = Value::from(shown);
    causes.extend(problems.iter().map(|why| Cause::invalid(field, &value, why)));
}

fn owners(metadata: &Value, causes: &mut Vec<Cause>) {
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    let mut controllers = 0;
    for owner in owners {
        for (field, why) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if owner[field].as_str().unwrap_or_default().is_empty() {
                causes.push(Cause::invalid(
                    format!("metadata.ownerReferences.{field}"),
                    Value::from(""),
                    why,
                ));
            }
        }
        controllers += i32::from(owner["controller"] == true);
    }
    if controllers > 1 {
        causes.push(Cause::invalid(
            "metadata.ownerReferences",
            &metadata["ownerReferences"],
            "Only one reference can have Controller set to true",
        ));
    }
}
