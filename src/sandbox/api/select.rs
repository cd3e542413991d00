//! Which objects of a collection are meant: selectors by label and by field.

use serde_json::Value;

use super::Target;
use crate::sandbox::crd;
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::Origin;
use crate::sandbox::object;

/// Both selectors of a request; the default one selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) labels: Labels,
    pub(crate) fields: Fields,
}

/// A parsed `labelSelector`: all requirements must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Labels(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    Absent,
    Above,
    Below,
}

/// A parsed `fieldSelector`: all terms must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    path: String,
    equal: bool,
    value: String,
}

/// The fields of built-in kinds that may be selected by, besides `metadata.name` and `metadata.namespace`.
const SELECTABLE: [(&str, &str, &[&str]); 11] = [
    (
        "",
        "pods",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
    ),
    (
        "",
        "events",
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
    (
        "events.k8s.io",
        "events",
        &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
    ),
    ("", "namespaces", &["status.phase"]),
    ("", "nodes", &["spec.unschedulable"]),
    ("", "secrets", &["type"]),
    ("", "services", &["spec.clusterIP", "spec.type"]),
    ("", "replicationcontrollers", &["status.replicas"]),
    ("apps", "replicasets", &["status.replicas"]),
    ("batch", "jobs", &["status.successful"]),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        &["spec.signerName"],
    ),
];

impl Selection {
    /// The selectors of a request on a collection, or the refusal that upstream gives.
    pub(crate) fn parse(target: &Target, labels: &str, fields: &str) -> Result<Self, Failure> {
        let selection = Self {
            labels: Labels::parse(labels)?,
            fields: Fields::parse(fields)?,
        };
        for term in &selection.fields.0 {
            if !is_selectable(target, &term.path) {
                let message = format!("field label not supported: {}", term.path);
                return Err(Failure::bad_request(message));
            }
        }
        Ok(selection)
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.labels.0.is_empty() && self.fields.0.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }
}

fn is_selectable(target: &Target, path: &str) -> bool {
    if matches!(path, "metadata.name" | "metadata.namespace") {
        return true;
    }
    match &target.resource.origin {
        Origin::BuiltIn | Origin::Virtual => SELECTABLE
            .iter()
            .find(|(group, plural, _)| target.is(group, plural))
            .is_some_and(|(_, _, paths)| paths.contains(&path)),
        Origin::Custom { .. } => crd::is_selectable(target.served(), path),
    }
}

impl Fields {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let terms = split_unescaped(text).into_iter().filter(|term| !term.is_empty());
        let terms = terms.map(|term| {
            let invalid =
                || Failure::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'"));
            let at = term.find('=').ok_or_else(invalid)?;
            let (left, right) = (&term[..at], &term[at + 1..]);
            let (path, equal) = match left.strip_suffix('!') {
                Some(path) => (path, false),
                None => (left, true),
            };
            let value = right.strip_prefix('=').filter(|_| equal).unwrap_or(right);
            Ok(Term {
                path: path.to_owned(),
                equal,
                value: unescape(value),
            })
        });
        terms.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|term| {
            let value = term.path.split('.').fold(object, |value, step| &value[step]);
            let same = match value {
                Value::Null => term.value.is_empty() || is_off(&term.path, &term.value),
                Value::String(text) => *text == term.value,
                Value::Bool(set) => term.value == if *set { "true" } else { "false" },
                other => term.value == format!("{other}"),
            };
            same == term.equal
        })
    }

    /// The value that a field must have, if there is one.
    pub(crate) fn exactly(&self, path: &str) -> Option<&str> {
        let term = self.0.iter().find(|term| term.equal && term.path == path)?;
        Some(&term.value)
    }
}

/// Booleans and numbers that are left out are selected by their zero.
fn is_off(path: &str, value: &str) -> bool {
    match path {
        "spec.unschedulable" | "spec.hostNetwork" => value == "false",
        "status.replicas" | "status.successful" => value == "0",
        _ => false,
    }
}

fn split_unescaped(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '\\' => escaped = !escaped,
            ',' if !escaped => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => escaped = false,
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.push(if letter == '\\' {
            letters.next().unwrap_or('\\')
        } else {
            letter
        });
    }
    plain
}

impl Labels {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let unable = |why: String| Failure::bad_request(format!("unable to parse requirement: {why}"));
        let mut rest = text.trim();
        let mut requirements = Vec::new();
        while !rest.is_empty() {
            let end = end_of_requirement(rest);
            let one = rest[..end].trim();
            requirements.push(Requirement::parse(one).map_err(unable)?);
            rest = rest[end..].strip_prefix(',').unwrap_or("").trim_start();
        }
        Ok(Self(requirements))
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0
            .iter()
            .all(|requirement| requirement.holds(object::label(object, &requirement.key)))
    }
}

/// The next comma outside of parentheses.
fn end_of_requirement(text: &str) -> usize {
    let mut inside = false;
    text.find(|letter| {
        match letter {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        letter == ',' && !inside
    })
    .unwrap_or(text.len())
}

impl Requirement {
    fn parse(text: &str) -> Result<Self, String> {
        let new = |key: &str, operator, values: Vec<String>| {
            let key = key.trim();
            if key.is_empty()
                || key.contains(|letter: char| letter.is_whitespace() || "!=()<>".contains(letter))
            {
                return Err(format!("found '{text}', expected: identifier"));
            }
            Ok(Self {
                key: key.to_owned(),
                operator,
                values,
            })
        };
        let one = |value: &str| vec![value.trim().to_owned()];
        if let Some(key) = text.strip_prefix('!') {
            return new(key, Operator::Absent, Vec::new());
        }
        if matches!(text.split_whitespace().nth(1), Some("in" | "notin")) && !text.contains('(') {
            return Err("found '' expected: '('".to_owned());
        }
        if let Some((key, set)) = text.split_once('(') {
            let set = set
                .strip_suffix(')')
                .ok_or_else(|| format!("found '{text}', expected: ',' or ')'"))?;
            let values = set.split(',').map(|value| value.trim().to_owned()).collect();
            let mut words = key.split_whitespace();
            return match (words.next(), words.next(), words.next()) {
                (Some(key), Some("in"), None) => new(key, Operator::In, values),
                (Some(key), Some("notin"), None) => new(key, Operator::NotIn, values),
                (_, Some(other), _) => {
                    Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt"))
                }
                _ => Err(format!("found '{text}', expected: identifier")),
            };
        }
        let signs = [
            ("!=", Operator::NotIn),
            ("==", Operator::In),
            ("=", Operator::In),
            (">", Operator::Above),
            ("<", Operator::Below),
        ];
        for (sign, operator) in signs {
            if let Some((key, value)) = text.split_once(sign) {
                return new(key, operator, one(value));
            }
        }
        new(text, Operator::Exists, Vec::new())
    }

    fn holds(&self, value: Option<&str>) -> bool {
        let compared = || {
            let (value, bound) = (
                value?.parse::<i64>().ok()?,
                self.values.first()?.parse::<i64>().ok()?,
            );
            Some(value.cmp(&bound))
        };
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.iter().any(|one| one == value)),
            Operator::NotIn => value.is_none_or(|value| self.values.iter().all(|one| one != value)),
            Operator::Exists => value.is_some(),
            Operator::Absent => value.is_none(),
            Operator::Above => compared().is_some_and(std::cmp::Ordering::is_gt),
            Operator::Below => compared().is_some_and(std::cmp::Ordering::is_lt),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("", true)]
    #[case("app=web", true)]
    #[case("app==web,tier", true)]
    #[case("app!=web", false)]
    #[case("gone!=web", true)]
    #[case("app in (api, web),!gone", true)]
    #[case("app notin (api,web)", false)]
    #[case("gone notin (x)", true)]
    #[case("!tier", false)]
    #[case("size>3", true)]
    #[case("size<3", false)]
    #[case("gone", false)]
    fn a_label_selector_means_what_kubectl_says(#[case] text: &str, #[case] expected: bool) {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "", "size": "4"}}});
        assert_eq!(Labels::parse(text).unwrap().matches(&object), expected);
    }

    #[rstest]
    #[case("app in web")]
    #[case("app in (web")]
    #[case("=web")]
    #[case("app near (web)")]
    fn a_label_selector_that_means_nothing_is_refused(#[case] text: &str) {
        assert_eq!(Labels::parse(text).unwrap_err().code, 400);
    }

    #[rstest]
    #[case("metadata.name=web", true)]
    #[case("metadata.name!=web", false)]
    #[case("spec.nodeName=", true)]
    #[case("spec.nodeName!=", false)]
    #[case("status.phase==Running,metadata.namespace=shop", true)]
    #[case(r"spec.odd=a\,b", true)]
    #[case("spec.unschedulable=false", true)]
    fn a_field_selector_compares_texts(#[case] text: &str, #[case] expected: bool) {
        let object = json!({
            "metadata": {"name": "web", "namespace": "shop"},
            "status": {"phase": "Running"}, "spec": {"odd": "a,b"},
        });
        assert_eq!(Fields::parse(text).unwrap().matches(&object), expected);
    }
}
