//! From the JSON of schemas to nodes.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::node::{Additional, Arena, Id, Limits, ListType, Node, Rule, Types};
use crate::model::cel::Program;

/// How deep inline schemas may nest; what is deeper is not checked.
const DEPTH_LIMIT: usize = 100;

/// Anything, merged as one leaf.
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";

const REF: &str = "#/components/schemas/";

/// Compiles the schemas that are reached from some roots.
pub(super) struct Compiler<'d> {
    definitions: Option<&'d Map<String, Value>>,
    by_name: HashMap<&'d str, Id>,
    arena: Arena,
    /// Rules that our CEL can't compile, for tests of our own CRDs.
    pub(super) skipped: Vec<String>,
}

impl<'d> Compiler<'d> {
    /// For the schemas of an OpenAPI document. Rules are left to the API server that published it.
    pub(super) fn of_openapi(definitions: &'d Map<String, Value>) -> Self {
        Self {
            definitions: Some(definitions),
            by_name: HashMap::new(),
            arena: Arena::default(),
            skipped: Vec::new(),
        }
    }

    /// For the schemas of a CRD, which stand alone.
    pub(super) fn of_crd() -> Self {
        let arena = Arena {
            structural: true,
            ..Arena::default()
        };
        Self {
            definitions: None,
            by_name: HashMap::new(),
            arena,
            skipped: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> (Arena, Vec<String>) {
        (self.arena, self.skipped)
    }

    /// The node of a named definition; each is compiled once, also when it contains itself.
    pub(super) fn definition(&mut self, name: &'d str) -> Id {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = self.reserve();
        self.by_name.insert(name, id);
        if let Some(schema) = self.definitions.and_then(|all| all.get(name)) {
            let mut node = self.node(schema, 0);
            if name == RAW_EXTENSION {
                node.limits.get_or_insert_default().atomic = true;
            }
            self.arena.nodes[id as usize] = node;
        }
        id
    }

    /// The node of a kind's root in a CRD: apiVersion, kind and metadata are known there without being named.
    pub(super) fn root(&mut self, schema: &'d Value) -> Id {
        let id = self.reserve();
        let node = self.node(schema, 0);
        let node = self.as_resource(node);
        self.arena.nodes[id as usize] = node;
        id
    }

    fn reserve(&mut self) -> Id {
        self.arena.nodes.push(Node {
            additional: Additional::Any,
            ..Node::default()
        });
        u32::try_from(self.arena.nodes.len() - 1).unwrap_or(u32::MAX)
    }

    fn inline(&mut self, schema: &'d Value, depth: usize) -> Id {
        if let Some(name) = reference(schema) {
            return self.definition(name);
        }
        let id = self.reserve();
        if depth < DEPTH_LIMIT {
            let node = self.node(schema, depth);
            self.arena.nodes[id as usize] = node;
        }
        id
    }

    fn node(&mut self, schema: &'d Value, depth: usize) -> Node {
        let flag = |name: &str| schema[name] == true;
        let mut node = Node {
            types: types_of(schema),
            nullable: flag("nullable"),
            ..Node::default()
        };
        if let Some(properties) = schema["properties"].as_object() {
            let mut compiled: Vec<(Box<str>, Id)> = properties
                .iter()
                .map(|(name, property)| (name.as_str().into(), self.inline(property, depth + 1)))
                .collect();
            compiled.sort();
            node.properties = compiled.into();
        }
        node.items = schema
            .get("items")
            .filter(|items| items.is_object())
            .map(|items| self.inline(items, depth + 1));
        node.additional = match schema.get("additionalProperties") {
            _ if flag("x-kubernetes-preserve-unknown-fields") => Additional::Any,
            Some(Value::Bool(true)) => Additional::Any,
            Some(of @ Value::Object(_)) => Additional::Of(self.inline(of, depth + 1)),
            // In a CRD, who says nothing of the fields of an object has none.
            _ if node.properties.is_empty() && !(self.arena.structural && schema["type"] == "object") => {
                Additional::Any
            }
            _ => Additional::Closed,
        };
        let limits = self.limits(schema, node.types);
        if limits != Limits::default() {
            node.limits = Some(Box::new(limits));
        }
        if flag("x-kubernetes-embedded-resource") {
            return self.as_resource(node);
        }
        node
    }

    fn limits(&mut self, schema: &'d Value, types: Types) -> Limits {
        let count = |names: [&str; 3]| names.iter().find_map(|name| schema[*name].as_u64());
        let bound = |name: &str, excluded: &str| Some((schema[name].as_f64()?, schema[excluded] == true));
        let has_items = !types.is_any();
        Limits {
            required: strings(&schema["required"]),
            allowed: schema["enum"].as_array().cloned().unwrap_or_default().into(),
            pattern: schema["pattern"].as_str().map(Into::into),
            int32: schema["format"] == "int32",
            minimum: bound("minimum", "exclusiveMinimum"),
            maximum: bound("maximum", "exclusiveMaximum"),
            at_least: count(["minLength", "minItems", "minProperties"]).filter(|_| has_items),
            at_most: count(["maxLength", "maxItems", "maxProperties"]).filter(|_| has_items),
            list: match schema["x-kubernetes-list-type"].as_str() {
                Some("map") => ListType::Map(strings(&schema["x-kubernetes-list-map-keys"])),
                Some("set") => ListType::Set,
                _ => ListType::Atomic,
            },
            atomic: schema["x-kubernetes-map-type"] == "atomic",
            // An OpenAPI document names defaults too; there only those of list keys matter, which are scalars.
            default: schema
                .get("default")
                .filter(|default| self.arena.structural || !(default.is_object() || default.is_array()))
                .cloned(),
            rules: self.rules(&schema["x-kubernetes-validations"]),
        }
    }

    fn rules(&mut self, rules: &Value) -> Box<[Rule]> {
        if !self.arena.structural {
            return Box::default();
        }
        let mut compiled = Vec::new();
        for rule in rules.as_array().into_iter().flatten() {
            let Some(text) = rule["rule"].as_str() else {
                continue;
            };
            let program = match Program::compile_rule(text) {
                // There the old value may be absent, for which our CEL has no word.
                Ok(_) if rule["optionalOldSelf"] == true => continue,
                Ok(program) => program,
                Err(error) => {
                    self.skipped.push(format!("{text}: {error}"));
                    continue;
                }
            };
            compiled.push(Rule {
                of_change: program.uses("oldSelf"),
                program,
                message: rule["message"]
                    .as_str()
                    .map_or_else(|| format!("failed rule: {text}"), str::to_owned)
                    .into(),
                message_program: rule["messageExpression"]
                    .as_str()
                    .and_then(|text| Program::compile_rule(text).ok()),
                names_field: rule["fieldPath"].is_string(),
                reason: rule["reason"].as_str().unwrap_or_default().into(),
                field: rule["fieldPath"]
                    .as_str()
                    .map(pointer_of)
                    .or_else(|| refused_field(text))
                    .map(Into::into),
            });
        }
        compiled.into()
    }

    /// Adds what every object has, where the schema does not say more.
    fn as_resource(&mut self, mut node: Node) -> Node {
        let text = self.reserve();
        let mut string = Types::default();
        string.add("string");
        self.arena.nodes[text as usize] = Node {
            types: string,
            additional: Additional::Any,
            ..Node::default()
        };
        let metadata = self.object_meta(text, string);
        let mut properties: Vec<(Box<str>, Id)> = std::mem::take(&mut node.properties).into();
        properties.retain(|(name, _)| !matches!(&**name, "apiVersion" | "kind" | "metadata"));
        properties.push(("apiVersion".into(), text));
        properties.push(("kind".into(), text));
        properties.push(("metadata".into(), metadata));
        properties.sort();
        node.properties = properties.into();
        node
    }

    /// The schema of `metadata`, which a CRD may not change.
    fn object_meta(&mut self, text: Id, string: Types) -> Id {
        let any = self.reserve();
        let object = |additional| {
            let mut types = Types::default();
            types.add("object");
            Node {
                types,
                additional,
                ..Node::default()
            }
        };
        let map = self.reserve();
        self.arena.nodes[map as usize] = object(Additional::Of(text));
        let texts = self.reserve();
        let mut list = Types::default();
        list.add("array");
        self.arena.nodes[texts as usize] = Node {
            types: list,
            items: Some(text),
            additional: Additional::Any,
            ..Node::default()
        };
        let nullable = self.reserve();
        self.arena.nodes[nullable as usize] = Node {
            types: string,
            nullable: true,
            additional: Additional::Any,
            ..Node::default()
        };
        let properties = [
            ("annotations", map),
            ("creationTimestamp", nullable),
            ("deletionGracePeriodSeconds", any),
            ("deletionTimestamp", nullable),
            ("finalizers", texts),
            ("generateName", text),
            ("generation", any),
            ("labels", map),
            ("managedFields", any),
            ("name", text),
            ("namespace", text),
            ("ownerReferences", any),
            ("resourceVersion", text),
            ("selfLink", text),
            ("uid", text),
        ];
        let meta = self.reserve();
        self.arena.nodes[meta as usize] = Node {
            properties: properties
                .iter()
                .map(|(name, id)| (Box::from(*name), *id))
                .collect(),
            ..object(Additional::Closed)
        };
        meta
    }
}

/// The definition a schema refers to: `$ref`, or `allOf` with one (where the API server adds a default).
fn reference(schema: &Value) -> Option<&str> {
    let reference = match (&schema["$ref"], schema["allOf"].as_array().map(Vec::as_slice)) {
        (Value::String(reference), _) => reference,
        (_, Some([only])) => only["$ref"].as_str()?,
        _ => return None,
    };
    reference.strip_prefix(REF)
}

fn types_of(schema: &Value) -> Types {
    let mut types = Types::default();
    if schema["x-kubernetes-int-or-string"] == true || schema["format"] == "int-or-string" {
        types.set_int_or_string();
    } else if let Some(name) = schema["type"].as_str() {
        types.add(name);
    } else {
        // Quantities are published as oneOf string and number.
        for name in schema["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["type"].as_str())
        {
            types.add(name);
        }
    }
    types
}

fn strings(list: &Value) -> Box<[Box<str>]> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(Into::into)
        .collect()
}

/// `.spec.a` or `['x']` as a JSON pointer. Paths with other brackets are cut before them.
fn pointer_of(path: &str) -> String {
    path.split('[').next().unwrap_or_default().replace('.', "/")
}

/// The field that a rule of the form `!has(self.a.b)` refuses.
fn refused_field(rule: &str) -> Option<String> {
    let path = rule.trim().strip_prefix("!has(self.")?.strip_suffix(')')?;
    let plain = path
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
    plain.then(|| format!("/{}", path.replace("__", "").replace('.', "/")))
}
