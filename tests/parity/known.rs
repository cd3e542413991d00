//! The differences that `docs/reference/sandbox.md` lists.

use std::collections::BTreeSet;

/// Steps whose results differ, each with a reason that people read.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeSet<String>);

impl Known {
    /// Rows of the page's tables whose first cell is `` `row: command` ``.
    pub(crate) fn read() -> Self {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/sandbox.md");
        let text = std::fs::read_to_string(page).unwrap_or_default();
        let steps = text.lines().filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            let step = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            let reason = cells
                .next_back()
                .filter(|last| last.is_empty())
                .and(cells.next_back())?;
            assert!(!reason.is_empty(), "{step} is listed without a reason");
            Some(step.to_owned())
        });
        Self(steps.collect())
    }

    pub(crate) fn has(&self, step: &str) -> bool {
        self.0.contains(step)
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}
