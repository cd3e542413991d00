//! What two answers to the same request may differ in, taken out: for who records them and for who compares.

use serde_json::Value;

/// An answer without what differs from one time to the next: times are `T`.
pub(crate) fn still(mut answer: Value) -> Value {
    if let Some(metadata) = answer.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["uid", "resourceVersion", "creationTimestamp", "namespace"] {
            metadata.remove(field);
        }
        let entries = metadata.get_mut("managedFields").and_then(Value::as_array_mut);
        for entry in entries
            .into_iter()
            .flatten()
            .filter(|entry| entry.get("time").is_some())
        {
            entry["time"] = "T".into();
        }
    }
    if let Some(spec) = answer.get_mut("spec").and_then(Value::as_object_mut) {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            spec.remove(field);
        }
        for port in spec
            .get_mut("ports")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            port.as_object_mut().map(|port| port.remove("nodePort"));
        }
    }
    answer
}
