//! Progress of long work, on stderr: drawn in place for a person, one line a step for a pipe.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{Audience, Screen};

/// What is being done now, and what was done.
#[derive(Debug)]
pub(super) struct Progress {
    screen: Screen,
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    pub(super) fn new(screen: Screen) -> Self {
        let bar = screen.live.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self {
            screen,
            bar,
            last: String::new(),
        }
    }

    /// What is being done. A pipe sees it once per change.
    pub(super) fn doing(&mut self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None if self.last != what && self.screen.audience == Audience::Person => self.screen.words(what),
            None => {}
        }
        what.clone_into(&mut self.last);
    }

    /// What changed while waiting: only for a person who watches.
    pub(super) fn waiting(&mut self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    /// Nothing is being done for now: the line goes until there is something again.
    pub(super) fn pause(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// A step that is done and worth keeping on the screen.
    pub(super) fn done(&mut self, what: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.screen.words(what)),
            None => self.screen.words(what),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
