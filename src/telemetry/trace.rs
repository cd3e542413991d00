//! What the hub says while it works: one line an event, for people or for machines, on stderr.

use std::{io::IsTerminal, str::FromStr};

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

/// Why logging can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `RUST_LOG` or the wanted level is no filter.
    #[error("failed to read log filter {filter:?}")]
    Filter {
        /// The refused text.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else has set up logging already.
    #[error("failed to start logging")]
    Init(#[source] tracing_subscriber::util::TryInitError),
}

/// `--log-format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json"),
        }
    }
}

/// Starts logging to stderr, once per process. `RUST_LOG` has the last word over `filter`, which is a level
/// (`info`) or a list of them by module.
pub fn init(format: LogFormat, filter: &str) -> Result<(), Error> {
    let filter = std::env::var("RUST_LOG")
        .ok()
        .filter(|own| !own.is_empty())
        .unwrap_or_else(|| filter.to_owned());
    let parsed = EnvFilter::try_new(&filter).map_err(|source| Error::Filter { filter, source })?;
    let builder = fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(colour).with_target(false).finish().try_init()
        }
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .finish()
            .try_init(),
    }
    .map_err(Error::Init)
}
