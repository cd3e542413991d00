//! Who wrote what: the API servers' audit logs, of real Kubernetes and of the sandbox in one shape.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// One request that changed something, from the API server's audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub user: String,
    /// Whom the user acted as.
    pub as_user: Option<String>,
    pub verb: String,
    /// Empty for the core group.
    pub group: String,
    pub resource: String,
    pub subresource: Option<String>,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub status: u16,
}

impl Write {
    /// Reads an audit log; a line that is not yet whole is left for the next reading.
    pub(super) fn read_all(log: &Path) -> Vec<Self> {
        let text = fs::read_to_string(log).unwrap_or_default();
        text.lines()
            .filter_map(|line| Self::read(&serde_json::from_str(line).ok()?))
            .collect()
    }

    fn read(event: &Value) -> Option<Self> {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        // What was only tried changed nothing.
        if text("/requestURI")?.contains("dryRun=") {
            return None;
        }
        Some(Self {
            user: text("/user/username")?,
            as_user: text("/impersonatedUser/username"),
            verb: text("/verb")?,
            group: text("/objectRef/apiGroup").unwrap_or_default(),
            resource: text("/objectRef/resource")?,
            subresource: text("/objectRef/subresource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            status: event
                .pointer("/responseStatus/code")
                .and_then(Value::as_u64)?
                .try_into()
                .ok()?,
        })
    }

    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl From<hanse::sandbox::Write> for Write {
    fn from(write: hanse::sandbox::Write) -> Self {
        Self {
            user: write.user,
            as_user: write.as_user,
            verb: write.verb.to_owned(),
            group: write.group,
            resource: write.resource,
            subresource: write.subresource,
            namespace: write.namespace,
            name: write.name,
            status: write.status,
        }
    }
}
