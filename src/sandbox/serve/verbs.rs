//! One object: read, made, changed, deleted.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Response};
use serde_json::{Value, json};

use super::audit::Made;
use super::body::Body;
use super::negotiate::{Form, Shown, must_be_json};
use super::query::invalid;
use super::{Call, answer, list, logs};
use crate::sandbox::api::{DeleteOptions, Deleted, Propagation, Target, Written};
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::Origin;
use crate::sandbox::object::{self, Object};
use crate::sandbox::write::{FieldValidation, Patch, Writer};

/// The longest name of a field manager.
const LONGEST_MANAGER: usize = 128;

/// Kinds whose deletion is answered with the object; others with a Status.
const ANSWERED_WHOLE: [&str; 9] = [
    "namespaces",
    "persistentvolumes",
    "persistentvolumeclaims",
    "pods",
    "podtemplates",
    "resourcequotas",
    "services",
    "serviceaccounts",
    "storageclasses",
];

/// Subresources that are streams, not objects.
const CONNECTIONS: [&str; 4] = ["exec", "attach", "portforward", "proxy"];

pub(super) fn answer(call: &Call<'_>, target: &Target) -> Result<Response<Body>, Failure> {
    let namespaced = target.resource.namespaced;
    if namespaced && target.namespace.is_none() && target.resource.origin != Origin::Virtual {
        return Err(Failure::method_not_supported());
    }
    if target.subresource.is_empty() {
        must_serve(target, call.verb)?;
    }
    if CONNECTIONS.contains(&&*target.subresource) {
        return connect(call, target);
    }
    let form = Form::wanted(call.headers)?;
    match call.verb {
        "get" => get(call, target, form),
        "create" => create(call, target, form),
        "update" => replace(call, target, form),
        "patch" => patch(call, target, form),
        "delete" => delete(call, target, form),
        _ => Err(Failure::method_not_supported()),
    }
}

/// Nothing runs that could be connected to: what is left is who may, which admission decides.
fn connect(call: &Call<'_>, target: &Target) -> Result<Response<Body>, Failure> {
    call.server
        .admit_connection(&writer(call, "CreateOptions")?, target)?;
    if &*target.subresource == "proxy" {
        let words = "error trying to reach service: nothing listens in a sandbox";
        return Err(Failure::new(503, "ServiceUnavailable", words));
    }
    Err(Failure::bad_request("Upgrade request required"))
}

/// The kind has the verb at this version.
pub(super) fn must_serve(target: &Target, verb: &str) -> Result<(), Failure> {
    let served = target
        .served()
        .is_some_and(|version| version.verbs.iter().any(|one| **one == *verb));
    if served {
        return Ok(());
    }
    Err(Failure::method_not_supported())
}

fn get(call: &Call<'_>, target: &Target, form: Form) -> Result<Response<Body>, Failure> {
    match &*target.subresource {
        "" | "status" | "scale" => {}
        "log" => return logs::answer(call, target),
        _ => return Err(Failure::method_not_supported()),
    }
    let object = match call.as_of {
        Some(past) => call.server.get_at(target, past)?,
        None => call.server.get(target)?,
    };
    Ok(show(call, target, 200, form, &object))
}

fn create(call: &Call<'_>, target: &Target, form: Form) -> Result<Response<Body>, Failure> {
    must_be_json(call.headers)?;
    let namespace = target.namespace.as_deref();
    if target.resource.origin == Origin::Virtual {
        let body = parse(call.body)?;
        let review = call
            .server
            .access()
            .review(call.user, &target.resource.plural, body)?;
        return Ok(answer::json(201, &review));
    }
    if target.is("", "serviceaccounts") && &*target.subresource == "token" {
        let namespace = namespace.unwrap_or_default();
        let mut body = parse(call.body)?;
        if body["spec"].is_object() && body["spec"]["expirationSeconds"].is_null() {
            body["spec"]["expirationSeconds"] = 3600.into();
        }
        let writer = writer(call, "CreateOptions")?;
        call.server.admit_action(&writer, target, &body)?;
        let token = call
            .server
            .access()
            .request_token(namespace, &target.name, body)?;
        return Ok(answer::json(201, &token));
    }
    if target.subresource.is_empty() != target.name.is_empty() {
        return Err(Failure::method_not_supported());
    }
    let writer = writer(call, "CreateOptions")?;
    let written = call.server.create_from(&writer, target, call.body)?;
    Ok(show_written(call, target, form, &written))
}

fn replace(call: &Call<'_>, target: &Target, form: Form) -> Result<Response<Body>, Failure> {
    must_be_json(call.headers)?;
    let writer = writer(call, "UpdateOptions")?;
    let written = call.server.replace_from(&writer, target, call.body)?;
    Ok(show_written(call, target, form, &written))
}

fn patch(call: &Call<'_>, target: &Target, form: Form) -> Result<Response<Body>, Failure> {
    let content = call
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let force = call.query.flag("force");
    let patch = Patch::read(content.unwrap_or_default(), call.body, force == Some(true))?;
    let refused =
        |field: &str, reason, message: &str| Err(invalid("PatchOptions", field, reason, message.to_owned()));
    match &patch {
        Patch::Apply { .. } if call.query.get("fieldManager").is_none() => {
            return refused(
                "fieldManager",
                "FieldValueRequired",
                "Required value: is required for apply patch",
            );
        }
        Patch::Apply { .. } => {}
        _ if force.is_some() => {
            return refused(
                "force",
                "FieldValueForbidden",
                "Forbidden: may not be specified for non-apply patch",
            );
        }
        _ => {}
    }
    let writer = writer(call, "PatchOptions")?;
    let written = call.server.patch(&writer, target, &patch)?;
    Ok(show_written(call, target, form, &written))
}

fn delete(call: &Call<'_>, target: &Target, form: Form) -> Result<Response<Body>, Failure> {
    if !target.subresource.is_empty() {
        return Err(Failure::method_not_supported());
    }
    let options = delete_options(call)?;
    let writer = writer(call, "DeleteOptions")?;
    let deleted = call.server.delete(&writer, target, &options)?;
    if !deleted.gone || is_answered_whole(target) {
        return Ok(show(call, target, 200, form, &deleted.object));
    }
    Ok(answer::json(200, &gone(target, &deleted)))
}

fn is_answered_whole(target: &Target) -> bool {
    matches!(&*target.resource.group, "" | "storage.k8s.io")
        && ANSWERED_WHOLE.contains(&&*target.resource.plural)
}

fn gone(target: &Target, deleted: &Deleted) -> Value {
    let mut details = json!({
        "name": &*target.name, "kind": &*target.resource.plural, "uid": object::uid(&deleted.object),
    });
    if !target.resource.group.is_empty() {
        details["group"] = (*target.resource.group).into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// From the body, or from the query when there is none.
pub(super) fn delete_options(call: &Call<'_>) -> Result<DeleteOptions, Failure> {
    if !call.body.is_empty() {
        must_be_json(call.headers)?;
        return DeleteOptions::read(&parse(call.body)?);
    }
    Ok(DeleteOptions {
        propagation: match (
            call.query.get("propagationPolicy"),
            call.query.flag("orphanDependents"),
        ) {
            (Some(word), _) => Propagation::read(word)?,
            (None, Some(true)) => Propagation::Orphan,
            (None, Some(false)) => Propagation::Background,
            (None, None) => Propagation::Unsaid,
        },
        grace_seconds: call.query.number("gracePeriodSeconds")?,
        dry_run: call.query.dry_run("DeleteOptions")?,
        ..DeleteOptions::default()
    })
}

/// Who writes, and how, as the query and the headers say.
pub(super) fn writer(call: &Call<'_>, options: &str) -> Result<Writer, Failure> {
    let manager = match call.query.get("fieldManager") {
        Some(manager) if manager.len() > LONGEST_MANAGER => {
            let message = format!("Too long: may not be more than {LONGEST_MANAGER} bytes");
            return Err(invalid(options, "fieldManager", "FieldValueTooLong", message));
        }
        Some(manager) => manager.to_owned(),
        None => manager_of(call.headers),
    };
    Ok(Writer {
        user: call.user.clone(),
        manager,
        validation: match options {
            "DeleteOptions" => FieldValidation::Ignore,
            _ => call.query.validation(options)?,
        },
        dry_run: call.query.dry_run(options)?,
    })
}

/// `kubectl/v1.32 (linux/amd64)` is `kubectl`.
fn manager_of(headers: &HeaderMap) -> String {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or_default();
    let name = agent.split('/').next().unwrap_or_default();
    name.chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST_MANAGER)
        .collect()
}

fn show_written(call: &Call<'_>, target: &Target, form: Form, written: &Written) -> Response<Body> {
    let code = if written.created { 201 } else { 200 };
    let mut answer = show(call, target, code, form, &written.object);
    if written.created {
        let name = object::name(&written.object).to_owned();
        answer.extensions_mut().insert(Made(name));
    }
    answer::warned(answer, &written.warnings)
}

fn show(call: &Call<'_>, target: &Target, code: u16, form: Form, object: &Object) -> Response<Body> {
    let plain = object["kind"] == "Status" || &*target.subresource == "scale";
    if form == Form::Table && !plain {
        let items = [Arc::clone(object)];
        let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
        return list::table(call, target, code, &items, metadata);
    }
    let shown = Shown {
        object,
        form: if plain { Form::Whole } else { form },
        bare: false,
    };
    answer::json(code, &shown)
}

fn parse(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}"))
    })
}
