//! What containers printed: `GET pods/NAME/log`.

use std::sync::Arc;

use http::Response;
use serde_json::Value;

use super::body::Body;
use super::{Call, answer};
use crate::sandbox::api::Target;
use crate::sandbox::failure::Failure;

/// Who knows what a container of a pod printed, or why it printed nothing.
pub(crate) type Logs = Arc<dyn Fn(&Value, &str) -> Result<Arc<str>, Failure> + Send + Sync>;

/// Following a log ends where it ends: what is printed is scripted, and known at once.
pub(super) fn answer(call: &Call<'_>, target: &Target) -> Result<Response<Body>, Failure> {
    let pod = call.server.get(&target.at(""))?;
    let container = container(call, target, &pod)?;
    let status = status(&pod, container);
    if call.query.flag("previous") == Some(true) && status["lastState"]["terminated"].is_null() {
        return Err(Failure::bad_request(format!(
            "previous terminated container \"{container}\" in pod \"{}\" not found",
            target.name
        )));
    }
    let mut text = (call.logs)(&pod, container)?;
    if call.query.flag("timestamps") == Some(true) {
        let started = status["state"]["running"]["startedAt"].as_str();
        let started = started.or(status["state"]["terminated"]["startedAt"].as_str());
        text = stamped(&text, started.unwrap_or_default()).into();
    }
    let lines = call
        .query
        .number("tailLines")?
        .and_then(|lines| usize::try_from(lines).ok());
    let text = match lines {
        Some(lines) => tail(&text, lines),
        None => &text,
    };
    Ok(answer::text(200, text))
}

/// The one that is asked for, or the only one.
fn container<'a>(call: &'a Call<'_>, target: &Target, pod: &'a Value) -> Result<&'a str, Failure> {
    let fields = ["containers", "initContainers"];
    let all = fields
        .iter()
        .filter_map(|field| pod["spec"][field].as_array())
        .flatten();
    let names: Vec<&str> = all.filter_map(|container| container["name"].as_str()).collect();
    let name = &target.name;
    match (call.query.get("container"), names.as_slice()) {
        (Some(asked), names) if names.contains(&asked) => Ok(asked),
        (Some(asked), _) => Err(Failure::bad_request(format!(
            "container {asked} is not valid for pod {name}"
        ))),
        (None, [only]) => Ok(*only),
        (None, names) => Err(Failure::bad_request(format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            names.join(" ")
        ))),
    }
}

fn status<'a>(pod: &'a Value, container: &str) -> &'a Value {
    let fields = ["containerStatuses", "initContainerStatuses"];
    let mut all = fields
        .iter()
        .filter_map(|field| pod["status"][field].as_array())
        .flatten();
    all.find(|status| status["name"] == container)
        .unwrap_or(&Value::Null)
}

/// All of it was printed when the container started.
fn stamped(text: &str, started: &str) -> String {
    text.split_inclusive('\n')
        .flat_map(|line| [started, " ", line])
        .collect()
}

fn tail(text: &str, lines: usize) -> &str {
    let ends = text.char_indices().rev().filter(|(_, letter)| *letter == '\n');
    // The last line's own end does not count.
    let skip = usize::from(text.ends_with('\n')) + lines;
    match lines {
        0 => "",
        _ => ends
            .map(|(at, _)| at)
            .nth(skip - 1)
            .map_or(text, |at| &text[at + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn each_line_is_stamped_with_the_start_of_its_container() {
        assert_eq!(stamped("a\nb\n", "12:00"), "12:00 a\n12:00 b\n");
    }

    #[rstest]
    #[case("a\nb\nc\n", 0, "")]
    #[case("a\nb\nc\n", 1, "c\n")]
    #[case("a\nb\nc\n", 2, "b\nc\n")]
    #[case("a\nb\nc", 2, "b\nc")]
    #[case("a\nb\n", 9, "a\nb\n")]
    fn the_tail_of_a_log_is_whole_lines(#[case] text: &str, #[case] lines: usize, #[case] expected: &str) {
        assert_eq!(tail(text, lines), expected);
    }
}
