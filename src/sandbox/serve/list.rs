//! Collections: listed, page by page if asked, and deleted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Response;
use serde_json::{Value, json};

use super::body::Body;
use super::negotiate::{Form, List};
use super::query::{Query, invalid};
use super::table;
use super::{Call, answer, verbs};
use crate::sandbox::api::{Selection, Target};
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::object::{self, Object};

const TOO_OLD: &str = "The resourceVersion for the provided list is too old.";
const CONTINUE_TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You \
    can start a new list without the continue parameter.";

/// Where the next page starts.
struct Continue {
    revision: u64,
    /// Namespace and name of the last one that was given.
    after: (String, String),
}

/// `GET` of a collection.
pub(super) fn answer(call: &Call<'_>, target: &Target) -> Result<Response<Body>, Failure> {
    verbs::must_serve(target, "list")?;
    let form = Form::wanted(call.headers)?;
    let selection = selection(call.query, target)?;
    let page = read_page(call, target, &selection)?;
    Ok(show(call, target, form, &page))
}

/// `DELETE` of a collection.
pub(super) fn delete(call: &Call<'_>, target: &Target) -> Result<Response<Body>, Failure> {
    verbs::must_serve(target, "deletecollection")?;
    let form = Form::wanted(call.headers)?;
    let selection = selection(call.query, target)?;
    let options = verbs::delete_options(call)?;
    let writer = verbs::writer(call, "DeleteOptions")?;
    let items = call
        .server
        .delete_collection(&writer, target, &selection, &options)?;
    let metadata = json!({"resourceVersion": call.server.store().revision().to_string()});
    Ok(show(call, target, form, &Page { items, metadata }))
}

pub(super) fn selection(query: &Query, target: &Target) -> Result<Selection, Failure> {
    Selection::parse(target, query.text("labelSelector"), query.text("fieldSelector"))
}

/// Whether the whole objects come with the rows of a table.
pub(super) fn wants_objects(query: &Query) -> bool {
    query.text("includeObject") == "Object"
}

/// Objects as a table.
pub(super) fn table(
    call: &Call<'_>,
    target: &Target,
    code: u16,
    items: &[Object],
    metadata: Value,
) -> Response<Body> {
    let now = call.server.clock().now();
    let mut table = table::table(target, items, now, wants_objects(call.query));
    table["metadata"] = metadata;
    answer::json(code, &table)
}

struct Page {
    items: Vec<Object>,
    metadata: Value,
}

fn show(call: &Call<'_>, target: &Target, form: Form, page: &Page) -> Response<Body> {
    if form == Form::Table {
        return table(call, target, 200, &page.items, page.metadata.clone());
    }
    answer::json(
        200,
        &List {
            resource: &target.resource,
            version: &target.version,
            form,
            metadata: &page.metadata,
            items: &page.items,
        },
    )
}

fn read_page(call: &Call<'_>, target: &Target, selection: &Selection) -> Result<Page, Failure> {
    let query = call.query;
    check(query)?;
    let limit = usize::try_from(query.number("limit")?.unwrap_or(0)).unwrap_or(0);
    if let Some(page) = read_page_of_all(call, target, selection, limit)? {
        return Ok(page);
    }
    let (mut items, revision, after) = if let Some(token) = query.get("continue") {
        let next = read_token(token)?;
        let items = call.server.select_at(target, selection, next.revision);
        let items = items.map_err(|_| Failure::expired(CONTINUE_TOO_OLD))?;
        (items, next.revision, Some(next.after))
    } else {
        let (items, revision) = first_page(call, target, selection, limit)?;
        (items, revision, None)
    };
    if let Some((namespace, name)) = after {
        items.retain(|object| place(object) > (namespace.as_str(), name.as_str()));
    }
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if limit > 0 && items.len() > limit {
        let remaining = items.len() - limit;
        items.truncate(limit);
        if let Some(last) = items.last() {
            metadata["continue"] = token(last, revision).into();
            if selection.is_everything() {
                metadata["remainingItemCount"] = remaining.into();
            }
        }
    }
    Ok(Page { items, metadata })
}

/// The same for all objects of a collection that did not change since its first page: no page costs more than what is on
/// it. None where that is not so.
fn read_page_of_all(
    call: &Call<'_>,
    target: &Target,
    selection: &Selection,
    limit: usize,
) -> Result<Option<Page>, Failure> {
    let query = call.query;
    let from_now = matches!(query.text("resourceVersion"), "" | "0");
    if limit == 0 || !selection.is_everything() || call.as_of.is_some() || !from_now {
        return Ok(None);
    }
    let next = query.get("continue").map(read_token).transpose()?;
    let changed = |next: &Continue| call.server.changed_since(target, next.revision) != Ok(false);
    if next.as_ref().is_some_and(changed) {
        return Ok(None);
    }
    let after = next.as_ref().map(|next| (&*next.after.0, &*next.after.1));
    let (items, left, current) = call.server.page(target, after, limit);
    let revision = next.as_ref().map_or(current, |next| next.revision);
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let Some(last) = items.last().filter(|_| left > 0) {
        metadata["continue"] = token(last, revision).into();
        metadata["remainingItemCount"] = left.into();
    }
    Ok(Some(Page { items, metadata }))
}

/// All that is selected, now or at the revision that is asked for, and the revision it is of.
fn first_page(
    call: &Call<'_>,
    target: &Target,
    selection: &Selection,
    limit: usize,
) -> Result<(Vec<Object>, u64), Failure> {
    let asked = revision(call.query.text("resourceVersion"))?;
    let (items, current) = select(call, target, selection, asked);
    if asked > current {
        return Err(too_new(asked, current));
    }
    let exact = match call.query.get("resourceVersionMatch") {
        Some(matched) => matched == "Exact",
        None => limit > 0,
    };
    if !exact || asked == 0 {
        return Ok((items, current));
    }
    let items = call.server.select_at(target, selection, asked);
    items
        .map(|items| (items, asked))
        .map_err(|_| Failure::expired(TOO_OLD))
}

/// All that is selected, now, or at the past revision up to which a server has heard, if that is late enough.
pub(super) fn select(
    call: &Call<'_>,
    target: &Target,
    selection: &Selection,
    not_older_than: u64,
) -> (Vec<Object>, u64) {
    let past = call.as_of.filter(|past| *past >= not_older_than);
    let stale = past.and_then(|past| Some((call.server.select_at(target, selection, past).ok()?, past)));
    stale.unwrap_or_else(|| call.server.select(target, selection))
}

const NO_REVISION: &str = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided";

fn check(query: &Query) -> Result<(), Failure> {
    let refused =
        |field: &str, reason, message: &str| Err(invalid("ListOptions", field, reason, message.to_owned()));
    let (revision, matched) = (query.get("resourceVersion"), query.get("resourceVersionMatch"));
    if query.flag("sendInitialEvents").is_some() {
        let why = "Forbidden: sendInitialEvents is forbidden for list";
        let mut causes = vec![Cause {
            reason: "FieldValueForbidden",
            message: why.to_owned(),
            field: "sendInitialEvents".to_owned(),
        }];
        if matched.is_some() && revision.is_none() {
            let mut one = causes[0].clone();
            NO_REVISION.clone_into(&mut one.message);
            "resourceVersionMatch".clone_into(&mut one.field);
            causes.insert(0, one);
        }
        return Err(Failure::invalid("meta.k8s.io", "ListOptions", "", causes));
    }
    let Some(matched) = matched else { return Ok(()) };
    let field = "resourceVersionMatch";
    match (matched, revision) {
        (_, None) => refused(field, "FieldValueForbidden", NO_REVISION),
        _ if query.get("continue").is_some() => {
            let why = "Forbidden: resourceVersionMatch is forbidden when continue is provided";
            refused(field, "FieldValueForbidden", why)
        }
        ("Exact", Some("0")) => {
            let why = "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            refused(field, "FieldValueForbidden", why)
        }
        ("Exact" | "NotOlderThan", _) => Ok(()),
        (other, _) => {
            let why = format!(
                "Unsupported value: \"{other}\": supported values: \"\", \"Exact\", \"NotOlderThan\""
            );
            refused(field, "FieldValueNotSupported", &why)
        }
    }
}

/// 0 for none.
pub(super) fn revision(text: &str) -> Result<u64, Failure> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        Failure::bad_request(format!(
            "invalid resource version: resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \
             \"{text}\": invalid syntax"
        ))
    })
}

fn too_new(asked: u64, current: u64) -> Failure {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    let mut failure = Failure::new(504, "Timeout", message);
    failure.details.retry_after_seconds = Some(1);
    failure.details.causes = vec![Cause {
        reason: "ResourceVersionTooLarge",
        message: "Too large resource version".to_owned(),
        field: String::new(),
    }];
    failure
}

fn place(object: &Value) -> (&str, &str) {
    (
        object::namespace(object).unwrap_or_default(),
        object::name(object),
    )
}

fn token(last: &Value, revision: u64) -> String {
    let (namespace, name) = place(last);
    URL_SAFE_NO_PAD.encode(format!("{revision}/{namespace}/{name}"))
}

fn read_token(token: &str) -> Result<Continue, Failure> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (revision, after) = text.split_once('/')?;
        let (namespace, name) = after.split_once('/')?;
        let (revision, after) = (revision.parse().ok()?, (namespace.to_owned(), name.to_owned()));
        Some(Continue { revision, after })
    };
    read().ok_or_else(|| Failure::bad_request("continue key is not valid"))
}
