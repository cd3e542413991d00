//! The member's own schemas, read group version by group version when first asked for.
//!
//! The index `/openapi/v3` names each document with a hash of its contents in the address; as long as that
//! stays, the document that was read stays right.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Weak},
};

use http::Request;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::Error;
use crate::{
    act::wire,
    model::{
        hash::Hash,
        name::{ClusterName, GroupVersionKind},
        schema::{SchemaRef, Schemas},
    },
};

/// How long the index is believed when nothing has hinted at a change.
const FRESH: std::time::Duration = std::time::Duration::from_mins(10);

#[derive(Debug, Default)]
pub(super) struct Documents {
    state: Mutex<State>,
    /// One reader at a time: a burst of templates asks for the same document at once.
    reading: AsyncMutex<()>,
}

#[derive(Debug, Default)]
struct State {
    index: Option<(Index, Instant)>,
    documents: HashMap<String, (String, Arc<Schemas>)>,
}

/// A document that must be read first.
struct Unread;

type Index = Arc<BTreeMap<String, String>>;

impl Documents {
    /// The kinds of the member may have changed: the index is read again before the next answer.
    pub(super) fn invalidate(&self) {
        self.state.lock().index = None;
    }

    /// The schema of a kind. `None` when the member publishes none for it.
    pub(super) async fn schema(
        &self,
        client: &kube::Client,
        cluster: &ClusterName,
        gvk: &GroupVersionKind,
    ) -> Result<Option<SchemaRef>, Error> {
        let schemas = self.document(client, cluster, &path_of(gvk)).await?;
        Ok(schemas.and_then(|schemas| schemas.kind(&gvk.group, &gvk.version, &gvk.kind)))
    }

    async fn document(
        &self,
        client: &kube::Client,
        cluster: &ClusterName,
        path: &str,
    ) -> Result<Option<Arc<Schemas>>, Error> {
        if let Ok(known) = self.known(path) {
            return Ok(known);
        }
        let _one = self.reading.lock().await;
        if let Ok(known) = self.known(path) {
            return Ok(known);
        }
        let index = self.index(client).await?;
        let Some(address) = index.get(path) else {
            return Ok(None);
        };
        let kept = self
            .state
            .lock()
            .documents
            .get(path)
            .filter(|(of, _)| of == address)
            .map(|(_, kept)| kept.clone());
        let schemas = match kept {
            Some(schemas) => schemas,
            None => self.read(client, cluster, address).await?,
        };
        let mut state = self.state.lock();
        state
            .documents
            .insert(path.to_owned(), (address.clone(), schemas.clone()));
        Ok(Some(schemas))
    }

    /// The answer, if neither the index nor the document need be read. `Ok(None)`: surely not there.
    fn known(&self, path: &str) -> Result<Option<Arc<Schemas>>, Unread> {
        let state = self.state.lock();
        let (index, _) = state
            .index
            .as_ref()
            .filter(|(_, read)| read.elapsed() < FRESH)
            .ok_or(Unread)?;
        let Some(address) = index.get(path) else {
            return Ok(None);
        };
        let (of, schemas) = state.documents.get(path).ok_or(Unread)?;
        if of == address {
            Ok(Some(schemas.clone()))
        } else {
            Err(Unread)
        }
    }

    async fn index(&self, client: &kube::Client) -> Result<Index, Error> {
        #[derive(Deserialize)]
        struct Paths {
            paths: BTreeMap<String, Address>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Address {
            #[serde(rename = "serverRelativeURL")]
            url: String,
        }
        if let Some((index, _)) = self
            .state
            .lock()
            .index
            .as_ref()
            .filter(|(_, read)| read.elapsed() < FRESH)
        {
            return Ok(index.clone());
        }
        let read: Paths = client
            .request(get("/openapi/v3"))
            .await
            .map_err(|source| wire::Error::call("read the index of OpenAPI documents", source))?;
        let index: Index = Arc::new(read.paths.into_iter().map(|(path, at)| (path, at.url)).collect());
        let mut state = self.state.lock();
        state.documents.retain(|path, _| index.contains_key(path));
        state.index = Some((index.clone(), Instant::now()));
        Ok(index)
    }

    async fn read(
        &self,
        client: &kube::Client,
        cluster: &ClusterName,
        address: &str,
    ) -> Result<Arc<Schemas>, Error> {
        let text = client
            .request_text(get(address))
            .await
            .map_err(|source| wire::Error::call(format!("read the OpenAPI document {address}"), source))?;
        let wrong = |reason: String| Error::Document {
            cluster: cluster.clone(),
            what: "OpenAPI document",
            reason,
        };
        let hash = Hash::of_bytes(text.as_bytes());
        if let Some(same) = PARSED.lock().get(&hash).and_then(Weak::upgrade) {
            return Ok(same);
        }
        let document = serde_json::from_str(&text).map_err(|source| wrong(source.to_string()))?;
        let schemas = Schemas::from_openapi(&document).map_err(|source| wrong(source.to_string()))?;
        let schemas = Arc::new(schemas);
        let mut parsed = PARSED.lock();
        parsed.retain(|_, schemas| schemas.strong_count() > 0);
        parsed.insert(hash, Arc::downgrade(&schemas));
        Ok(schemas)
    }
}

/// Parsed, a document takes megabytes, and all members of one version publish the same: it is kept once. By the hash of
/// what was read and not the one in its address, which is only the member's word.
static PARSED: LazyLock<Mutex<HashMap<Hash, Weak<Schemas>>>> = LazyLock::new(Mutex::default);

fn get(path: &str) -> Request<Vec<u8>> {
    let mut request = Request::new(Vec::new());
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    request
}

/// As the index names it: `api/v1`, `apis/apps/v1`.
fn path_of(gvk: &GroupVersionKind) -> String {
    match &*gvk.group {
        "" => format!("api/{}", gvk.version),
        group => format!("apis/{group}/{}", gvk.version),
    }
}
