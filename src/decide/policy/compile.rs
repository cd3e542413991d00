//! A policy with its selectors compiled.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use kube::Resource as _;

use crate::model::api::{
    self, ClusterPropagationPolicy, PolicyKind, PropagationPolicy, PropagationPolicySpec, ResourceSelector,
};
use crate::model::kind;
use crate::model::mark;
use crate::model::name::{self, GroupVersionKind, NamespaceName, ObjectName};
use crate::model::pod::LabelMatcher;
use crate::model::template::Template;

/// Which policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId {
    /// Which of the two kinds.
    pub kind: PolicyKind,
    /// None for a `ClusterPropagationPolicy`.
    pub namespace: Option<NamespaceName>,
    /// Its name.
    pub name: ObjectName,
}

impl PolicyId {
    /// The policy that a binding in this namespace names.
    #[must_use]
    pub fn of_binding(reference: &api::PolicyRef, namespace: &NamespaceName) -> Self {
        Self {
            kind: reference.kind,
            namespace: (reference.kind == PolicyKind::PropagationPolicy).then(|| namespace.clone()),
            name: reference.name.clone(),
        }
    }
}

impl fmt::Display for PolicyId {
    /// `PropagationPolicy shop/web`, `ClusterPropagationPolicy base`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "PropagationPolicy {namespace}/{}", self.name),
            None => write!(f, "ClusterPropagationPolicy {}", self.name),
        }
    }
}

/// A policy, ready to be asked.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Which policy.
    pub id: PolicyId,
    /// `metadata.generation`
    pub generation: i64,
    /// `metadata.creationTimestamp`: the older of two equals wins.
    pub created: Option<Timestamp>,
    /// What it says.
    pub spec: Arc<PropagationPolicySpec>,
    /// What is wrong with its selectors. Such a selector claims nothing new, and lets go of nothing.
    pub problems: Vec<String>,
    selectors: Vec<Selector>,
}

/// How exactly a selector names what it selects; the more exact one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Exactness {
    /// By name.
    Name,
    /// By labels.
    Labels,
    /// By kind.
    Kind,
    /// By `"*"`.
    Any,
}

impl fmt::Display for Exactness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "by name",
            Self::Labels => "by labels",
            Self::Kind => "by kind",
            Self::Any => "by \"*\"",
        })
    }
}

/// Whether a policy selects a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selection {
    No,
    /// A selector that could not be compiled may have meant it.
    Unclear,
    Yes(Exactness),
}

#[derive(Debug, Clone)]
pub(super) struct Selector {
    /// None: any group.
    group: Option<Arc<str>>,
    /// None: any kind.
    kind: Option<Arc<str>>,
    name: Option<ObjectName>,
    labels: Labels,
}

#[derive(Debug, Clone)]
enum Labels {
    Any,
    Matching(LabelMatcher),
    Broken,
}

impl Policy {
    /// Compiles a `PropagationPolicy`.
    pub fn of(policy: &PropagationPolicy) -> Result<Self, name::Error> {
        let meta = policy.meta();
        let namespace = NamespaceName::parse(meta.namespace.as_deref().unwrap_or_default())?;
        let name = ObjectName::parse(meta.name.as_deref().unwrap_or_default())?;
        let id = PolicyId {
            kind: PolicyKind::PropagationPolicy,
            namespace: Some(namespace),
            name,
        };
        Ok(Self::compile(id, meta, &policy.spec))
    }

    /// Compiles a `ClusterPropagationPolicy`.
    pub fn of_cluster(policy: &ClusterPropagationPolicy) -> Result<Self, name::Error> {
        let meta = policy.meta();
        let id = PolicyId {
            kind: PolicyKind::ClusterPropagationPolicy,
            namespace: None,
            name: ObjectName::parse(meta.name.as_deref().unwrap_or_default())?,
        };
        Ok(Self::compile(id, meta, &policy.spec.policy))
    }

    fn compile(id: PolicyId, meta: &kube::core::ObjectMeta, spec: &PropagationPolicySpec) -> Self {
        let (selectors, problems) = Selector::compile_all(&spec.resource_selectors);
        Self {
            id,
            generation: meta.generation.unwrap_or_default(),
            created: meta.creation_timestamp.as_ref().map(|time| time.0),
            spec: Arc::new(spec.clone()),
            problems,
            selectors,
        }
    }

    /// How a binding names it.
    #[must_use]
    pub fn reference(&self) -> api::PolicyRef {
        api::PolicyRef {
            kind: self.id.kind,
            name: self.id.name.clone(),
            generation: self.generation,
        }
    }

    /// The kinds that its selectors name, with the place of each selector. `None` as group stands for any.
    pub fn named_kinds(&self) -> impl Iterator<Item = (usize, Option<&str>, &str)> {
        let selectors = self.selectors.iter().enumerate();
        selectors
            .filter_map(|(at, selector)| Some((at, selector.group.as_deref(), selector.kind.as_deref()?)))
    }

    /// The kinds it names, None for any.
    pub(super) fn kinds(&self) -> impl Iterator<Item = Option<&str>> {
        self.selectors.iter().map(|selector| selector.kind.as_deref())
    }

    /// The most exact way in which it selects the template.
    pub(super) fn selects(&self, template: &Template) -> Selection {
        let mut best = Selection::No;
        for selector in &self.selectors {
            match (selector.selects(template), best) {
                (Selection::Yes(new), Selection::Yes(old)) if new >= old => {}
                (yes @ Selection::Yes(_), _) => best = yes,
                (Selection::Unclear, Selection::No) => best = Selection::Unclear,
                _ => {}
            }
        }
        best
    }

    /// The most exact way in which it names the template, though that is never propagated.
    pub(super) fn asks_for(&self, template: &Template) -> Option<Exactness> {
        let asking = self
            .selectors
            .iter()
            .filter(|selector| selector.asks_for(template));
        asking.map(Selector::exactness).min()
    }
}

impl Selector {
    /// All selectors, and what is wrong with those that can't be read.
    pub(super) fn compile_all(selectors: &[ResourceSelector]) -> (Vec<Self>, Vec<String>) {
        let mut problems = Vec::new();
        let compiled = selectors
            .iter()
            .enumerate()
            .map(|(at, selector)| match Self::compile(selector) {
                Ok(selector) => selector,
                Err(problem) => {
                    problems.push(format!("spec.resourceSelectors[{at}]: {problem}"));
                    Self::broken(selector)
                }
            })
            .collect();
        (compiled, problems)
    }

    fn compile(selector: &ResourceSelector) -> Result<Self, String> {
        let mut compiled = Self::without_labels(selector)?;
        if let Some(labels) = &selector.label_selector {
            compiled.labels =
                Labels::Matching(LabelMatcher::compile(labels).map_err(|error| error.to_string())?);
        }
        Ok(compiled)
    }

    /// Of what can't be read, it is taken to mean anything.
    fn broken(selector: &ResourceSelector) -> Self {
        let anything = Self {
            group: None,
            kind: None,
            name: selector.name.clone(),
            labels: Labels::Broken,
        };
        Self {
            labels: Labels::Broken,
            ..Self::without_labels(selector).unwrap_or(anything)
        }
    }

    fn without_labels(selector: &ResourceSelector) -> Result<Self, String> {
        let kind = (selector.kind != "*").then(|| selector.kind.as_str().into());
        let group = if selector.api_version == "*" {
            None
        } else {
            let kind = kind.as_deref().unwrap_or("Any");
            let read = GroupVersionKind::from_api_version(&selector.api_version, kind);
            Some(read.map_err(|error| error.to_string())?.group)
        };
        Ok(Self {
            group,
            kind,
            name: selector.name.clone(),
            labels: Labels::Any,
        })
    }

    /// Whether group, kind and name are the template's.
    fn is_of(&self, template: &Template) -> bool {
        let key = &template.key;
        self.group.as_ref().is_none_or(|group| *group == key.group)
            && self.kind.as_ref().is_none_or(|kind| *kind == key.kind)
            && self.name.as_ref().is_none_or(|name| *name == key.name)
    }

    fn exactness(&self) -> Exactness {
        match (&self.name, &self.labels, &self.kind) {
            (Some(_), _, _) => Exactness::Name,
            (None, Labels::Matching(_), _) => Exactness::Labels,
            (None, _, Some(_)) => Exactness::Kind,
            (None, _, None) => Exactness::Any,
        }
    }

    pub(super) fn selects(&self, template: &Template) -> Selection {
        if !self.is_of(template) || template.never_selected(self.kind.is_some()).is_some() {
            return Selection::No;
        }
        match &self.labels {
            Labels::Broken => Selection::Unclear,
            Labels::Matching(labels) if !labels.matches(&template.labels) => Selection::No,
            _ => Selection::Yes(self.exactness()),
        }
    }

    /// Whether somebody meant this very template: its name is given, or its kind where people write all of that
    /// kind. A `"*"` asks for nothing in particular.
    fn asks_for(&self, template: &Template) -> bool {
        let meant = self.name.is_some()
            || (kind::is_told_of_each(&template.key.group_kind())
                && !template.controlled
                && !template.labels.contains_key(mark::SYSTEM));
        let labelled = match &self.labels {
            Labels::Any => true,
            Labels::Matching(labels) => labels.matches(&template.labels),
            Labels::Broken => false,
        };
        self.kind.is_some() && meant && labelled && self.is_of(template)
    }
}
