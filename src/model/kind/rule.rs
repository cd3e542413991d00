//! One `KindRule`, compiled.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Dependency, shape};
use crate::model::api::{Health, KindRule, KindRuleSpec};
use crate::model::cel::{self, Program};
use crate::model::name::{GroupKind, ObjectName};

/// The most that one object may need by a rule.
const NEEDS: usize = 256;

/// What an expression of a rule may use.
const OBJECT: &str = "object";

/// What is wrong with a rule as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .field.trim_start_matches('/').replace('/', "."))]
pub struct Problem {
    /// JSON pointer to the field.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do about it, when that is known.
    pub hint: Option<String>,
}

/// Why a rule could not be asked about an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("KindRule {rule}: spec.{field}: {message}")]
pub struct Fault {
    /// Name of the rule.
    pub rule: String,
    /// `health` or `dependencies`.
    pub field: &'static str,
    /// What went wrong. Never quotes a value of the object.
    pub message: String,
}

/// A `KindRule`, ready to be asked. A part that does not compile is not in force; the others are.
#[derive(Debug, Clone)]
pub struct Rule {
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.generation`
    pub generation: i64,
    /// The kind it is about.
    pub kind: GroupKind,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// JSON pointers to what is summed, each below `/status`.
    pub sums: Vec<Arc<str>>,
    pub(super) replicas: Option<Arc<str>>,
    pub(super) pod_template: Option<Arc<str>>,
    created: Option<Timestamp>,
    health: Part,
    dependencies: Part,
}

/// An expression of a rule.
#[derive(Debug, Clone)]
enum Part {
    Absent,
    Broken,
    Is(Arc<Program>),
}

impl Rule {
    /// Compiles a `KindRule`.
    #[must_use]
    pub fn of(rule: &KindRule) -> Self {
        let meta = &rule.metadata;
        let mut problems = Vec::new();
        let KindRuleSpec {
            group,
            kind,
            health,
            replicas_path,
            pod_template_path,
            dependencies,
            status,
        } = &rule.spec;
        let kind = GroupKind::new(group.as_str(), kind.as_str());
        if shape::is_built_in(&kind) {
            let message = format!("{kind} is a kind of Kubernetes or of the hub, whose own rules stand");
            problems.push(Problem::new("/spec/kind", message, None));
        }
        let mut pointer = |field: &str, below: &str, text: &str| {
            let fine = is_pointer(text) && text.strip_prefix(below).is_some_and(|rest| rest.starts_with('/'));
            if !fine {
                let message = format!("{text:?} is no JSON pointer below {below}");
                let hint = Some(format!("for example {below}/replicas"));
                problems.push(Problem::new(field, message, hint));
            }
            fine.then(|| Arc::from(text))
        };
        let mut path = |field: &str, text: &Option<String>| {
            text.as_deref().and_then(|text| pointer(field, "/spec", text))
        };
        let replicas = path("/spec/replicasPath", replicas_path);
        let pod_template = path("/spec/podTemplatePath", pod_template_path);
        let sums = status
            .sum
            .iter()
            .enumerate()
            .filter_map(|(at, text)| pointer(&format!("/spec/status/sum/{at}"), "/status", text))
            .collect();
        let health = Part::compile("/spec/health", health.as_deref(), &mut problems, |value| {
            read_health(value).map(|_| ())
        });
        let dependencies = Part::compile(
            "/spec/dependencies",
            dependencies.as_deref(),
            &mut problems,
            |value| read_needs(value).map(|_| ()),
        );
        Self {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            kind,
            problems,
            sums,
            replicas,
            pod_template,
            created: meta.creation_timestamp.as_ref().map(|time| time.0),
            health,
            dependencies,
        }
    }

    /// Whether this one counts where both are for one kind.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        let age = |rule: &Self| rule.created.unwrap_or(Timestamp::MAX);
        (age(self), &self.name) < (age(other), &other.name)
    }

    /// What the rule says of an object in a member; `None` when it says nothing of health.
    #[must_use]
    pub fn health(&self, object: &Value) -> Option<Result<Health, Fault>> {
        let found = match &self.health {
            Part::Absent => return None,
            Part::Broken => Err("it does not compile".to_owned()),
            Part::Is(program) => run(program, object).and_then(|value| read_health(&value)),
        };
        Some(found.map_err(|message| self.fault("health", message)))
    }

    /// What the rule says that the object needs.
    pub(super) fn dependencies(&self, object: &Value) -> Result<BTreeSet<Dependency>, Fault> {
        let found = match &self.dependencies {
            Part::Absent => Ok(BTreeSet::new()),
            Part::Broken => Err("it does not compile".to_owned()),
            Part::Is(program) => run(program, object).and_then(|value| read_needs(&value)),
        };
        found.map_err(|message| self.fault("dependencies", message))
    }

    fn fault(&self, field: &'static str, message: String) -> Fault {
        Fault {
            rule: self.name.clone(),
            field,
            message,
        }
    }

    /// From JSON without its kind, for tests.
    #[cfg(test)]
    pub(crate) fn read(mut rule: Value) -> Arc<Self> {
        rule["apiVersion"] = "hanse.dev/v1alpha1".into();
        rule["kind"] = "KindRule".into();
        Arc::new(Self::of(&serde_json::from_value(rule).unwrap()))
    }
}

impl Problem {
    fn new(field: &str, message: String, hint: Option<String>) -> Self {
        Self {
            field: field.to_owned(),
            message,
            hint,
        }
    }
}

impl Part {
    /// Compiles an expression, and asks it of an object that has nothing: an answer of the wrong type is a
    /// mistake on every object. That a field is missing there says nothing.
    fn compile(
        field: &str,
        text: Option<&str>,
        problems: &mut Vec<Problem>,
        read: impl Fn(&Value) -> Result<(), String>,
    ) -> Self {
        let Some(text) = text else { return Self::Absent };
        let program = match Program::cached(text, &[OBJECT]) {
            Ok(program) => program,
            Err(error) => {
                problems.push(Problem::new(field, brief(&error), error.hint()));
                return Self::Broken;
            }
        };
        let nothing = json!({"kind": "", "metadata": {"name": "", "namespace": "", "generation": 0}, "spec": {}, "status": {}});
        if let Ok(value) = program.evaluate(&[(OBJECT, &nothing)])
            && let Err(message) = read(&value)
        {
            problems.push(Problem::new(field, message, None));
            return Self::Broken;
        }
        Self::Is(program)
    }
}

fn run(program: &Program, object: &Value) -> Result<Value, String> {
    program
        .evaluate(&[(OBJECT, object)])
        .map_err(|error| brief(&error))
}

/// Without the words that say what was done: the field before them says it.
fn brief(error: &cel::Error) -> String {
    let text = error.to_string();
    let cut = [
        "failed to compile the expression: ",
        "failed to evaluate the expression: ",
    ]
    .iter()
    .find_map(|start| text.strip_prefix(start));
    cut.unwrap_or(&text).to_owned()
}

fn read_health(value: &Value) -> Result<Health, String> {
    match value.as_str() {
        Some("Healthy") => Ok(Health::Healthy),
        Some("Progressing") => Ok(Health::Progressing),
        Some("Degraded") => Ok(Health::Degraded),
        // Short words only: an expression may give anything of the object.
        _ => Err(format!(
            "it gives a {}, not 'Healthy', 'Progressing' or 'Degraded'",
            word(value)
        )),
    }
}

fn read_needs(value: &Value) -> Result<BTreeSet<Dependency>, String> {
    let wrong = |what: &str| format!("it gives a {what}, not a list of {{kind, name}}");
    let items = value.as_array().ok_or_else(|| wrong(word(value)))?;
    if items.len() > NEEDS {
        return Err(format!(
            "it gives {} objects, at most {NEEDS} are allowed",
            items.len()
        ));
    }
    items
        .iter()
        .map(|item| {
            let text = |field: &str| item.get(field).and_then(Value::as_str);
            let (Some(kind), Some(name)) = (text("kind"), text("name")) else {
                return Err(wrong("list of other things"));
            };
            let group = match (text("apiVersion"), text("group")) {
                (Some(version), _) => version.split_once('/').map_or("", |(group, _)| group),
                (None, group) => group.unwrap_or_default(),
            };
            let name =
                ObjectName::parse(name).map_err(|_| "it gives a name that no object can have".to_owned())?;
            Ok(Dependency {
                kind: GroupKind::new(group, kind),
                name,
            })
        })
        .collect()
}

fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

/// RFC 6901: steps after slashes, `~` only as `~0` and `~1`.
fn is_pointer(text: &str) -> bool {
    text.starts_with('/')
        && text.split('/').skip(1).all(|step| !step.is_empty())
        && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn rule(spec: &Value) -> Arc<Rule> {
        let mut spec = spec.clone();
        for (field, value) in [("group", "example.com"), ("kind", "Widget")] {
            if spec.get(field).is_none() {
                spec[field] = value.into();
            }
        }
        Rule::read(json!({"metadata": {"name": "r"}, "spec": spec}))
    }

    #[rstest]
    #[case::fine(json!({"health": "'Healthy'", "replicasPath": "/spec/a~1b/n", "status": {"sum": ["/status/ready"]}}), None)]
    #[case::syntax(json!({"health": "object.status ==="}), Some("spec.health: "))]
    #[case::variable(json!({"health": "self.ok ? 'Healthy' : 'Degraded'"}), Some("no variable \"self\""))]
    #[case::always_another_type(json!({"health": "has(object.status.ready)"}), Some("gives a boolean, not 'Healthy'"))]
    #[case::misspelt(json!({"health": "has(object.status.ready) ? 'Healthy' : 'Broken'"}), Some("gives a text, not"))]
    #[case::no_list(json!({"dependencies": "'db'"}), Some("gives a text, not a list of {kind, name}"))]
    #[case::no_pointer(json!({"replicasPath": "spec.replicas"}), Some("no JSON pointer below /spec"))]
    #[case::bad_escape(json!({"replicasPath": "/spec/a~2"}), Some("no JSON pointer below /spec"))]
    #[case::sum_of_the_spec(json!({"status": {"sum": ["/spec/replicas"]}}), Some("spec.status.sum.0: "))]
    #[case::whole_status(json!({"status": {"sum": ["/status"]}}), Some("no JSON pointer below /status"))]
    #[case::built_in(json!({"group": "apps", "kind": "Deployment"}), Some("whose own rules stand"))]
    #[case::of_the_hub(json!({"group": "hanse.dev", "kind": "Tenant"}), Some("whose own rules stand"))]
    fn what_is_wrong_with_a_rule_is_found_before_it_is_asked(
        #[case] spec: Value,
        #[case] problem: Option<&str>,
    ) {
        let found = rule(&spec).problems.clone();
        assert_eq!(found.len(), usize::from(problem.is_some()), "{found:?}");
        for found in found {
            assert!(found.to_string().contains(problem.unwrap_or_default()), "{found}");
        }
    }

    #[rstest]
    #[case::healthy("object.status.phase == 'Up' ? 'Healthy' : 'Degraded'", Ok(Health::Healthy))]
    #[case::missing("object.status.gone == 1 ? 'Healthy' : 'Degraded'", Err("no such key: gone"))]
    #[case::another_word("object.status.phase", Err("gives a text, not"))]
    fn a_rule_that_fails_on_an_object_says_why(#[case] health: &str, #[case] expected: Result<Health, &str>) {
        let rule = rule(&json!({"health": health}));
        let object = json!({"metadata": {"generation": 1}, "spec": {}, "status": {"phase": "Up"}});
        match (rule.health(&object).unwrap(), expected) {
            (Ok(health), Ok(expected)) => assert_eq!(health, expected),
            (Err(fault), Err(part)) => {
                let text = fault.to_string();
                assert!(
                    text.starts_with("KindRule r: spec.health: ") && text.contains(part),
                    "{text}"
                );
                assert!(!text.contains("Up"), "no value of the object is told");
            }
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn an_expression_that_costs_too_much_on_an_object_is_not_run() {
        let rule = rule(&json!({
            "health": "object.spec.l.all(a, object.spec.l.all(b, object.spec.l.all(c, a + b + c >= 0))) ? 'Healthy' : 'Degraded'"
        }));
        let object = json!({"spec": {"l": (0..1000).collect::<Vec<_>>()}, "status": {}});
        let fault = rule.health(&object).unwrap().unwrap_err();
        assert!(fault.message.contains("steps on this object"), "{fault}");
    }

    #[test]
    fn a_rule_says_what_an_object_needs() {
        let rule = rule(&json!({
            "dependencies": "[{'kind': 'Secret', 'name': object.spec.secret}, {'apiVersion': 'example.com/v1', 'kind': 'Gadget', 'name': 'g'}]"
        }));
        let needs = rule.dependencies(&json!({"spec": {"secret": "db"}})).unwrap();
        let needs: Vec<_> = needs
            .iter()
            .map(|need| format!("{}/{}", need.kind, need.name))
            .collect();
        assert_eq!(needs, ["Secret/db", "Gadget.example.com/g"]);
        let fault = rule
            .dependencies(&json!({"spec": {"secret": "Not A Name"}}))
            .unwrap_err();
        assert!(
            fault.to_string().contains("a name that no object can have"),
            "{fault}"
        );
    }
}
