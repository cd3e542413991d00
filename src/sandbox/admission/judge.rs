//! Asking the policies.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::compile::{Policy, Validation};
use crate::model::cel::Program;
use crate::sandbox::access::User;
use crate::sandbox::api::Target;
use crate::sandbox::failure::{Cause, Failure, qualified};
use crate::sandbox::object;
use crate::sandbox::store::Store;

const POLICIES: &str = "validatingadmissionpolicies.admissionregistration.k8s.io";
const BINDINGS: &str = "validatingadmissionpolicybindings.admissionregistration.k8s.io";

/// What a request does to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

/// A request before it is carried out.
#[derive(Debug)]
pub(crate) struct Judged<'a> {
    pub(crate) user: &'a User,
    pub(crate) operation: Operation,
    pub(crate) target: &'a Target,
    /// As it would be; none for deletes.
    pub(crate) object: Option<&'a Value>,
    /// As it is; none for creates.
    pub(crate) old: Option<&'a Value>,
    /// The namespace the object is in; none for cluster-scoped objects.
    pub(crate) namespace: Option<&'a Value>,
    pub(crate) dry_run: bool,
}

/// The policies of one cluster, compiled anew when one of them changes.
#[derive(Debug)]
pub(crate) struct Policies {
    store: Store,
    compiled: Mutex<(Vec<u64>, Arc<Vec<Policy>>)>,
}

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

impl Policies {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            compiled: Mutex::default(),
        }
    }

    /// The first refusal, in upstream's words. Admission configuration itself is never judged, as upstream has it.
    pub(crate) fn judge(&self, request: &Judged<'_>) -> Result<(), Failure> {
        if *request.target.resource.group == *"admissionregistration.k8s.io" {
            return Ok(());
        }
        let policies = self.current();
        let operation = request.operation.word();
        let mut asked = None;
        for policy in policies.iter() {
            if !policy
                .rules
                .iter()
                .any(|rule| rule.matches(operation, request.target))
            {
                continue;
            }
            let facts = asked.get_or_insert_with(|| facts(request));
            policy.judge(request, facts)?;
        }
        Ok(())
    }

    fn current(&self) -> Arc<Vec<Policy>> {
        let (policies, _) = self.store.list(POLICIES, None);
        let (bindings, _) = self.store.list(BINDINGS, None);
        let revisions: Vec<u64> = policies
            .iter()
            .chain(&bindings)
            .map(|object| object::revision(object))
            .collect();
        let mut compiled = self.compiled.lock();
        if compiled.0 != revisions {
            let denies = |binding: &&Arc<Value>| {
                let actions = binding["spec"]["validationActions"].as_array();
                actions.is_some_and(|actions| actions.iter().any(|action| action == "Deny"))
            };
            let pairs = bindings.iter().filter(denies).filter_map(|binding| {
                let policy = policies
                    .iter()
                    .find(|policy| binding["spec"]["policyName"] == policy["metadata"]["name"])?;
                Policy::compile(policy, binding)
            });
            *compiled = (revisions, Arc::new(pairs.collect()));
        }
        compiled.1.clone()
    }
}

/// What expressions see of a request.
struct Facts {
    request: Value,
    object: Value,
    old: Value,
    namespace: Value,
}

fn facts(of: &Judged<'_>) -> Facts {
    let (user, target) = (of.user, of.target);
    let kind = |group: &str, version: &str, last: &str, word: &str| {
        let mut kind = json!({"group": group, "version": version});
        kind[word] = last.into();
        kind
    };
    let resource = &target.resource;
    let mut request = json!({
        "kind": kind(&resource.group, &target.version, &resource.kind, "kind"),
        "resource": kind(&resource.group, &target.version, &resource.plural, "resource"),
        "name": &*target.name,
        "operation": of.operation.word(),
        "dryRun": of.dry_run,
        "userInfo": {
            "username": &*user.name,
            "uid": &*user.uid,
            "groups": user.groups.iter().map(|group| &**group).collect::<Vec<_>>(),
            "extra": user.extra,
        },
    });
    // Absent when empty, as in upstream: policies ask with `.?`.
    for (field, text) in [
        ("subResource", &*target.subresource),
        ("namespace", target.namespace.as_deref().unwrap_or_default()),
    ] {
        if !text.is_empty() {
            request[field] = text.into();
        }
    }
    let or_null = |value: Option<&Value>| value.cloned().unwrap_or_default();
    Facts {
        request,
        object: or_null(of.object),
        old: or_null(of.old),
        namespace: or_null(of.namespace),
    }
}

impl Policy {
    fn judge(&self, request: &Judged<'_>, facts: &Facts) -> Result<(), Failure> {
        let none = Value::Object(Map::new());
        let nothing = Value::Null;
        // Conditions come before the namespace is known.
        let given = [
            ("object", &facts.object),
            ("oldObject", &facts.old),
            ("request", &facts.request),
            ("namespaceObject", &nothing),
            ("variables", &none),
        ];
        for condition in &self.conditions {
            match condition.evaluate_bool(&given) {
                Ok(true) => {}
                Err(error) if self.fail => return Err(self.error(request, condition, &error)),
                Ok(false) | Err(_) => return Ok(()),
            }
        }
        let variables = self.variables(facts);
        let given = given_with(facts, &variables);
        for validation in &self.validations {
            match validation.expression.evaluate_bool(&given) {
                Ok(false) => return Err(self.refusal(request, validation, &given)),
                Err(error) if self.fail => {
                    return Err(self.error(request, &validation.expression, &error));
                }
                Ok(true) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// A variable that cannot be evaluated is left out: who uses it, and only he, meets the error.
    fn variables(&self, facts: &Facts) -> Value {
        let mut known = Value::Object(Map::new());
        for (name, program) in &self.variables {
            if let Ok(value) = program.evaluate(&given_with(facts, &known)) {
                known[name] = value;
            }
        }
        known
    }

    fn refusal(&self, request: &Judged<'_>, by: &Validation, given: &[(&str, &Value)]) -> Failure {
        let computed = by
            .message_expression
            .as_ref()
            .and_then(|program| program.evaluate(given).ok())
            .and_then(|text| text.as_str().map(str::to_owned))
            .filter(|text| !text.trim().is_empty());
        let message = computed.as_deref().unwrap_or(&by.message);
        self.denied(request, message, &by.reason)
    }

    fn error(&self, request: &Judged<'_>, program: &Program, error: &dyn std::fmt::Display) -> Failure {
        let text = format!("expression '{}' resulted in error: {error}", program.text());
        self.denied(request, &text, "Invalid")
    }

    fn denied(&self, request: &Judged<'_>, message: &str, reason: &str) -> Failure {
        let message = format!(
            "ValidatingAdmissionPolicy '{}' with binding '{}' denied request: {message}",
            self.name, self.binding
        );
        let (code, reason) = match reason {
            "Unauthorized" => (401, "Unauthorized"),
            "Forbidden" => (403, "Forbidden"),
            "RequestEntityTooLarge" => (413, "RequestEntityTooLarge"),
            _ => (422, "Invalid"),
        };
        let resource = &request.target.resource;
        let object = request.object.unwrap_or(&Value::Null);
        let names = [
            &*request.target.name,
            object::name(object),
            object::meta(object, "generateName"),
        ];
        let name = names
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or("Unknown");
        let shown = qualified(&resource.group, &resource.plural);
        let mut failure = Failure::new(
            code,
            reason,
            format!("{shown} \"{name}\" is forbidden: {message}"),
        )
        .about(&resource.group, &resource.plural, name);
        failure.details.causes = vec![Cause {
            reason: "",
            message,
            field: String::new(),
        }];
        failure
    }
}

fn given_with<'a>(facts: &'a Facts, variables: &'a Value) -> [(&'static str, &'a Value); 5] {
    [
        ("object", &facts.object),
        ("oldObject", &facts.old),
        ("request", &facts.request),
        ("namespaceObject", &facts.namespace),
        ("variables", variables),
    ]
}
