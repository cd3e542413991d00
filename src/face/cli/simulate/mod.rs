//! `hub simulate`: a fleet in this process under a script, in virtual time.
//!
//! ```text
//! script ─► command: lines with places ─► session: Embedded, paused clock ─► what each command shows, on stdout
//! ```
//!
//! A script prints the same every time: one thread, a clock that moves only when everybody waits, everything else
//! drawn from the seed. So its output is kept in golden files. The order of requests within one moment is not fixed
//! (hash maps), and so neither is which of them a fault drawn by chance hits.

mod command;
mod session;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _};

use command::{MANUAL, Reader, Wrong};
use session::{Next, Session};

use super::args::{Global, Simulate};
use super::diagnose;
use super::failure::{Exit, Failure};
use super::output::Screen;
use crate::model::manifest::{Code, Diagnostic, Excerpt, STDIN};

pub(super) const EXAMPLES: &str = "Examples:\n  hub simulate tests/golden/simulate/silence.sim\n  hub simulate    # type commands; help lists them";

/// Behind `hub simulate --help`.
pub(super) fn help() -> String {
    format!(
        "{EXAMPLES}\n\nCommands of a script, one a line, # for comments. A CLUSTER is hub, member-1, member-2, … or members for all of those:\n\n{}",
        manual()
    )
}

/// Every command, in two columns.
fn manual() -> String {
    let mut text = String::new();
    for (usage, what) in MANUAL {
        let _ = writeln!(text, "  {usage:<36} {what}");
    }
    text
}

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Simulate) -> Result<Exit, Failure> {
    let name = wanted.script.as_deref().unwrap_or(STDIN);
    let mut session = Session::new(global)?;
    let outcome = if name == STDIN {
        typed(&mut session, screen).await
    } else {
        scripted(&mut session, name).await
    };
    session.end().await;
    outcome
}

/// A file: read and understood whole before anything begins.
async fn scripted(session: &mut Session, file: &str) -> Result<Exit, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let failed = Diagnostic::about_file(Code::UNREADABLE, file, format!("failed to read: {error}"));
        Failure::all(vec![
            failed.with_hint("name a file that can be read, or - for stdin"),
        ])
    })?;
    let mut reader = Reader::default();
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    for (at, text) in numbered(&text) {
        let place = Place { file, line: at, text };
        match reader.read(text) {
            Ok(line) => lines.push((place, line)),
            Err(error) => wrong.push(place.diagnostic(&error)),
        }
    }
    if !wrong.is_empty() {
        return Err(Failure::all(wrong));
    }
    for (place, line) in lines {
        session.echo(place.text)?;
        if let Some(line) = line
            && session.run(&line).await.map_err(|failure| place.of(failure))? == Next::End
        {
            break;
        }
    }
    Ok(Exit::Done)
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Standard input, line by line. A person who mistypes goes on; a pipe ends there.
///
/// While a line is awaited the thread waits with it, so no virtual time passes.
async fn typed(session: &mut Session, screen: Screen) -> Result<Exit, Failure> {
    let person = io::stdin().is_terminal();
    let mut reader = Reader::default();
    let mut lines = io::stdin().lock().lines();
    for number in 1.. {
        if person {
            drop(write_prompt(&session.time()));
        }
        let Some(text) = lines.next() else { break };
        let text = text.map_err(|error| {
            Failure::all(vec![
                Diagnostic::about_file(Code::UNREADABLE, STDIN, format!("failed to read: {error}"))
                    .with_hint("commands are text in UTF-8, one a line"),
            ])
        })?;
        let place = Place {
            file: STDIN,
            line: number,
            text: &text,
        };
        if !person {
            session.echo(&text)?;
        }
        let next = match reader.read(&text) {
            Ok(None) => Ok(Next::Goes),
            Ok(Some(line)) => session.run(&line).await.map_err(|failure| place.of(failure)),
            Err(wrong) => Err(Failure::all(vec![place.diagnostic(&wrong)])),
        };
        match next {
            Ok(Next::Goes) => {}
            Ok(Next::End) => break,
            Err(failure) if person => diagnose::draw(screen, &failure),
            Err(failure) => return Err(failure),
        }
    }
    Ok(Exit::Done)
}

fn write_prompt(time: &str) -> io::Result<()> {
    use std::io::Write as _;
    let mut err = io::stderr().lock();
    write!(err, "{time} hub> ")?;
    err.flush()
}

/// Where a line stands.
struct Place<'a> {
    file: &'a str,
    line: usize,
    text: &'a str,
}

impl Place<'_> {
    fn diagnostic(&self, wrong: &Wrong) -> Diagnostic {
        self.at(
            wrong.span.clone(),
            Diagnostic::about_file(Code::BAD_SCRIPT, self.file, wrong.message.clone())
                .with_hint(wrong.hint.clone()),
        )
    }

    /// A failure of the line's command. One about a file of its own keeps that place.
    fn of(&self, mut failure: Failure) -> Failure {
        let start = self.text.len() - self.text.trim_start().len();
        for diagnostic in &mut failure.diagnostics {
            if diagnostic.file.is_empty() {
                *diagnostic = self.at(start..self.text.trim_end().len(), diagnostic.clone());
            }
        }
        failure
    }

    fn at(&self, span: std::ops::Range<usize>, diagnostic: Diagnostic) -> Diagnostic {
        Diagnostic {
            file: self.file.to_owned(),
            line: self.line,
            column: self
                .text
                .get(..span.start)
                .map_or(1, |before| before.chars().count() + 1),
            excerpt: Some(Excerpt {
                text: self.text.to_owned(),
                span,
            }),
            ..diagnostic
        }
    }
}
