//! What `kubectl get` shows of each kind: as upstream for built-in kinds, as their definitions say for custom ones.

mod builtin;
mod cell;
mod path;
mod pod;
mod shown;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::{Origin, Resource};
use crate::model::clock::Timestamp;
use path::Path;

/// The columns of one kind at one version.
#[derive(Debug)]
pub(crate) struct Columns(Vec<Shown>);

#[derive(Debug)]
enum Shown {
    Computed(&'static Computed),
    /// A column of a custom kind; one whose path can't be read stays empty.
    Path {
        header: Value,
        kind: String,
        path: Option<Path>,
    },
}

/// A column of a built-in kind.
#[derive(Debug)]
struct Computed {
    name: &'static str,
    /// Shown by `-o wide` only.
    wide: bool,
    cell: Cell,
}

#[derive(Debug)]
enum Cell {
    /// The text at a JSON pointer, or another one where it is absent or empty.
    Text(&'static str, &'static str),
    /// The number at a JSON pointer, or 0.
    Number(&'static str),
    Code(fn(&Value, Timestamp) -> Value),
}

const fn text(name: &'static str, pointer: &'static str) -> Computed {
    or(name, pointer, "")
}

const fn or(name: &'static str, pointer: &'static str, instead: &'static str) -> Computed {
    column(name, Cell::Text(pointer, instead))
}

const fn number(name: &'static str, pointer: &'static str) -> Computed {
    column(name, Cell::Number(pointer))
}

const fn code(name: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Computed {
    column(name, Cell::Code(cell))
}

const fn column(name: &'static str, cell: Cell) -> Computed {
    let wide = false;
    Computed { name, wide, cell }
}

impl Computed {
    const fn wide(mut self) -> Self {
        self.wide = true;
        self
    }
}

/// The columns of a kind at a version.
pub(crate) fn of(resource: &Resource, version: &str) -> Columns {
    if !matches!(resource.origin, Origin::Custom { .. }) {
        return Columns::computed(builtin::of(&resource.qualified()));
    }
    let columns = resource
        .version(version)
        .map(|version| version.columns.as_slice());
    let columns = columns.unwrap_or_default();
    if columns.is_empty() {
        return Columns::computed(builtin::NAME_AND_AGE);
    }
    let own = columns.iter().map(|column| {
        let mut header = column.clone();
        let path = header
            .as_object_mut()
            .and_then(|header| header.remove("jsonPath"));
        Shown::Path {
            header,
            kind: column["type"].as_str().unwrap_or_default().to_owned(),
            path: path.as_ref().and_then(Value::as_str).and_then(Path::parse),
        }
    });
    let first = std::iter::once(Shown::Computed(&builtin::NAME));
    Columns(first.chain(own).collect())
}

impl Columns {
    fn computed(columns: &'static [Computed]) -> Self {
        Self(columns.iter().map(Shown::Computed).collect())
    }

    /// As `columnDefinitions` of a Table.
    pub(crate) fn definitions(&self) -> Value {
        let columns = self.0.iter().map(|column| match column {
            Shown::Computed(column) => json!({
                "name": column.name,
                "type": if matches!(column.cell, Cell::Number(_)) { "integer" } else { "string" },
                "format": if column.name == "Name" { "name" } else { "" },
                "description": "", "priority": i32::from(column.wide),
            }),
            Shown::Path { header, .. } => header.clone(),
        });
        columns.collect()
    }

    /// As `cells` of a row.
    pub(crate) fn cells(&self, object: &Value, now: Timestamp) -> Value {
        let cells = self.0.iter().map(|column| match column {
            Shown::Computed(column) => match column.cell {
                Cell::Text(pointer, instead) => match cell::at(object, pointer) {
                    "" => instead.into(),
                    text => text.into(),
                },
                Cell::Number(pointer) => cell::count(object, pointer).into(),
                Cell::Code(cell) => cell(object, now),
            },
            Shown::Path { kind, path, .. } => {
                let value = path.as_ref().and_then(|path| path.first(object));
                value.map_or(Value::Null, |value| cell::of_custom(kind, value, now))
            }
        });
        cells.collect()
    }
}
