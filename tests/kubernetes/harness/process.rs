//! A program that cannot outlive the test.
//!
//! Each program runs under a small shell that holds one end of a pipe to us. However we end (return, panic, Ctrl-C,
//! SIGKILL), the kernel closes our end, the shell reads end-of-file and kills the program.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::usage::{Usage, is_running};
use super::{Error, NotYet};

/// `$1` is the log, the rest the command. Prints the program's pid, ends with the program's exit status.
const SUPERVISOR: &str = r#"
log=$1; shift
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
program=$!
{ read -r _ <&3; kill -KILL "$program"; } >/dev/null 2>&1 &
watcher=$!
exec 3<&-
echo "$program"
wait "$program"
status=$?
kill -KILL "$watcher"
wait "$watcher"
exit "$status"
"#;

/// A running program, its log and its supervisor. Dropping it kills the program and waits until it is gone.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log: PathBuf,
    supervisor: Child,
}

/// What the tests send to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Stop,
    Continue,
    Terminate,
    Kill,
}

impl Process {
    /// Starts `command`; its output is appended to `log`. Only its program, arguments, environment and folder count.
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Start {
            name: name.to_owned(),
            source,
        };
        let mut shell = Command::new("sh");
        shell.args(["-c", SUPERVISOR, "supervisor"]).arg(log);
        shell.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        // A group of its own: Ctrl-C in the terminal reaches us alone, and our end reaches the program.
        shell
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut supervisor = shell.spawn().map_err(failed)?;
        let mut line = String::new();
        if let Some(output) = supervisor.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(failed)?;
        }
        let pid = line
            .trim()
            .parse()
            .map_err(|_| failed(io::Error::other("its supervisor gave no pid")))?;
        Ok(Self {
            name: name.to_owned(),
            pid,
            log: log.to_owned(),
            supervisor,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The exit status once the program has ended (128 + n after signal n), else `None`.
    pub fn exit_status(&mut self) -> Option<i32> {
        self.supervisor
            .try_wait()
            .ok()
            .flatten()
            .map(|status| status.code().unwrap_or(-1))
    }

    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        let word = match signal {
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
            Signal::Terminate => "TERM",
            Signal::Kill => "KILL",
        };
        let failed = |source| Error::Signal {
            name: self.name.clone(),
            source,
        };
        let pid = self.pid.to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -\"$1\" \"$2\"", "sh", word, &pid])
            .output()
            .map_err(failed)?;
        if sent.status.success() {
            Ok(())
        } else {
            Err(failed(io::Error::other(
                String::from_utf8_lossy(&sent.stderr).trim().to_owned(),
            )))
        }
    }

    /// Kills the program and returns when it is gone, so that its port is free again.
    pub fn kill(&mut self) {
        if self.exit_status().is_none() {
            // Closing the pipe is the same path that our own death takes.
            drop(self.supervisor.stdin.take());
            let _ = self.supervisor.wait();
        }
        // A supervisor that was itself killed cannot reap: then the program ends a moment later.
        let patience = Instant::now() + Duration::from_secs(5);
        while is_running(self.pid) && Instant::now() < patience {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// CPU time since its start and resident memory now; zero when it is gone.
    pub fn usage(&self) -> Usage {
        Usage::of(self.pid).unwrap_or_default()
    }

    /// Fails, with its last words, when the program has ended.
    pub(super) fn must_run(&mut self) -> Result<(), Error> {
        let Some(status) = self.exit_status() else {
            return Ok(());
        };
        Err(Error::Ended {
            name: self.name.clone(),
            status,
            last_words: self.last_words(),
        })
    }

    /// The error for a wait that was in vain.
    pub(super) fn not_ready(&self, within: Duration, NotYet(last): NotYet) -> Error {
        Error::NotReady {
            name: self.name.clone(),
            within,
            last,
            last_words: self.last_words(),
        }
    }

    /// The last lines of its log, for error messages.
    pub fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Removes a folder when we end without having done so ourselves. Like the programs' supervisors it waits for the
/// end of a pipe, so it also works after SIGKILL.
#[derive(Debug)]
pub struct Sweeper(Child);

impl Sweeper {
    /// Nothing but `folder` and what it holds is removed.
    pub fn watch(folder: &Path) -> Result<Self, Error> {
        // The programs die at the same moment and may still write a file: so it tries more than once.
        let script = r#"read -r _; for _ in 1 2 3 4 5; do rm -rf "$1"; [ -e "$1" ] || exit 0; sleep 1; done"#;
        Command::new("sh")
            .args(["-c", script, "sweeper"])
            .arg(folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
            .map_err(|source| Error::Start {
                name: "sweeper".to_owned(),
                source,
            })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
