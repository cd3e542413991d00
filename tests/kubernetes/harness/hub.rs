//! The `hub` binary as a user runs it: one command, or `hub serve` until it is told to end.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Error;
use super::process::{Process, Signal};
use super::usage::Usage;
use super::wait::{NotYet, poll};

/// Where the `hub` binary is, and against which hub API it runs.
#[derive(Clone, Debug)]
pub struct HubCommand {
    binary: PathBuf,
    kubeconfig: Option<PathBuf>,
}

/// What a command answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The exit status; -1 when a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl HubCommand {
    /// In tests `env!("CARGO_BIN_EXE_hub")`; benches and examples are told.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            kubeconfig: None,
        }
    }

    /// Every command gets `--kubeconfig`.
    pub fn against(&self, kubeconfig: &Path) -> Self {
        Self {
            kubeconfig: Some(kubeconfig.to_owned()),
            ..self.clone()
        }
    }

    /// Runs one command to its end.
    pub async fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Answer, Error> {
        self.run_with_input(arguments, "").await
    }

    /// Runs one command to its end, with `input` on its standard input.
    pub async fn run_with_input<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        input: &str,
    ) -> Result<Answer, Error> {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_owned();
        let run = move || {
            let mut child = command.spawn()?;
            // Fed from beside: a command that answers before it has read all would block both sides.
            let feeder = child
                .stdin
                .take()
                .map(|mut pipe| std::thread::spawn(move || pipe.write_all(input.as_bytes())));
            let output = child.wait_with_output();
            drop(feeder.map(std::thread::JoinHandle::join));
            output
        };
        let failed = |source| Error::Start {
            name: "hub".to_owned(),
            source,
        };
        let output = tokio::task::spawn_blocking(run)
            .await
            .map_err(|joined| failed(joined.into()))?
            .map_err(failed)?;
        Ok(Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Starts `hub serve` on a free port and waits until it says where it listens. Its log is `FOLDER/NAME.log`.
    pub async fn serve(&self, name: &str, folder: &Path, arguments: &[&str]) -> Result<HubProcess, Error> {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        HubProcess::start(name, command, folder.join(format!("{name}.log"))).await
    }

    /// A command that sees nothing of the caller's own cluster or terminal.
    fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .env_remove("KUBECONFIG")
            .env("NO_COLOR", "1");
        if let Some(kubeconfig) = &self.kubeconfig {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        command
    }
}

impl Answer {
    /// Itself when the command succeeded.
    pub fn done(self, command: &str) -> Result<Self, Error> {
        if self.code == 0 {
            return Ok(self);
        }
        let words = format!("{}{}", self.stdout, self.stderr);
        Err(Error::Refused {
            command: command.to_owned(),
            code: self.code,
            words,
        })
    }

    /// The standard output of a command that must succeed; panics with all it said otherwise.
    #[track_caller]
    #[allow(clippy::panic, reason = "a test fails by panicking")]
    pub fn success(self) -> String {
        if self.code == 0 {
            return self.stdout;
        }
        panic!("hub failed with {}\n{}{}", self.code, self.stdout, self.stderr)
    }
}

/// A running `hub serve`. Dropping it kills it.
#[derive(Debug)]
pub struct HubProcess {
    name: String,
    command: Command,
    log: PathBuf,
    process: Process,
    address: String,
}

/// What `hub serve` says once its socket is open; the address follows.
const LISTENING: &str = "listening on ";

const LISTENS_WITHIN: Duration = Duration::from_mins(1);

impl HubProcess {
    async fn start(name: &str, command: Command, log: PathBuf) -> Result<Self, Error> {
        let process = Process::start(name, &command, &log)?;
        let mut started = Self {
            name: name.to_owned(),
            command,
            log,
            process,
            address: String::new(),
        };
        started.address = started.wait_for_address(0).await?;
        Ok(started)
    }

    /// Looks for the address in what was logged after `skip` bytes: a restarted hub appends to the same log.
    async fn wait_for_address(&mut self, skip: usize) -> Result<String, Error> {
        let process = parking_lot::Mutex::new(&mut self.process);
        let log = &self.log;
        let look = async || {
            let text = std::fs::read(log).unwrap_or_default();
            let text = String::from_utf8_lossy(text.get(skip..).unwrap_or_default()).into_owned();
            if let Some(address) = address_in(&text) {
                return Ok(Ok(address));
            }
            let unheard = || Err(NotYet::from("it has not said where it listens"));
            process
                .lock()
                .must_run()
                .map_or_else(|ended| Ok(Err(ended)), |()| unheard())
        };
        let answer = poll(LISTENS_WITHIN, look).await;
        answer.unwrap_or_else(|last| Err(self.process.not_ready(LISTENS_WITHIN, last)))
    }

    /// `127.0.0.1:PORT`, where it serves health and metrics. It changes with a restart.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// All it has logged, over restarts.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of its log, for error messages.
    pub fn last_words(&self) -> String {
        self.process.last_words()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn usage(&self) -> Usage {
        self.process.usage()
    }

    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.process.signal(signal)
    }

    /// `kill -9`; returns when it is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGTERM; returns its exit status. Fails when it has not ended within `bound`.
    pub async fn terminate(&mut self, bound: Duration) -> Result<i32, Error> {
        self.process.signal(Signal::Terminate)?;
        let process = parking_lot::Mutex::new(&mut self.process);
        let look = async || {
            process
                .lock()
                .exit_status()
                .ok_or_else(|| NotYet::from("it still runs after SIGTERM"))
        };
        poll(bound, look)
            .await
            .map_err(|last| self.process.not_ready(bound, last))
    }

    /// Kills it if it runs, starts it again with the same arguments and waits until it listens.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.process.kill();
        let skip = std::fs::read(&self.log).map_or(0, |text| text.len());
        self.process = Process::start(&self.name, &self.command, &self.log)?;
        self.address = self.wait_for_address(skip).await?;
        Ok(())
    }
}

/// The address in the first finished line that tells it, in text and in JSON logs alike.
fn address_in(log: &str) -> Option<String> {
    let finished = log.rsplit_once('\n')?.0;
    let (_, rest) = finished.split_once(LISTENING)?;
    let address = rest
        .split(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']')))
        .next()?;
    Some(address.to_owned()).filter(|address| !address.is_empty())
}
