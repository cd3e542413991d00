//! Which names Kubernetes takes.

/// Why a name is not a DNS-1123 subdomain, or `None` when it is one.
pub(super) fn subdomain_problem(name: &str) -> Option<String> {
    if name.len() > 253 {
        return Some(format!("has {} characters, at most 253 are allowed", name.len()));
    }
    if name.split('.').all(is_label_shape) {
        return None;
    }
    Some("must consist of lower-case letters, digits, '-' and '.', each part starting and ending with a letter or digit".to_owned())
}

/// Why a name is not a DNS-1123 label of at most 63 characters, or `None` when it is one.
pub(super) fn label_problem(name: &str) -> Option<String> {
    if name.len() > 63 {
        return Some(format!("has {} characters, at most 63 are allowed", name.len()));
    }
    if is_label_shape(name) {
        return None;
    }
    Some(
        "must consist of lower-case letters, digits and '-', and start and end with a letter or digit"
            .to_owned(),
    )
}

/// Why a name cannot stand in a URL path, or `None`: the rule for RBAC, where `system:node` is a name.
pub(super) fn path_segment_problem(name: &str) -> Option<String> {
    let wrong = name.is_empty() || name == "." || name == ".." || name.contains(['/', '%']);
    wrong.then(|| "must not be '.' or '..' or contain '/' or '%'".to_owned())
}

fn is_label_shape(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = label.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            inner(*first) && inner(*last) && bytes.iter().all(|b| inner(*b) || *b == b'-')
        }
        _ => false,
    }
}
