//! What a Bundle carries, each object read as a template of its own.

use serde_json::{Value, json};

use super::Template;
use crate::model::api;
use crate::model::kind::{Kinds, Stage};
use crate::model::name::{GroupKind, GroupVersionKind, ObjectKey, ObjectName};

/// What a Bundle carries.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bundle {
    /// Its objects in the order in which they are applied. All are in the Bundle's namespace as far as they have one,
    /// which only a member's discovery tells. None when there is a [`Self::problem`].
    pub items: Vec<Template>,
    /// The Secrets that go with them.
    pub secrets: Vec<ObjectName>,
    /// Why nothing of it can be propagated, for people.
    pub problem: Option<String>,
}

/// Whether objects of the kind carry others.
#[must_use]
pub fn is_bundle(kind: &GroupKind) -> bool {
    *kind.group == *api::GROUP && *kind.kind == *api::BUNDLE
}

impl Bundle {
    /// Reads what the Bundle with this key and body carries. A part that can't be propagated makes all of it unusable:
    /// half an application is worse than the one that runs.
    pub(super) fn read(key: &ObjectKey, body: &Value, kinds: &Kinds) -> Self {
        let list = |pointer| body.pointer(pointer).and_then(Value::as_array);
        let mut items: Vec<Template> = Vec::new();
        for (index, manifest) in list("/spec/manifests").into_iter().flatten().enumerate() {
            let read = item(key, manifest, kinds).and_then(|item| {
                let twice = items.iter().any(|other| other.key == item.key);
                if twice {
                    Err(format!("{} stands in it twice", shown(&item.key)))
                } else {
                    Ok(item)
                }
            });
            match read {
                Ok(item) => items.push(item),
                Err(problem) => {
                    return Self {
                        problem: Some(format!("spec.manifests[{index}]: {problem}")),
                        ..Self::default()
                    };
                }
            }
        }
        items.sort_by_key(|item| Stage::of(&item.key.group_kind()));
        let secrets = list("/spec/secrets").into_iter().flatten();
        let secrets = secrets.filter_map(|secret| ObjectName::parse(secret.get("name")?.as_str()?).ok());
        Self {
            items,
            secrets: secrets.collect(),
            problem: None,
        }
    }

    /// Whether it carries this object.
    #[must_use]
    pub fn has(&self, key: &ObjectKey) -> bool {
        self.items.iter().any(|item| item.key == *key)
    }

    /// Whether one of its `CustomResourceDefinition`s defines the kind: a member serves it only after that.
    #[must_use]
    pub fn defines(&self, kind: &GroupKind) -> bool {
        self.items.iter().filter(|item| is_definition(item)).any(|item| {
            let body = item.value();
            let says = |pointer, text: &str| body.pointer(pointer).and_then(Value::as_str) == Some(text);
            says("/spec/group", &kind.group) && says("/spec/names/kind", &kind.kind)
        })
    }

    /// The kinds that a member must serve before any of it is there, each once.
    #[must_use]
    pub fn kinds(&self) -> Vec<GroupVersionKind> {
        let mut kinds: Vec<GroupVersionKind> = Vec::new();
        for item in &self.items {
            let kind = item.gvk.group_kind();
            if kinds.iter().all(|known| known.group_kind() != kind) && !self.defines(&kind) {
                kinds.push(item.gvk.clone());
            }
        }
        kinds
    }

    /// Whether a workload in it has its replicas set by an autoscaler in it.
    #[must_use]
    pub fn scales(&self, workload: &ObjectKey) -> bool {
        self.items.iter().any(|item| {
            let target = item.scales.as_ref();
            target.is_some_and(|(kind, name)| *kind == workload.group_kind() && *name == *workload.name)
        })
    }
}

fn is_definition(item: &Template) -> bool {
    *item.key.kind == *"CustomResourceDefinition" && *item.key.group == *"apiextensions.k8s.io"
}

fn shown(key: &ObjectKey) -> String {
    format!("{} {}", key.kind, key.name)
}

/// One object. The same refusals as the schema's: an API server that was given an older schema lets them through.
fn item(bundle: &ObjectKey, manifest: &Value, kinds: &Kinds) -> Result<Template, String> {
    let inside = bundle.namespace.as_ref().map_or("", |inside| inside.as_str());
    let mut object = manifest.clone();
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Err("metadata is missing".to_owned());
    };
    match metadata.get("namespace").and_then(Value::as_str) {
        None | Some("") => {}
        Some(namespace) if namespace == inside => {}
        Some(namespace) => {
            return Err(format!(
                "it is in namespace {namespace}, and everything in a Bundle is in the Bundle's own, {inside}"
            ));
        }
    }
    metadata.insert("namespace".to_owned(), json!(inside));
    // A dump of a live object has them; who owned what there says nothing here.
    metadata.remove("managedFields");
    let item = Template::read(&object, &|_| false, kinds).map_err(|error| {
        let mut words = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            words = format!("{words}: {cause}");
            source = cause.source();
        }
        words
    })?;
    let key = &item.key;
    if *key.group == *api::GROUP {
        return Err(format!("{} is of a kind of the hub itself", shown(key)));
    }
    if key.group.is_empty() && *key.kind == *"Secret" {
        return Err(format!(
            "{} is a Secret: make it in namespace {inside} and name it in spec.secrets",
            key.name
        ));
    }
    match item.never_selected(true) {
        Some(refusal) => Err(format!("{}: {refusal}", shown(key))),
        None => Ok(item),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn bundle(manifests: &Value) -> Bundle {
        let object = json!({
            "apiVersion": "hanse.dev/v1alpha1", "kind": "Bundle", "metadata": {"name": "all", "namespace": "shop"},
            "spec": {"manifests": manifests, "secrets": [{"name": "db"}]},
        });
        let template = Template::from_object(&object, &|_| false).unwrap();
        (**template.bundle.as_ref().unwrap()).clone()
    }

    fn object(api_version: &str, kind: &str, name: &str) -> Value {
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}})
    }

    #[test]
    fn its_objects_stand_in_the_order_of_their_kinds_and_in_its_namespace() {
        let found = bundle(&json!([
            object("autoscaling/v2", "HorizontalPodAutoscaler", "web"),
            object("apps/v1", "Deployment", "web"),
            object("v1", "Service", "web"),
            object("v1", "ConfigMap", "b"),
            object("v1", "ConfigMap", "a"),
            object("v1", "ServiceAccount", "web"),
        ]));
        assert_eq!(found.problem, None);
        let order: Vec<String> = found.items.iter().map(|item| shown(&item.key)).collect();
        assert_eq!(
            order,
            [
                "ServiceAccount web",
                "ConfigMap b",
                "ConfigMap a",
                "Service web",
                "Deployment web",
                "HorizontalPodAutoscaler web"
            ]
        );
        let inside = |item: &Template| item.value()["metadata"]["namespace"] == "shop";
        assert!(found.items.iter().all(inside));
        assert_eq!(found.secrets, ["db".parse::<ObjectName>().unwrap()]);
    }

    #[rstest]
    #[case::a_secret(json!([object("v1", "Secret", "db")]), "spec.manifests[0]: db is a Secret: make it in namespace shop and name it in spec.secrets")]
    #[case::another_bundle(json!([object("hanse.dev/v1alpha1", "Bundle", "b")]), "spec.manifests[0]: Bundle b is of a kind of the hub itself")]
    #[case::a_role(json!([object("rbac.authorization.k8s.io/v1", "Role", "r")]), "spec.manifests[0]: Role r: Role.rbac.authorization.k8s.io objects belong to the cluster they are in")]
    #[case::twice(json!([object("apps/v1", "Deployment", "web"), object("apps/v1beta1", "Deployment", "web")]), "spec.manifests[1]: Deployment web stands in it twice")]
    #[case::elsewhere(json!([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "bank"}}]), "spec.manifests[0]: it is in namespace bank, and everything in a Bundle is in the Bundle's own, shop")]
    #[case::no_name(json!([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}]), "spec.manifests[0]: failed to read a template: metadata.name is missing")]
    fn one_part_that_cannot_be_propagated_makes_all_of_it_unusable(
        #[case] manifests: Value,
        #[case] problem: &str,
    ) {
        let found = bundle(&manifests);
        assert_eq!((found.problem.as_deref(), found.items.len()), (Some(problem), 0));
    }

    #[test]
    fn a_kind_that_it_defines_itself_need_not_be_served_before() {
        let mut definition = object(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "widgets.example.dev",
        );
        definition["spec"] = json!({"group": "example.dev", "names": {"kind": "Widget"}});
        let found = bundle(&json!([object("example.dev/v1", "Widget", "w"), definition]));
        let kinds: Vec<String> = found.kinds().iter().map(|kind| kind.kind.to_string()).collect();
        assert_eq!(kinds, ["CustomResourceDefinition"]);
        assert!(found.defines(&GroupKind::new("example.dev", "Widget")));
    }
}
