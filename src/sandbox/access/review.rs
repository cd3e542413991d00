//! Questions about oneself and others: the virtual kinds of `authentication.k8s.io` and `authorization.k8s.io`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::index::Binding;
use super::rule::Rule;
use super::token::ISSUER;
use super::{Access, Attributes, Subject, User};
use crate::model::clock::format_seconds;
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::object::{field_mut, meta, metadata_mut, uid};
use crate::sandbox::store::Key;

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// The kinds that are answered here.
const KINDS: [(&str, &str, &str); 6] = [
    ("selfsubjectreviews", AUTHENTICATION, "SelfSubjectReview"),
    ("tokenreviews", AUTHENTICATION, "TokenReview"),
    ("subjectaccessreviews", AUTHORIZATION, "SubjectAccessReview"),
    (
        "selfsubjectaccessreviews",
        AUTHORIZATION,
        "SelfSubjectAccessReview",
    ),
    (
        "localsubjectaccessreviews",
        AUTHORIZATION,
        "LocalSubjectAccessReview",
    ),
    ("selfsubjectrulesreviews", AUTHORIZATION, "SelfSubjectRulesReview"),
];

const ONE_OF: &str = "exactly one of nonResourceAttributes or resourceAttributes must be specified";

impl Access {
    /// Answers a POST of a review: `selfsubjectreviews`, `tokenreviews`, `subjectaccessreviews`,
    /// `selfsubjectaccessreviews`, `localsubjectaccessreviews`, `selfsubjectrulesreviews`. The body comes back with
    /// its status. `namespace` is that of the path.
    pub(crate) fn review(
        &self,
        user: &User,
        plural: &str,
        namespace: Option<&str>,
        mut body: Value,
    ) -> Result<Value, Failure> {
        let status = match plural {
            "selfsubjectreviews" => {
                let now = format_seconds(self.0.clock.now());
                metadata_mut(&mut body).insert("creationTimestamp".to_owned(), now.into());
                json!({"userInfo": info(user)})
            }
            "selfsubjectaccessreviews" => {
                check_spec("SelfSubjectAccessReview", &body, true)?;
                self.access(user, &body["spec"])
            }
            "subjectaccessreviews" => {
                check_spec("SubjectAccessReview", &body, false)?;
                self.access(&named(&body["spec"]), &body["spec"])
            }
            "localsubjectaccessreviews" => {
                check_spec("LocalSubjectAccessReview", &body, false)?;
                let namespace = namespace.unwrap_or_default();
                if meta(&body, "namespace") != namespace
                    || body["spec"]["resourceAttributes"]["namespace"] != namespace
                {
                    return Err(Failure::bad_request(format!(
                        "spec.resourceAttributes.namespace must match namespace: {namespace}"
                    )));
                }
                self.access(&named(&body["spec"]), &body["spec"])
            }
            "selfsubjectrulesreviews" => {
                let namespace = text(&body["spec"], "namespace");
                if namespace.is_empty() {
                    return Err(Failure::bad_request("no namespace on request"));
                }
                let status = self.rules(user, &namespace);
                body["spec"] = json!({});
                status
            }
            "tokenreviews" => self.token(&body["spec"])?,
            _ => return Err(Failure::not_found("", plural, "")),
        };
        field_mut(&mut body, "metadata");
        if let Some((_, group, kind)) = KINDS.iter().find(|(of, ..)| *of == plural) {
            name_kind(&mut body, group, kind);
        }
        body["status"] = status;
        Ok(body)
    }

    fn access(&self, user: &User, spec: &Value) -> Value {
        let decision = if let Some(path) = spec.get("nonResourceAttributes").filter(|path| path.is_object()) {
            let (verb, path) = (text(path, "verb"), text(path, "path"));
            let attributes = Attributes::Path {
                verb: &verb,
                path: &path,
            };
            self.decide(user, &attributes, true)
        } else {
            let of = &spec["resourceAttributes"];
            let field = |name: &str| of[name].as_str().unwrap_or_default();
            let attributes = Attributes::Resource {
                verb: field("verb"),
                group: field("group"),
                version: field("version"),
                resource: field("resource"),
                subresource: field("subresource"),
                namespace: field("namespace"),
                name: field("name"),
            };
            self.decide(user, &attributes, true)
        };
        let mut status = json!({"allowed": decision.allowed});
        if !decision.reason.is_empty() {
            status["reason"] = decision.reason.into();
        }
        status
    }

    fn rules(&self, user: &User, namespace: &str) -> Value {
        let (mut resources, mut paths) = (Vec::new(), Vec::new());
        let see = |rule: &Rule, _: &Binding, _: &str| -> ControlFlow<()> {
            let of = if rule.urls.is_empty() {
                &mut resources
            } else {
                &mut paths
            };
            of.push(rule.json());
            ControlFlow::Continue(())
        };
        let missing = self.index().visit(user, namespace, see).unwrap_or_default();
        let mut status = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false});
        if !missing.is_empty() {
            status["evaluationError"] = missing.join(", ").into();
        }
        status
    }

    fn token(&self, spec: &Value) -> Result<Value, Failure> {
        let token = text(spec, "token");
        if token.is_empty() {
            return Err(Failure::bad_request(
                "token is required for TokenReview in authentication",
            ));
        }
        let audiences = texts(&spec["audiences"]);
        Ok(match self.verify(&token, &audiences) {
            Some((user, audiences)) => {
                json!({"authenticated": true, "user": info(&user), "audiences": audiences})
            }
            None => json!({"user": {}, "error": "invalid bearer token"}),
        })
    }

    /// Answers a POST of a `TokenRequest` to `serviceaccounts/NAME/token`.
    pub(crate) fn request_token(
        &self,
        namespace: &str,
        name: &str,
        mut body: Value,
    ) -> Result<Value, Failure> {
        const KIND: &str = "TokenRequest";
        let key = Key::new("serviceaccounts", Some(namespace), name);
        let Some(account) = self.0.store.get(&key) else {
            return Err(Failure::not_found("", "serviceaccounts", name));
        };
        for (field, value) in [("name", name), ("namespace", namespace)] {
            let said = meta(&body, field);
            if !said.is_empty() && said != value {
                let message =
                    format!("Invalid value: {said:?}: must match the service account {field} if specified");
                return Err(Failure::invalid(
                    AUTHENTICATION,
                    KIND,
                    name,
                    vec![invalid(&format!("metadata.{field}"), message)],
                ));
            }
        }
        let seconds = body["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
        let why = match seconds {
            ..600 => Some("may not specify a duration less than 10 minutes"),
            4_294_967_297.. => Some("may not specify a duration larger than 2^32 seconds"),
            _ => None,
        };
        if let Some(why) = why {
            let cause = invalid(
                "spec.expirationSeconds",
                format!("Invalid value: {seconds}: {why}"),
            );
            return Err(Failure::invalid(AUTHENTICATION, KIND, "", vec![cause]));
        }
        let mut audiences = texts(&body["spec"]["audiences"]);
        if audiences.is_empty() {
            audiences.push(ISSUER.to_owned());
        }
        let subject = Subject::ServiceAccount {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid(&account).to_owned(),
        };
        let token = self.issue(&subject, &audiences, Duration::from_secs(seconds.unsigned_abs()));
        let now = format_seconds(self.0.clock.now());
        let about = [
            ("name", name),
            ("namespace", namespace),
            ("uid", uid(&account)),
            ("creationTimestamp", &now),
        ];
        for (field, value) in about {
            metadata_mut(&mut body).insert(field.to_owned(), value.into());
        }
        let spec = field_mut(&mut body, "spec");
        spec.insert("audiences".to_owned(), json!(audiences));
        spec.insert("expirationSeconds".to_owned(), seconds.into());
        spec.entry("boundObjectRef").or_insert(Value::Null);
        name_kind(&mut body, AUTHENTICATION, KIND);
        body["status"] = json!({"token": token.text, "expirationTimestamp": format_seconds(token.expires)});
        Ok(body)
    }
}

/// A body may leave its kind to the path; an answer says it.
fn name_kind(body: &mut Value, group: &str, kind: &str) {
    body["apiVersion"] = format!("{group}/v1").into();
    body["kind"] = kind.into();
}

fn check_spec(kind: &str, body: &Value, of_oneself: bool) -> Result<(), Failure> {
    let spec = &body["spec"];
    let mut causes = Vec::new();
    if spec["resourceAttributes"].is_object() == spec["nonResourceAttributes"].is_object() {
        causes.push(invalid(
            "spec",
            format!("Invalid value: {}: {ONE_OF}", spec["nonResourceAttributes"]),
        ));
    }
    if !of_oneself && text(spec, "user").is_empty() && texts(&spec["groups"]).is_empty() {
        let message = "Invalid value: \"\": at least one of user or group must be specified";
        causes.push(invalid("spec.user", message.to_owned()));
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(AUTHORIZATION, kind, "", causes))
}

fn invalid(field: &str, message: String) -> Cause {
    Cause {
        reason: "FieldValueInvalid",
        message,
        field: field.to_owned(),
    }
}

/// Whom a review asks about.
fn named(spec: &Value) -> User {
    let extra = spec["extra"].as_object().into_iter().flatten();
    User {
        name: text(spec, "user").into(),
        uid: text(spec, "uid").into(),
        groups: texts(&spec["groups"]).into_iter().map(Arc::from).collect(),
        extra: extra
            .map(|(key, values)| (key.clone(), texts(values)))
            .collect::<BTreeMap<_, _>>(),
    }
}

/// A `UserInfo`; what is empty is left out.
fn info(user: &User) -> Value {
    let mut info = Map::new();
    let parts = [
        ("username", json!(&*user.name)),
        ("uid", json!(&*user.uid)),
        ("groups", user.groups.iter().map(|group| &**group).collect()),
        ("extra", json!(user.extra)),
    ];
    for (field, value) in parts {
        let is_empty = match &value {
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        if !is_empty {
            info.insert(field.to_owned(), value);
        }
    }
    Value::Object(info)
}

fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_default().to_owned()
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}
