//! One story in both worlds, step by step.

use std::fmt::Write as _;
use std::path::Path;
use std::thread;

use similar::TextDiff;

use crate::known::Known;
use crate::worlds::Both;

/// One thing that is done.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// As the list of differences names it.
    pub(crate) id: String,
    /// Or it is only done.
    pub(crate) compared: bool,
}

/// Plays a story in both worlds at once; `all` answers what each of `steps` said.
pub(crate) fn compare(
    steps: &[Step],
    both: &Both,
    known: &Known,
    all: impl Fn(&Path) -> Result<Vec<String>, String> + Sync,
) -> Result<(), String> {
    let (sandbox, real) = thread::scope(|scope| {
        let sandbox = scope.spawn(|| all(&both.sandbox));
        let real = scope.spawn(|| all(&both.real));
        (sandbox.join(), real.join())
    });
    let (Ok(Ok(sandbox)), Ok(Ok(real))) = (&sandbox, &real) else {
        return Err(format!("sandbox: {}\nreal: {}", failed(&sandbox), failed(&real)));
    };
    let mut wrong = String::new();
    for (Step { id, compared }, (sandbox, real)) in steps.iter().zip(sandbox.iter().zip(real)) {
        match (sandbox == real || !compared, known.has(id)) {
            (true, false) | (false, true) => {}
            (true, true) => writeln!(wrong, "{id}\n  differs no more: take it off the list").unwrap(),
            (false, false) => {
                let diff = TextDiff::from_lines(real, sandbox);
                let diff = diff.unified_diff().header("real", "sandbox").to_string();
                writeln!(wrong, "{id}\n{diff}").unwrap();
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn failed(played: &thread::Result<Result<Vec<String>, String>>) -> String {
    match played {
        Ok(Ok(_)) => "played to its end".to_owned(),
        Ok(Err(words)) => words.clone(),
        Err(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_else(|| "panicked".to_owned()),
    }
}
