//! Taking out of a text what two equal clusters may differ in.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// In this order: what is longer and surer first.
static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        // Events and progress come as the moments are; kwok plays no kubelet that says much.
        (r"(?s)\nEvents:.*$", "\n"),
        (r"(?m)^Waiting for (deployment|daemon set|\d+ pods).*\n", ""),
        (r"https://127\.0\.0\.1:\d+", "SERVER"),
        (r"127\.0\.0\.1:\d+", "SERVER"),
        (r"/tmp/[^\s]+/", "FOLDER/"),
        (r"eyJ[A-Za-z0-9_.-]{20,}", "TOKEN"),
        (
            r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\n?",
            "CERTIFICATE",
        ),
        (
            r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "UID",
        ),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (
            r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}",
            "TIME",
        ),
        (r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", "IP"),
        (r"(resourceVersion: )\S+", "${1}RV"),
        (r#"("resourceVersion":\s*)"\d+""#, "${1}RV"),
        (r"member-1-node-\d+", "NODE"),
        (r"\bmember-1-\d+\b", "NODE"),
        (
            r"-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b",
            "-HASH-RAND",
        ),
        (r"\b(web|api)-[bcdfghjklmnpqrstvwxz2456789]{8,10}\b", "${1}-HASH"),
        (
            r"(pod-template-hash[=:] ?)[bcdfghjklmnpqrstvwxz2456789]{8,10}",
            "${1}HASH",
        ),
        (r"(kube-api-access-)[bcdfghjklmnpqrstvwxz2456789]{5}", "${1}RAND"),
        (r"\bgen-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "gen-RAND"),
        (
            r"ResourceVersion in record \(\d+\)",
            "ResourceVersion in record (RV)",
        ),
        (r"\?hash=[A-Za-z0-9_-]+", "?hash=HASH"),
        // The real one is given another name for itself.
        (r"https://kubernetes\.default\.svc(\.cluster\.local)?", "ISSUER"),
        // The members of one fleet share an etcd.
        (r"Key: /(registry|member-1)/", "Key: /registry/"),
        (r"(topology.kubernetes.io/(region|zone)[=:])[a-z-]+", "${1}PLACE"),
        (r"\b3[0-2]\d{3}\b", "PORT"),
        (r"(?m)(^|\s)\d+(s|m|h|d)(\d+s)?($|\s)", "${1}AGE${4}"),
        // Columns are as wide as their widest cell, which names decide.
        (r"[ \t]{2,}", "  "),
        (r"(?m)[ \t]+$", ""),
    ]
    .into_iter()
    .map(|(pattern, with)| (Regex::new(pattern).unwrap(), with))
    .collect()
});

pub(crate) fn normal(text: &str) -> String {
    // Documents of one line: the order of their fields means nothing.
    let sorted = text
        .lines()
        .map(|line| match serde_json::from_str::<Value>(line) {
            Ok(value @ Value::Object(_)) => value.to_string(),
            _ => line.to_owned(),
        });
    let mut lines: Vec<String> = sorted.collect();
    // The real server names the wrong fields of one object in the order of a Go map.
    for causes in lines.chunk_by_mut(|one, next| one.starts_with("* ") && next.starts_with("* ")) {
        causes.sort();
    }
    let mut text = lines.join("\n");
    for (pattern, with) in RULES.iter() {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    text
}
