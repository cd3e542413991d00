//! The entries of `managedFields`.

use serde_json::{Map, Value, json};

use crate::model::clock::{Timestamp, format_seconds};
use crate::model::schema::{FieldSet, Step};

/// Beyond these, the oldest entries of updates become one.
const MOST_UPDATES: usize = 10;

const ANCIENT: &str = "ancient-changes";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Owner {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) subresource: String,
    pub(super) api_version: String,
    pub(super) time: Option<String>,
    pub(super) fields: FieldSet,
}

impl Owner {
    /// Whether both are the same one: an applier stays itself from one version to the next.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// As conflicts name it: `"kubectl" with subresource "status" using apps/v1`.
    pub(super) fn shown(&self) -> String {
        let subresource = match self.subresource.as_str() {
            "" => String::new(),
            subresource => format!(" with subresource {subresource:?}"),
        };
        let version = match self.operation {
            Operation::Apply => String::new(),
            Operation::Update => format!(" using {}", self.api_version),
        };
        format!("{:?}{subresource}{version}", self.manager)
    }
}

/// All entries of an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Owners(pub(super) Vec<Owner>);

impl Owners {
    /// None when the entries can't be read.
    pub(super) fn read(entries: &Value) -> Option<Self> {
        let entries = entries.as_array().map_or(&[][..], Vec::as_slice);
        entries.iter().map(owner).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Those of an object; none when they can't be read.
    pub(super) fn of(object: Option<&Value>) -> Self {
        let entries = object.and_then(|object| object.pointer("/metadata/managedFields"));
        entries.and_then(Self::read).unwrap_or_default()
    }

    pub(super) fn find(&self, who: &Owner) -> Option<&Owner> {
        self.0.iter().find(|owner| owner.is(who))
    }

    /// Puts an entry in place of the same one's; an empty one goes.
    pub(super) fn put(&mut self, owner: Owner) {
        self.0.retain(|other| !other.is(&owner));
        if !owner.fields.is_empty() {
            self.0.push(owner);
        }
    }

    /// The oldest entries of updates become one per version when there are too many.
    pub(super) fn cap(&mut self) {
        let mut updates: Vec<Owner> = Vec::new();
        self.0.retain(|owner| {
            let is_update = owner.operation == Operation::Update;
            if is_update {
                updates.push(owner.clone());
            }
            !is_update
        });
        updates.sort_by(|one, other| (&one.time, &one.manager).cmp(&(&other.time, &other.manager)));
        while updates.len() > MOST_UPDATES {
            let oldest = updates.remove(0);
            let Some(at) = updates
                .iter()
                .position(|next| next.api_version == oldest.api_version)
            else {
                updates.insert(0, oldest);
                break;
            };
            let next = updates.remove(at);
            let bucket = Owner {
                manager: ANCIENT.to_owned(),
                subresource: String::new(),
                fields: oldest.fields.union(next.fields),
                ..next
            };
            updates.insert(0, bucket);
        }
        self.0.extend(updates);
    }

    /// As `managedFields` holds them: appliers first, then by time and name.
    pub(super) fn write(mut self) -> Option<Value> {
        self.0.retain(|owner| !owner.fields.is_empty());
        let key = |owner: &Owner| {
            let Owner {
                manager,
                operation,
                subresource,
                api_version,
                time,
                ..
            } = owner.clone();
            (operation, time, manager, api_version, subresource)
        };
        self.0.sort_by_cached_key(key);
        (!self.0.is_empty()).then(|| self.0.iter().map(entry).collect())
    }
}

fn owner(entry: &Value) -> Option<Owner> {
    let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let operation = match entry["operation"].as_str()? {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return None,
    };
    if entry["fieldsType"] != "FieldsV1" || text("apiVersion").is_empty() {
        return None;
    }
    Some(Owner {
        manager: text("manager"),
        operation,
        subresource: text("subresource"),
        api_version: text("apiVersion"),
        time: entry["time"].as_str().map(str::to_owned),
        fields: FieldSet::from_fields_v1(&entry["fieldsV1"]),
    })
}

fn entry(owner: &Owner) -> Value {
    let operation = match owner.operation {
        Operation::Apply => "Apply",
        Operation::Update => "Update",
    };
    let mut entry = Map::new();
    entry.insert("apiVersion".to_owned(), owner.api_version.as_str().into());
    entry.insert("fieldsType".to_owned(), "FieldsV1".into());
    entry.insert("fieldsV1".to_owned(), owner.fields.to_fields_v1());
    entry.insert("manager".to_owned(), owner.manager.as_str().into());
    entry.insert("operation".to_owned(), operation.into());
    if !owner.subresource.is_empty() {
        entry.insert("subresource".to_owned(), owner.subresource.as_str().into());
    }
    if let Some(time) = &owner.time {
        entry.insert("time".to_owned(), time.as_str().into());
    }
    Value::Object(entry)
}

/// What is never owned.
pub(super) fn without_identity(fields: &FieldSet) -> FieldSet {
    let field = |name: &str| Step::Field(name.to_owned());
    let mut never = FieldSet::default();
    for name in ["apiVersion", "kind", "metadata"] {
        never.insert(&[field(name)]);
    }
    let metadata = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    for name in metadata {
        never.insert(&[field("metadata"), field(name)]);
    }
    fields.difference(&never)
}

/// Whether entries mean "forget who owns what": an empty list, or one empty entry.
pub(super) fn is_reset(entries: Option<&Value>) -> bool {
    entries.is_some_and(|entries| *entries == json!([]) || *entries == json!([{}]))
}

pub(super) fn time(now: Timestamp) -> String {
    format_seconds(now)
}
