//! What the hub asks of API servers: bare HTTP requests, in small stories with a namespace of their own.
//!
//! ```text
//! ## story
//! one = POST /api/v1/namespaces/{ns}/configmaps       an answer with a name …
//! {"metadata":{"name":"one"}}                         and the body that was sent
//! DELETE /api/v1/namespaces/{ns}/configmaps/one as bob
//! {"preconditions":{"uid":"{one.metadata.uid}"}}      … is there for those that follow
//! ```
//!
//! The first word is a method, a kind of patch (`APPLY`, `MERGE`, `JSON`, `STRATEGIC`), `META`
//! and `METAS` (metadata of one or of many), `DISCOVER` (aggregated), `UNTIL PATH has WORDS` (waits), or any of these
//! after `~`: done, not compared. A watch is read until it ends. Of an answer about all there is, `only NAME` compares
//! what has this name: the sandbox has fewer kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use http::{Request, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use regex::{Captures, Regex};
use serde_json::Value;

use crate::compare::{Step, compare};
use crate::known::Known;
use crate::normal::normal;
use crate::worlds::Both;

/// One story.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    asked: Vec<Asked>,
}

#[derive(Debug, Clone)]
struct Asked {
    line: String,
    compared: bool,
    kept_as: Option<String>,
    body: String,
}

const STORIES: &str = include_str!("requests.txt");
/// What asynchronous work of a cluster may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in STORIES.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("## ") {
            let (name, asked) = (name.to_owned(), Vec::new());
            rows.push(Row { name, asked });
            continue;
        }
        let row = rows.last_mut().expect("a story begins with its name");
        if line.starts_with(['{', '[']) {
            let last = row.asked.last_mut().expect("a body belongs to a request");
            line.clone_into(&mut last.body);
        } else {
            row.asked.push(Asked::read(line));
        }
    }
    rows
}

/// All steps, as the list of differences names them.
pub(crate) fn steps() -> BTreeSet<String> {
    rows().iter().flat_map(steps_of).map(|step| step.id).collect()
}

fn steps_of(row: &Row) -> Vec<Step> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let mut steps = Vec::new();
    for asked in &row.asked {
        let time = times.entry(&asked.line).or_default();
        *time += 1;
        let again = if *time > 1 {
            format!(" ({time})")
        } else {
            String::new()
        };
        let id = format!("{}: {}{again}", row.name, asked.line).replace('|', "¦");
        let compared = asked.compared;
        steps.push(Step { id, compared });
    }
    steps
}

impl Asked {
    fn read(line: &str) -> Self {
        let (kept_as, line) = match line.split_once(" = ") {
            Some((name, line)) if name.chars().all(char::is_alphanumeric) => (Some(name.to_owned()), line),
            _ => (None, line),
        };
        let bare = line.trim_start_matches('~');
        Self {
            line: bare.to_owned(),
            compared: bare == line && !bare.starts_with("UNTIL "),
            kept_as,
            body: String::new(),
        }
    }
}

/// Plays a story in both worlds and compares answer by answer.
pub(crate) fn play(row: &Row, both: &Both, known: &Known) -> Result<(), String> {
    compare(&steps_of(row), both, known, |kubeconfig| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        runtime.block_on(all(row, kubeconfig))
    })
}

/// What each request is answered in one world.
async fn all(row: &Row, kubeconfig: &Path) -> Result<Vec<String>, String> {
    let mut world = World::enter(&row.name, kubeconfig).await?;
    for line in [
        "POST /api/v1/namespaces",
        "UNTIL /api/v1/namespaces/{ns}/serviceaccounts/default has \"uid\"",
    ] {
        let mut asked = Asked::read(line);
        r#"{"metadata":{"name":"{ns}"}}"#.clone_into(&mut asked.body);
        world.ask(&asked).await?;
    }
    let mut said = Vec::new();
    for asked in &row.asked {
        let words = world
            .ask(asked)
            .await
            .map_err(|error| format!("{}: {error}", asked.line))?;
        said.push(words);
    }
    Ok(said)
}

/// One of the two, as one story sees it.
struct World {
    client: Client,
    namespace: String,
    kept: BTreeMap<String, Value>,
}

impl World {
    async fn enter(story: &str, kubeconfig: &Path) -> Result<Self, String> {
        let read = Kubeconfig::read_from(kubeconfig).map_err(|error| error.to_string())?;
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
            .await
            .map_err(|error| error.to_string())?;
        Ok(Self {
            client: Client::try_from(config).map_err(|error| error.to_string())?,
            namespace: format!("requests-{story}"),
            kept: BTreeMap::new(),
        })
    }

    async fn ask(&mut self, asked: &Asked) -> Result<String, String> {
        let line = self.fill(&asked.line)?;
        let body = self.fill(&asked.body)?;
        if let Some((path, words)) = line
            .strip_prefix("UNTIL ")
            .and_then(|rest| rest.split_once(" has "))
        {
            return self.until(path, words).await;
        }
        let (line, only) = match line.split_once(" only ") {
            Some((line, name)) => (line, Some(name)),
            None => (line.as_str(), None),
        };
        let answer = tokio::time::timeout(PATIENCE, self.send(line, body));
        let mut answer = answer.await.map_err(|_| "no answer")??;
        if let Some(name) = only {
            for document in &mut answer.documents {
                *document = named(document, name).unwrap_or_default();
                undescribed(document);
            }
        }
        if let (Some(name), Some(last)) = (&asked.kept_as, answer.documents.last()) {
            self.kept.insert(name.clone(), last.clone());
        }
        Ok(answer.words())
    }

    /// Asks until the answer has these words.
    async fn until(&self, path: &str, words: &str) -> Result<String, String> {
        let begun = Instant::now();
        loop {
            let answer = self.send(&format!("GET {path}"), String::new()).await?;
            let text = answer.words();
            if text.contains(words) {
                return Ok(text);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{path} has no {words}:\n{text}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn send(&self, line: &str, body: String) -> Result<Answer, String> {
        let (line, user) = match line.split_once(" as ") {
            Some((line, user)) => (line, Some(user)),
            None => (line, None),
        };
        let (verb, path) = line.split_once(' ').ok_or("a request is VERB PATH")?;
        let (method, content, accept) = match verb {
            "APPLY" => ("PATCH", "application/apply-patch+yaml", JSON),
            "MERGE" => ("PATCH", "application/merge-patch+json", JSON),
            "JSON" => ("PATCH", "application/json-patch+json", JSON),
            "STRATEGIC" => ("PATCH", "application/strategic-merge-patch+json", JSON),
            "META" => ("GET", JSON, METADATA),
            "METAS" => ("GET", JSON, METADATA_LIST),
            "DISCOVER" => ("GET", JSON, DISCOVERY),
            method => (method, JSON, JSON),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, accept);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, content);
        }
        // `bob,group=drivers`
        for part in user.into_iter().flat_map(|user| user.split(',')) {
            request = match part.strip_prefix("group=") {
                Some(group) => request.header("Impersonate-Group", group),
                None => request.header("Impersonate-User", part),
            };
        }
        let request = request
            .body(Body::from(body.into_bytes()))
            .map_err(|error| error.to_string())?;
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let bytes = body
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        Ok(Answer {
            head,
            documents: serde_json::Deserializer::from_slice(&bytes)
                .into_iter()
                .collect::<Result<_, _>>()
                .unwrap_or_default(),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    /// `{ns}`, and `{name.path.of.a.field}` of answers that were kept.
    fn fill(&self, text: &str) -> Result<String, String> {
        static FIELD: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"\{([a-z]+)\.([A-Za-z0-9.]+)\}").unwrap());
        let text = text.replace("{ns}", &self.namespace);
        let mut missing = None;
        let filled = FIELD.replace_all(&text, |found: &Captures<'_>| {
            let pointer = format!("/{}", found[2].replace('.', "/"));
            match self.kept.get(&found[1]).and_then(|kept| kept.pointer(&pointer)) {
                Some(Value::String(value)) => value.clone(),
                Some(value) => value.to_string(),
                None => {
                    missing = Some(format!(
                        "nothing is at {} of {:#?}",
                        &found[0],
                        self.kept.get(&found[1])
                    ));
                    String::new()
                }
            }
        });
        let filled = filled.into_owned();
        missing.map_or(Ok(filled), Err)
    }
}

const JSON: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

struct Answer {
    head: http::response::Parts,
    /// One, or the events of a watch.
    documents: Vec<Value>,
    text: String,
}

impl Answer {
    /// What is compared.
    fn words(&self) -> String {
        let content = self.head.headers.get(header::CONTENT_TYPE);
        let content = content
            .and_then(|value| value.to_str().ok())
            .unwrap_or("no content type");
        let mut words = format!("{} {content}\n", self.head.status.as_u16());
        for warning in self.head.headers.get_all(header::WARNING) {
            let _ = writeln!(words, "Warning: {}", warning.to_str().unwrap_or("not text"));
        }
        if self.documents.is_empty() {
            words += &self.text;
        }
        for document in self.documents.iter().filter(|document| !is_heartbeat(document)) {
            let mut document = document.clone();
            tidy(&mut document);
            words += &serde_json::to_string_pretty(&document).unwrap();
            words.push('\n');
        }
        normal(&words)
    }
}

/// Servers send bookmarks when they like; the one after the initial events is owed.
fn is_heartbeat(event: &Value) -> bool {
    event["type"] == "BOOKMARK" && event["object"]["metadata"]["annotations"].is_null()
}

/// The first thing with this name: an item of a list, or a field of a map.
fn named(value: &Value, name: &str) -> Option<Value> {
    let is_it = |item: &&Value| {
        ["/metadata/name", "/resource"]
            .iter()
            .any(|at| item.pointer(at).is_some_and(|found| found == name))
    };
    match value {
        Value::Object(fields) => fields
            .get(name)
            .cloned()
            .or_else(|| fields.values().find_map(|field| named(field, name))),
        Value::Array(items) => items
            .iter()
            .find(is_it)
            .cloned()
            .or_else(|| items.iter().find_map(|item| named(item, name))),
        _ => None,
    }
}

/// The sandbox's schemas have none: a listed difference of `kubectl explain`.
fn undescribed(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|field, value| field != "description" || !value.is_string());
        fields.values_mut().for_each(undescribed);
    }
}

/// Takes out what two right answers may differ in: the order of lists that have none, and tokens.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match (name.as_str(), &mut *field) {
                    ("managedFields" | "causes", Value::Array(items)) => {
                        items.sort_by_key(ToString::to_string);
                    }
                    ("continue", Value::String(token)) if !token.is_empty() => "MORE".clone_into(token),
                    _ => {}
                }
                tidy(field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
