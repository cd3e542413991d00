//! Questions about oneself and others, and tokens that are asked for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::token::ISSUER;
use super::{Access, Attributes, Subject, User};
use crate::model::clock::format_seconds;
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::object::{field_mut, metadata_mut, uid};
use crate::sandbox::store::Key;

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

impl Access {
    /// Answers a POST of a review: `selfsubjectreviews`, `subjectaccessreviews`, `selfsubjectaccessreviews`. The
    /// body comes back with its status.
    pub(crate) fn review(&self, user: &User, plural: &str, mut body: Value) -> Result<Value, Failure> {
        let (group, kind, status) = match plural {
            "selfsubjectreviews" => {
                let now = format_seconds(self.0.clock.now());
                metadata_mut(&mut body).insert("creationTimestamp".to_owned(), now.into());
                let status = json!({"userInfo": info(user)});
                (AUTHENTICATION, "SelfSubjectReview", status)
            }
            "selfsubjectaccessreviews" => {
                let kind = "SelfSubjectAccessReview";
                (AUTHORIZATION, kind, self.access(user, &body["spec"]))
            }
            "subjectaccessreviews" => {
                let (kind, spec) = ("SubjectAccessReview", &body["spec"]);
                let named = User {
                    name: text(spec, "user").into(),
                    groups: texts(&spec["groups"]).into_iter().map(Arc::from).collect(),
                    ..User::default()
                };
                (AUTHORIZATION, kind, self.access(&named, spec))
            }
            _ => return Err(Failure::not_found("", plural, "")),
        };
        field_mut(&mut body, "metadata");
        name_kind(&mut body, group, kind);
        body["status"] = status;
        Ok(body)
    }

    fn access(&self, user: &User, spec: &Value) -> Value {
        let path = &spec["nonResourceAttributes"];
        let of = &spec["resourceAttributes"];
        let attributes = if path.is_object() {
            Attributes::Path {
                verb: text(path, "verb"),
                path: text(path, "path"),
            }
        } else {
            Attributes::Resource {
                verb: text(of, "verb"),
                group: text(of, "group"),
                resource: text(of, "resource"),
                subresource: text(of, "subresource"),
                namespace: text(of, "namespace"),
                name: text(of, "name"),
            }
        };
        match self.decide(user, &attributes) {
            Err(reason) if !reason.is_empty() => json!({"allowed": false, "reason": reason}),
            answer => json!({"allowed": answer.is_ok()}),
        }
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
        let seconds = body["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
        if seconds < 600 {
            let why = format!("Invalid value: {seconds}: may not specify a duration less than 10 minutes");
            let cause = Cause {
                reason: "FieldValueInvalid",
                message: why,
                field: "spec.expirationSeconds".to_owned(),
            };
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

/// A `UserInfo`; what is empty is left out.
fn info(user: &User) -> Value {
    let groups: Value = user.groups.iter().map(|group| &**group).collect();
    let parts = [
        ("username", json!(&*user.name), user.name.is_empty()),
        ("uid", json!(&*user.uid), user.uid.is_empty()),
        ("groups", groups, user.groups.is_empty()),
        ("extra", json!(user.extra), user.extra.is_empty()),
    ];
    let said = parts.into_iter().filter(|(.., is_empty)| !is_empty);
    Value::Object(
        said.map(|(field, value, _)| (field.to_owned(), value))
            .collect::<Map<_, _>>(),
    )
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}
