//! Completion scripts, manual pages, the version.

use clap::CommandFactory;
use serde_json::json;

use super::{
    args::{Args, Completions, Global, Man, ManFormat},
    failure::{Exit, Failure},
    output::Screen,
    reference,
};

pub(super) fn completions(screen: Screen, wanted: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(wanted.shell, &mut Args::command(), "hub", &mut script);
    screen.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

pub(super) fn man(screen: Screen, wanted: &Man) -> Result<Exit, Failure> {
    if wanted.format == ManFormat::Markdown {
        screen.data(&reference::markdown())?;
        return Ok(Exit::Done);
    }
    let mut command = Args::command();
    command.build();
    let page = match &wanted.verb {
        None => command,
        Some(verb) => {
            let known: Vec<String> = command
                .get_subcommands()
                .map(|verb| verb.get_name().to_owned())
                .collect();
            let found = command.find_subcommand(verb).cloned();
            found.ok_or_else(|| {
                Failure::usage(format!("there is no verb {verb:?}"))
                    .with_hint(format!("the verbs are {}", known.join(", ")))
            })?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .map_err(|error| Failure::system("failed to write the manual", &error))?;
    screen.data(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}

pub(super) fn version(global: &Global, screen: Screen) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if !screen.structured(global.output, &json!({"name": "hub", "version": version}))? {
        screen.data(&format!("hub {version}"))?;
    }
    Ok(Exit::Done)
}
