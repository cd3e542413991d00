//! Objects on their way out.

use std::time::Duration;

use serde_json::{Value, json};

use super::{DeleteOptions, Propagation, Selection, Server, Target, admit};
use crate::model::clock;
use crate::sandbox::crd;
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::Expect;
use crate::sandbox::write::Writer;

/// Finalizers of the garbage collector.
const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Namespaces that stay.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// What became of an object that was to be deleted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Deleted {
    /// Its last state, or its state while it waits.
    pub(crate) object: Object,
    /// Nothing holds it any more.
    pub(crate) gone: bool,
}

/// How an object leaves.
enum Way {
    /// At once.
    Now,
    /// It is leaving already, and soon enough.
    AlreadyGoing,
    /// It gets this new state first; then it is gone, or waits.
    Marked(Value, Leaves),
}

#[derive(PartialEq)]
enum Leaves {
    AtOnce,
    Later,
}

impl Server {
    /// Deletes an object, or marks it when finalizers or a grace period hold it.
    pub(crate) fn delete(
        &self,
        writer: &Writer,
        target: &Target,
        options: &DeleteOptions,
    ) -> Result<Deleted, Failure> {
        let _alone = self.write_alone();
        self.delete_alone(writer, target, options)
    }

    /// The same, by one who writes alone already.
    pub(super) fn delete_alone(
        &self,
        writer: &Writer,
        target: &Target,
        options: &DeleteOptions,
    ) -> Result<Deleted, Failure> {
        let dry_run = options.dry_run || writer.dry_run;
        if target.is("", "namespaces") && IMMORTAL.contains(&&*target.name) {
            return Err(target.forbidden("this namespace may not be deleted"));
        }
        let old = self.kept(target).ok_or_else(|| target.not_found())?;
        admit::judge_delete(self, writer, target, &old)?;
        check_preconditions(target, &old, options)?;
        let (object, leaves) = match self.way(target, &old, options) {
            Way::AlreadyGoing => (old, Leaves::Later),
            Way::Now => (old, Leaves::AtOnce),
            Way::Marked(new, leaves) if dry_run => (std::sync::Arc::new(new), leaves),
            Way::Marked(new, leaves) => {
                let at = Expect::At(object::revision(&old));
                (self.put(&target.key(), at, new, target)?, leaves)
            }
        };
        let gone = leaves == Leaves::AtOnce;
        let object = if gone && !dry_run {
            let at = object::revision(&object);
            let removed = self.store().remove(&target.key(), at);
            removed.map_err(|_| target.not_found())?
        } else {
            object
        };
        Ok(Deleted {
            object: target.shown(object),
            gone,
        })
    }

    /// Deletes all selected objects, one after the other; what became of each.
    pub(crate) fn delete_collection(
        &self,
        writer: &Writer,
        target: &Target,
        selection: &Selection,
        options: &DeleteOptions,
    ) -> Result<Vec<Object>, Failure> {
        let (objects, _) = self.select(target, selection);
        let mut deleted = Vec::with_capacity(objects.len());
        for object in objects {
            let one = Target {
                namespace: object::namespace(&object).map(Into::into),
                ..target.named(object::name(&object))
            };
            match self.delete(writer, &one, options) {
                Ok(left) => deleted.push(left.object),
                Err(failure) if failure.code == 404 => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(deleted)
    }

    fn way(&self, target: &Target, old: &Object, options: &DeleteOptions) -> Way {
        if target.is(crd::GROUP, crd::PLURAL) && !object::is_deleting(old) {
            return Way::Marked(crd::leaving(old, &self.now()), Leaves::Later);
        }
        let finalizers = finalizers(target, old, options);
        let held = !finalizers.is_empty() || holds_content(old);
        let grace = if target.is("", "pods") {
            match self.grace(old, options) {
                Grace::Pending => return Way::AlreadyGoing,
                Grace::None => None,
                Grace::Period { seconds, ends } => Some((seconds, ends)),
            }
        } else {
            None
        };
        let mut new = (**old).clone();
        let metadata = object::metadata_mut(&mut new);
        if finalizers.is_empty() {
            metadata.remove("finalizers");
        } else {
            metadata.insert("finalizers".to_owned(), finalizers.into());
        }
        match grace {
            Some((seconds, ends)) => {
                mark(&mut new, seconds, &ends);
                let leaves = if held || seconds > 0 {
                    Leaves::Later
                } else {
                    Leaves::AtOnce
                };
                Way::Marked(new, leaves)
            }
            None if !held => Way::Now,
            None if object::is_deleting(old) && new == **old => Way::AlreadyGoing,
            None => {
                let now = self.now();
                mark(&mut new, 0, &now);
                if target.is("", "namespaces") {
                    object::field_mut(&mut new, "status").insert("phase".to_owned(), "Terminating".into());
                    object::metadata_mut(&mut new).remove("deletionGracePeriodSeconds");
                }
                if new == **old {
                    return Way::AlreadyGoing;
                }
                Way::Marked(new, Leaves::Later)
            }
        }
    }

    /// Pods are given time to end.
    fn grace(&self, pod: &Value, options: &DeleteOptions) -> Grace {
        let now = self.clock().now();
        let asked = options
            .grace_seconds
            .map(|seconds| if seconds < 0 { 1 } else { seconds });
        let after = |start: clock::Timestamp, seconds: i64| {
            start + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
        };
        if object::is_deleting(pod) {
            let given = pod["metadata"]["deletionGracePeriodSeconds"]
                .as_i64()
                .unwrap_or(0);
            if given == 0 {
                return Grace::None;
            }
            let Some(asked) = asked.filter(|asked| *asked < given) else {
                return Grace::Pending;
            };
            let Ok(ends) = clock::parse_timestamp(object::meta(pod, "deletionTimestamp")) else {
                return Grace::None;
            };
            let started = ends - Duration::from_secs(given.unsigned_abs());
            let sooner = after(started, asked);
            let late = sooner < now;
            return Grace::Period {
                seconds: if late && asked != 0 { 1 } else { asked },
                ends: clock::format_seconds(if late { now } else { sooner }),
            };
        }
        let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let placed = pod["spec"]["nodeName"]
            .as_str()
            .is_some_and(|node| !node.is_empty());
        let usual = || {
            pod["spec"]["terminationGracePeriodSeconds"]
                .as_i64()
                .unwrap_or(30)
        };
        let seconds = if ended || !placed {
            0
        } else {
            asked.unwrap_or_else(usual).max(0)
        };
        Grace::Period {
            seconds,
            ends: clock::format_seconds(after(now, seconds)),
        }
    }
}

enum Grace {
    /// It has none, or had it.
    None,
    /// It is running, and ends before what is asked now.
    Pending,
    Period {
        seconds: i64,
        ends: String,
    },
}

/// An update that takes the last thing that held a leaving object away.
pub(super) fn ends_with(old: &Value, new: &Value) -> bool {
    let free = new["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
    let grace = old["metadata"]["deletionGracePeriodSeconds"]
        .as_i64()
        .unwrap_or(0);
    object::is_deleting(old) && free && grace == 0 && !holds_content(new)
}

/// A namespace whose content is not gone.
fn holds_content(object: &Value) -> bool {
    object["kind"] == "Namespace"
        && object["apiVersion"] == "v1"
        && !object["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty)
}

/// Since when it is leaving; a leaving object is a new generation of it.
fn mark(object: &mut Value, grace_seconds: i64, ends: &str) {
    let first = !object::is_deleting(object);
    let metadata = object::metadata_mut(object);
    if first && let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
        metadata.insert("generation".to_owned(), (generation + 1).into());
    }
    // The end may only come nearer; the times compare as their texts.
    let sooner = metadata
        .get("deletionTimestamp")
        .and_then(Value::as_str)
        .is_none_or(|before| before > ends);
    if sooner {
        metadata.insert("deletionTimestamp".to_owned(), ends.into());
    }
    metadata.insert("deletionGracePeriodSeconds".to_owned(), grace_seconds.into());
}

/// The finalizers it has, with those of the garbage collector as asked.
fn finalizers(target: &Target, old: &Value, options: &DeleteOptions) -> Vec<Value> {
    let present = old["metadata"]["finalizers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if target.is("", "events") || target.is("events.k8s.io", "events") {
        return present;
    }
    let has = |name: &str| present.iter().any(|finalizer| finalizer == name);
    let orphans = match options.propagation {
        Propagation::Orphan => true,
        Propagation::Background | Propagation::Foreground => false,
        Propagation::Unsaid if has(ORPHAN) => true,
        Propagation::Unsaid if has(FOREGROUND) => false,
        Propagation::Unsaid => target.is("", "replicationcontrollers") || target.is("batch", "jobs"),
    };
    let foreground = match options.propagation {
        Propagation::Foreground => true,
        Propagation::Background | Propagation::Orphan => false,
        Propagation::Unsaid => has(FOREGROUND) && !has(ORPHAN),
    };
    let mut finalizers: Vec<Value> = present
        .into_iter()
        .filter(|finalizer| finalizer != FOREGROUND && finalizer != ORPHAN)
        .collect();
    if orphans {
        finalizers.push(json!(ORPHAN));
    }
    if foreground {
        finalizers.push(json!(FOREGROUND));
    }
    finalizers
}

fn check_preconditions(target: &Target, old: &Value, options: &DeleteOptions) -> Result<(), Failure> {
    let checks = [
        (
            "UID",
            &options.uid,
            object::uid(old),
            "deleted and then recreated",
        ),
        (
            "ResourceVersion",
            &options.resource_version,
            object::meta(old, "resourceVersion"),
            "modified",
        ),
    ];
    for (what, wanted, found, guess) in checks {
        if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != found) {
            let why = format!(
                "the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). The object \
                 might have been {guess}"
            );
            let resource = &target.resource;
            return Err(Failure::conflict(
                &resource.group,
                &resource.kind,
                &target.name,
                &why,
            ));
        }
    }
    Ok(())
}
