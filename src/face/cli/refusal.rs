//! What the server said of one object, at its place in the file.

use kube::Error as KubeError;

use super::{failure::Failure, locate::Item};
use crate::{
    act::wire::brief,
    model::manifest::{Code, Diagnostic},
};

/// A refused write, with the field that the server names and what to do about it.
pub(super) fn refusal(item: &Item<'_>, error: &KubeError) -> Diagnostic {
    let said = brief(error);
    let at = |code, pointer: &str| {
        item.document
            .error(code, pointer, format!("{}: {said}", item.shown()))
    };
    let KubeError::Api(status) = error else {
        let failure = Failure::hub("apply", error);
        let first = failure.diagnostics.into_iter().next();
        let (code, hint) = first.map_or((Code::HUB_UNREACHABLE, None), |first| (first.code, first.hint));
        return at(code, "").with_hint(hint.unwrap_or_default());
    };
    let cause = status.details.as_ref().and_then(|details| details.causes.first());
    let pointer = cause.map(|cause| pointer_of(&cause.field)).unwrap_or_default();
    match status.code {
        404 if status.message.starts_with("namespaces ") => at(Code::NAMESPACE_MISSING, "/metadata/namespace")
            .with_hint("list the namespace in a Tenant, and the running hub makes it; or choose another with -n"),
        409 => at(Code::FIELD_CONFLICT, &pointer)
            .with_hint("another manager owns these fields: remove them from the manifest, or take them over with --force-conflicts"),
        401 | 403 => at(Code::FORBIDDEN, "").with_hint("ask an owner of the tenant or an administrator of the hub API for this right"),
        422 | 400 | 500 => at(Code::REFUSED_BY_SERVER, &pointer).with_hint("correct the field that the message names; nothing was changed"),
        _ => at(Code::REFUSED_BY_SERVER, &pointer).with_hint("the answer of the hub API says what it needs"),
    }
}

/// `.spec.template.containers[0].image` as a JSON pointer, as far as it can be read.
fn pointer_of(field: &str) -> String {
    let mut pointer = String::new();
    for part in field.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        if part.contains(['=', '"', ':']) {
            break;
        }
        pointer.push('/');
        pointer.push_str(part);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "spec.template.spec.containers[0].image",
        "/spec/template/spec/containers/0/image"
    )]
    #[case(".data.hello", "/data/hello")]
    #[case(".spec.containers[name=\"app\"].image", "/spec/containers")]
    #[case("", "")]
    fn fields_of_the_server_become_places(#[case] field: &str, #[case] pointer: &str) {
        assert_eq!(pointer_of(field), pointer);
    }
}
