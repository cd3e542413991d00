//! One rule of a role: what it lets somebody do.

use serde_json::Value;

use super::Attributes;

/// A `PolicyRule`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) verbs: Vec<Box<str>>,
    pub(super) groups: Vec<Box<str>>,
    pub(super) resources: Vec<Box<str>>,
    pub(super) names: Vec<Box<str>>,
    pub(super) urls: Vec<Box<str>>,
}

impl Rule {
    pub(super) fn read(rule: &Value) -> Self {
        let texts = |field: &str| -> Vec<Box<str>> {
            let texts = rule[field].as_array().into_iter().flatten();
            texts.filter_map(Value::as_str).map(Into::into).collect()
        };
        Self {
            verbs: texts("verbs"),
            groups: texts("apiGroups"),
            resources: texts("resources"),
            names: texts("resourceNames"),
            urls: texts("nonResourceURLs"),
        }
    }

    /// The rules of a Role or ClusterRole.
    pub(super) fn read_all(role: &Value) -> Vec<Self> {
        let rules = role["rules"].as_array();
        rules.into_iter().flatten().map(Self::read).collect()
    }

    pub(super) fn allows(&self, attributes: &Attributes<'_>) -> bool {
        match *attributes {
            Attributes::Resource {
                verb,
                group,
                resource,
                subresource,
                name,
                ..
            } => {
                has_or_all(&self.verbs, verb)
                    && has_or_all(&self.groups, group)
                    && self.resources.iter().any(|of| means(of, resource, subresource))
                    && (self.names.is_empty() || has(&self.names, name))
            }
            Attributes::Path { verb, path } => {
                has_or_all(&self.verbs, verb) && self.urls.iter().any(|url| matches_url(url, path))
            }
        }
    }

    /// Whether who has this rule has also the other, which is one verb on one thing.
    pub(super) fn covers(&self, one: &Self) -> bool {
        let all = |mine: &[Box<str>], theirs: &[Box<str>]| theirs.iter().all(|text| has(mine, text));
        (has(&self.verbs, "*") || all(&self.verbs, &one.verbs))
            && (has(&self.groups, "*") || all(&self.groups, &one.groups))
            && one.resources.iter().all(|resource| self.has_resource(resource))
            && one
                .urls
                .iter()
                .all(|url| self.urls.iter().any(|mine| matches_url(mine, url)))
            && (self.names.is_empty() || (!one.names.is_empty() && all(&self.names, &one.names)))
    }

    fn has_resource(&self, wanted: &str) -> bool {
        let (resource, subresource) = wanted.split_once('/').unwrap_or((wanted, ""));
        self.resources.iter().any(|of| means(of, resource, subresource))
    }

    /// The same as rules of one verb on one thing each.
    pub(super) fn parts(&self) -> Vec<Self> {
        let mut parts = Vec::new();
        let one = |text: &str| vec![Box::from(text)];
        for group in &self.groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let part = Self {
                        verbs: one(verb),
                        groups: one(group),
                        resources: one(resource),
                        ..Self::default()
                    };
                    if self.names.is_empty() {
                        parts.push(part);
                    } else {
                        parts.extend(self.names.iter().map(|name| Self {
                            names: one(name),
                            ..part.clone()
                        }));
                    }
                }
            }
        }
        for url in &self.urls {
            parts.extend(self.verbs.iter().map(|verb| Self {
                verbs: one(verb),
                urls: one(url),
                ..Self::default()
            }));
        }
        parts
    }
}

/// As refusals print it: `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`.
impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lists = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.urls),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let shown: Vec<String> = lists
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| format!("{name}:{}", quoted(list)))
            .collect();
        write!(f, "{{{}}}", shown.join(", "))
    }
}

/// A list as Go's `%q` prints it: `["a" "b"]`.
pub(super) fn quoted<T: AsRef<str>>(list: &[T]) -> String {
    let texts: Vec<String> = list.iter().map(|text| format!("{:?}", text.as_ref())).collect();
    format!("[{}]", texts.join(" "))
}

fn has(list: &[Box<str>], text: &str) -> bool {
    list.iter().any(|one| **one == *text)
}

fn has_or_all(list: &[Box<str>], text: &str) -> bool {
    list.iter().any(|one| **one == *text || **one == *"*")
}

/// `*`, `pods`, `pods/log` and `*/scale` of a rule against a resource and its subresource.
fn means(rule: &str, resource: &str, subresource: &str) -> bool {
    match rule.split_once('/') {
        None => rule == "*" || (rule == resource && subresource.is_empty()),
        Some((of, sub)) => !subresource.is_empty() && sub == subresource && (of == "*" || of == resource),
    }
}

fn matches_url(rule: &str, path: &str) -> bool {
    rule == path || (rule.ends_with('*') && path.starts_with(rule.trim_end_matches('*')))
}
