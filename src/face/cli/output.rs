//! Where data is printed: stdout, as a table, JSON or YAML.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::{
    args::{Color, Format},
    failure::Failure,
};
use crate::model::manifest::Code;

/// The terminal, or the pipes in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    /// Whether data may be coloured.
    pub(super) color_out: bool,
    /// Whether words may be coloured.
    pub(super) color_err: bool,
    /// Whether a person watches stderr: progress is drawn in place.
    pub(super) live: bool,
    /// Who listens.
    pub(super) audience: Audience,
}

/// Whom a verb talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Whoever typed it: data on stdout, words and progress on stderr.
    Person,
    /// A session that ran it: words are part of what it prints on stdout, progress is not.
    Session,
    /// Another verb that ran it and speaks for itself: nothing is printed.
    Nobody,
}

impl Screen {
    pub(super) fn new(color: Color) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let may = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain,
        };
        let live = io::stderr().is_terminal();
        Self {
            color_out: may(io::stdout().is_terminal()),
            color_err: may(live),
            live: live && !plain,
            audience: Audience::Person,
        }
    }

    /// A screen for another audience than a person: nothing is drawn in place, nothing is coloured.
    pub(super) fn before(audience: Audience) -> Self {
        Self {
            color_out: false,
            color_err: false,
            live: false,
            audience,
        }
    }

    /// Writes data. A reader that went away (`| head`) is no failure.
    pub(super) fn data(self, text: &str) -> Result<(), Failure> {
        if self.audience == Audience::Nobody {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| {
            if text.is_empty() || text.ends_with('\n') {
                Ok(())
            } else {
                out.write_all(b"\n")
            }
        });
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::system("failed to write to stdout", &error))
            }
            _ => Ok(()),
        }
    }

    /// Writes words, on stderr. That they can't be written is not worth failing for.
    pub(super) fn words(self, text: &str) {
        match self.audience {
            Audience::Person => drop(writeln!(io::stderr().lock(), "{text}")),
            Audience::Session => drop(writeln!(io::stdout().lock(), "{text}")),
            Audience::Nobody => {}
        }
    }

    /// Prints a value as `format` says; `None` when it asks for a table.
    pub(super) fn structured(self, format: Option<Format>, value: &impl Serialize) -> Result<bool, Failure> {
        let text = match format {
            Some(Format::Json) => json(value)?,
            Some(Format::Yaml) => yaml(value)?,
            None | Some(Format::Wide) => return Ok(false),
        };
        self.data(&text)?;
        Ok(true)
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| Failure::new(Code::SYSTEM, format!("failed to write JSON: {error}")))
}

pub(super) fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    serde_saphyr::to_string(value)
        .map_err(|error| Failure::new(Code::SYSTEM, format!("failed to write YAML: {error}")))
}
