//! `docs/reference/cli.md`, made from the command line's own texts.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use super::args::Args;

/// The reference page. A test holds the file in `docs/` to it.
pub(super) fn markdown() -> String {
    let mut command = Args::command();
    command.build();
    let mut page =
        String::from("# The command line\n\n<!-- Made by `hub man --format markdown`; do not edit. -->\n\n");
    section(&mut page, &command);
    page.push_str("## Global options\n\nEvery verb takes them.\n\n");
    for arg in command.get_arguments().filter(|arg| arg.is_global_set()) {
        option(&mut page, arg);
    }
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let _ = write!(page, "\n## hub {}\n\n", verb.get_name());
        section(&mut page, verb);
    }
    page
}

fn section(page: &mut String, command: &Command) {
    let about = command.get_long_about().or_else(|| command.get_about());
    if let Some(about) = about {
        let _ = write!(page, "{about}\n\n");
    }
    let usage = command.clone().render_usage().to_string();
    let _ = write!(page, "```\n{}\n```\n\n", usage.trim_start_matches("Usage: "));
    let own = |arg: &&Arg| {
        !arg.is_global_set() && !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version")
    };
    for arg in command.get_arguments().filter(own) {
        option(page, arg);
    }
    if let Some(after) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        let after = after.to_string();
        let (title, body) = after.split_once('\n').unwrap_or(("", &after));
        let (code, words) = body.split_once("\n\n").unwrap_or((body, ""));
        let _ = write!(page, "\n{title}\n\n```sh\n{code}\n```\n");
        if !words.is_empty() {
            let _ = write!(page, "\n{words}\n");
        }
        page.push('\n');
    }
}

fn option(page: &mut String, arg: &Arg) {
    let value = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values())
        .map(|names| {
            names
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .unwrap_or_default();
    let mut name = String::new();
    if let Some(short) = arg.get_short() {
        let _ = write!(name, "-{short}, ");
    }
    match arg.get_long() {
        Some(long) => {
            let _ = write!(name, "--{long} {value}");
        }
        None => {
            let _ = write!(name, "{value}");
        }
    }
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "- `{}`: {help}", name.trim());
    let possible: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !possible.is_empty() {
        let _ = write!(page, " ({})", possible.join(", "));
    }
    let default: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    if !default.is_empty() && arg.get_action().takes_values() {
        let _ = write!(page, " Default: `{}`.", default.join(" "));
    }
    page.push('\n');
}
