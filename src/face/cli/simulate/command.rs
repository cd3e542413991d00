//! The language of scripts: one command a line, words between blanks, `#` begins a comment.
//!
//! All that can be wrong without a fleet is found here, with its place, before anything runs.

use std::ops::Range;
use std::time::Duration;

use jiff::SignedDuration;

use crate::face::cli::demo::members;
use crate::face::cli::failure::Failure;
use crate::face::cli::kinds;
use crate::model::clock::GoDuration;
use crate::model::name::NamespaceName;
use crate::sandbox::Odds;

/// Every command and what it does: the manual.
pub(super) const MANUAL: &[(&str, &str)] = &[
    (
        "fleet members=3 seed=7",
        "start a hub API, members and the hub; the first command, once",
    ),
    (
        "namespace NS",
        "the namespace of what follows; one command takes -n NS",
    ),
    ("apply PATH…", "as `hub apply -f`: files and folders"),
    ("delete KIND/NAME", "delete it at the hub API"),
    ("scale KIND/NAME N", "set its replicas at the hub API"),
    (
        "rebalance KIND/NAME",
        "ask for its replicas to be divided anew, as `hub rebalance`",
    ),
    (
        "label KIND/NAME KEY=VALUE…",
        "set labels at the hub API; KEY- takes one away",
    ),
    ("wait TIME", "let time pass: 30s, 5m, 24h"),
    (
        "at TIME",
        "let time pass until so much has passed since the beginning",
    ),
    ("until settled", "until every binding is Applied and Available"),
    (
        "until KIND/NAME CONDITION[=STATUS]",
        "until a condition, of a template its binding's, is True or STATUS; within=TIME limits it",
    ),
    ("until KIND/NAME gone", "until it is deleted at the hub API"),
    ("freeze CLUSTER", "it answers nothing; `thaw` ends that"),
    ("thaw CLUSTER", "what was waiting there goes on"),
    ("down CLUSTER", "it refuses connections; `up` ends that"),
    ("up CLUSTER", "it accepts connections"),
    ("cut-watches CLUSTER", "end all its watches once"),
    (
        "silence-watches CLUSTER",
        "the connections of its watches are half open: nothing comes for a minute, then they fail",
    ),
    (
        "clock CLUSTER ahead|behind TIME",
        "its clock is wrong by so much; `clock CLUSTER right` ends that",
    ),
    (
        "faults CLUSTER FAULT=N…",
        "how many of 1000 requests or events fail: too-many, errors, refused, lost-replies, half-open, stale-reads, cut-watches, silent-watches, dropped-events; latency=TIME, watch-delay=TIME: at most so much; `faults CLUSTER none` ends it",
    ),
    ("kill hub", "the hub is gone in the middle of whatever it did"),
    ("serve hub", "a hub starts"),
    ("show clusters", "as `hub get clusters`"),
    ("show bindings", "as `hub get bindings`"),
    ("show status [KIND/NAME]", "as `hub status`"),
    ("show explain KIND/NAME", "as `hub explain`"),
    (
        "show writes",
        "writes by the hub in each cluster since this was last asked, Leases left out",
    ),
    (
        "show KIND[/NAME] [in CLUSTER]",
        "objects of the hub API, or of a member",
    ),
    ("help", "this list"),
    ("quit", "end here"),
];

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) command: Command,
    /// `-n`
    pub(super) namespace: Option<NamespaceName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Fleet {
        members: u8,
        seed: u64,
    },
    Namespace(NamespaceName),
    Apply(Vec<String>),
    Delete(String),
    Scale(String, u32),
    Rebalance(String),
    /// Labels; `None` takes one away.
    Label(String, Vec<(String, Option<String>)>),
    Wait(Duration),
    /// Since the beginning.
    At(Duration),
    Until(Until, Duration),
    Trouble(Trouble, Place),
    KillHub,
    ServeHub,
    Show(Show),
    Help,
    Quit,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Until {
    Settled,
    Gone(String),
    Condition {
        object: String,
        condition: String,
        status: String,
    },
}

/// What befalls a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    Freeze,
    Thaw,
    Down,
    Up,
    CutWatches,
    SilenceWatches,
    /// By so much it is ahead.
    Clock(SignedDuration),
    Faults {
        odds: Odds,
        latency: Duration,
        watch_delay: Duration,
    },
}

/// Which clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Hub,
    Members,
    Member(u8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Show {
    Clusters,
    Bindings,
    Status(Option<String>),
    Explain(String),
    Writes,
    Objects { kind: String, place: Place },
}

/// What is wrong with a line, and the bytes that are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) hint: String,
}

/// Reads lines one after the other: what may be said depends on the fleet.
#[derive(Debug, Default)]
pub(super) struct Reader {
    members: Option<u8>,
}

/// How long `until` waits unless it says so.
const WITHIN: Duration = Duration::from_mins(5);

impl Reader {
    /// Reads a line; `None` for one that says nothing.
    pub(super) fn read(&mut self, line: &str) -> Result<Option<Line>, Wrong> {
        let mut words = Words::of(line);
        let Some(first) = words.next() else {
            return Ok(None);
        };
        let namespace = words.option()?;
        let command = self.command(first, &mut words)?;
        if let Some(more) = words.next() {
            return Err(more.wrong(format!("{:?} is too much here", more.text), usage_of(first.text)));
        }
        match &command {
            Command::Fleet { .. } if self.members.is_some() => {
                return Err(first.wrong(
                    "there is a fleet already",
                    "a session has one fleet; start another session",
                ));
            }
            Command::Fleet { members, .. } => self.members = Some(*members),
            Command::Help | Command::Quit | Command::Namespace(_) => {}
            _ if self.members.is_none() => {
                return Err(first.wrong("there is no fleet yet", "begin with `fleet members=3 seed=7`"));
            }
            _ => {}
        }
        Ok(Some(Line { command, namespace }))
    }

    fn command(&self, first: Word<'_>, words: &mut Words<'_>) -> Result<Command, Wrong> {
        let trouble = match first.text {
            "fleet" => return fleet(words),
            "namespace" => {
                let word = words.need("a namespace")?;
                return Ok(Command::Namespace(namespace(word)?));
            }
            "apply" => {
                let mut paths = vec![words.need("a file or folder")?.text.to_owned()];
                paths.extend(words.by_ref().map(|word| word.text.to_owned()));
                return Ok(Command::Apply(paths));
            }
            "delete" => return Ok(Command::Delete(words.object()?)),
            "scale" => {
                let object = words.object()?;
                return Ok(Command::Scale(
                    object,
                    words.need("a number of replicas")?.number("replicas")?,
                ));
            }
            "rebalance" => return Ok(Command::Rebalance(words.object()?)),
            "label" => return label(words),
            "wait" => return Ok(Command::Wait(words.need("a time")?.time()?)),
            "at" => return Ok(Command::At(words.need("a time")?.time()?)),
            "until" => return until(words),
            "kill" => return words.the_hub().map(|()| Command::KillHub),
            "serve" => return words.the_hub().map(|()| Command::ServeHub),
            "show" => return self.show(words),
            "help" => return Ok(Command::Help),
            "quit" | "exit" => return Ok(Command::Quit),
            "freeze" => Trouble::Freeze,
            "thaw" => Trouble::Thaw,
            "down" => Trouble::Down,
            "up" => Trouble::Up,
            "cut-watches" => Trouble::CutWatches,
            "silence-watches" => Trouble::SilenceWatches,
            "clock" => {
                let place = self.place(words)?;
                return Ok(Command::Trouble(clock(words)?, place));
            }
            "faults" => {
                let place = self.place(words)?;
                return Ok(Command::Trouble(faults(words)?, place));
            }
            unknown => {
                let known = MANUAL.iter().filter_map(|(usage, _)| usage.split(' ').next());
                return Err(first.wrong(format!("there is no command {unknown:?}"), near(unknown, known)));
            }
        };
        Ok(Command::Trouble(trouble, self.place(words)?))
    }

    fn show(&self, words: &mut Words<'_>) -> Result<Command, Wrong> {
        let what = words.need("what to show")?;
        let show = match what.text {
            "clusters" => Show::Clusters,
            "bindings" => Show::Bindings,
            "writes" => Show::Writes,
            "status" if words.is_empty() => Show::Status(None),
            "status" => Show::Status(Some(words.object()?)),
            "explain" => Show::Explain(words.object()?),
            kind => {
                let place = match words.next() {
                    None => Place::Hub,
                    Some(word) if word.text == "in" => self.place(words)?,
                    Some(word) => {
                        return Err(word.wrong(
                            format!("{:?} is too much here", word.text),
                            "for example `show pods in member-1`",
                        ));
                    }
                };
                if place == Place::Members {
                    return Err(what.wrong(
                        "one cluster is shown at a time",
                        "for example `show pods in member-1`",
                    ));
                }
                Show::Objects {
                    kind: kind.to_owned(),
                    place,
                }
            }
        };
        Ok(Command::Show(show))
    }

    fn place(&self, words: &mut Words<'_>) -> Result<Place, Wrong> {
        let word = words.need("a cluster")?;
        match word.text {
            "hub" => return Ok(Place::Hub),
            "members" => return Ok(Place::Members),
            _ => {}
        }
        let number = word
            .text
            .strip_prefix("member-")
            .and_then(|number| number.parse().ok());
        let there = self.members.unwrap_or(u8::MAX);
        match number {
            Some(number) if (1..=there).contains(&number) => Ok(Place::Member(number)),
            _ => {
                let fleet = self
                    .members
                    .map_or_else(String::new, |members| format!("member-1 to member-{members}, "));
                Err(word.wrong(
                    format!("there is no cluster {:?}", word.text),
                    format!("the clusters are {fleet}hub; members means every member"),
                ))
            }
        }
    }
}

fn fleet(words: &mut Words<'_>) -> Result<Command, Wrong> {
    let (mut count, mut seed) = (3, 0);
    for word in words.by_ref() {
        let (key, value) = word.pair()?;
        match key.text {
            "members" => {
                let number = value.number("members")?;
                count = members(number).map_err(|failure| value.refused(&failure))?;
            }
            "seed" => seed = value.number("seed")?,
            unknown => {
                return Err(key.wrong(
                    format!("a fleet has no {unknown:?}"),
                    near(unknown, ["members", "seed"]),
                ));
            }
        }
    }
    Ok(Command::Fleet { members: count, seed })
}

fn label(words: &mut Words<'_>) -> Result<Command, Wrong> {
    let object = words.object()?;
    let mut changes = Vec::new();
    let mut next = Some(words.need("KEY=VALUE or KEY-")?);
    while let Some(word) = next {
        let removed = word.text.strip_suffix('-').filter(|key| !key.contains('='));
        changes.push(if let Some(key) = removed {
            (key.to_owned(), None)
        } else {
            let (key, value) = word.pair()?;
            (key.text.to_owned(), Some(value.text.to_owned()))
        });
        next = words.next();
    }
    Ok(Command::Label(object, changes))
}

fn until(words: &mut Words<'_>) -> Result<Command, Wrong> {
    let what = if words.peek().is_some_and(|word| word.text == "settled") {
        words.next();
        Until::Settled
    } else {
        let object = words.object()?;
        let condition = words.need("a condition, or gone")?;
        match condition.text.split_once('=') {
            None if condition.text.eq_ignore_ascii_case("gone") => Until::Gone(object),
            None => Until::Condition {
                object,
                condition: condition.text.to_owned(),
                status: "True".to_owned(),
            },
            Some((name, status @ ("True" | "False" | "Unknown"))) => Until::Condition {
                object,
                condition: name.to_owned(),
                status: status.to_owned(),
            },
            Some((_, status)) => {
                return Err(condition.wrong(
                    format!("{status:?} is no status of a condition"),
                    "True, False or Unknown",
                ));
            }
        }
    };
    let mut within = WITHIN;
    if let Some(word) = words.next() {
        let (key, value) = word.pair()?;
        if key.text != "within" {
            return Err(key.wrong(format!("`until` has no {:?}", key.text), "for example within=5m"));
        }
        within = value.time()?;
    }
    Ok(Command::Until(what, within))
}

fn clock(words: &mut Words<'_>) -> Result<Trouble, Wrong> {
    let way = words.need("ahead, behind or right")?;
    let far = |words: &mut Words<'_>| {
        let word = words.need("a time")?;
        let time = word.time()?;
        SignedDuration::try_from(time).map_err(|_| word.wrong("no clock is that wrong", "for example 10m"))
    };
    Ok(Trouble::Clock(match way.text {
        "right" => SignedDuration::ZERO,
        "ahead" => far(words)?,
        "behind" => -far(words)?,
        other => {
            return Err(way.wrong(
                format!("a clock is not {other:?}"),
                near(other, ["ahead", "behind", "right"]),
            ));
        }
    }))
}

fn faults(words: &mut Words<'_>) -> Result<Trouble, Wrong> {
    let (mut odds, mut latency, mut watch_delay) = (Odds::default(), Duration::ZERO, Duration::ZERO);
    let mut next = Some(words.need("faults, or none")?);
    while let Some(word) = next {
        next = words.next();
        if word.text == "none" {
            continue;
        }
        let (key, value) = word.pair()?;
        let of = match key.text {
            "latency" => {
                latency = value.time()?;
                continue;
            }
            "watch-delay" => {
                watch_delay = value.time()?;
                continue;
            }
            "too-many" => &mut odds.too_many_requests,
            "errors" => &mut odds.server_errors,
            "refused" => &mut odds.refused_connections,
            "lost-replies" => &mut odds.lost_replies,
            "half-open" => &mut odds.half_open,
            "stale-reads" => &mut odds.stale_reads,
            "cut-watches" => &mut odds.cut_watches,
            "silent-watches" => &mut odds.silent_watches,
            "dropped-events" => &mut odds.dropped_events,
            unknown => {
                let known = [
                    "too-many",
                    "errors",
                    "refused",
                    "lost-replies",
                    "half-open",
                    "stale-reads",
                    "cut-watches",
                    "silent-watches",
                    "dropped-events",
                    "latency",
                    "watch-delay",
                ];
                return Err(key.wrong(format!("there is no fault {unknown:?}"), near(unknown, known)));
            }
        };
        *of = value.number(key.text)?;
        if *of > 1000 {
            return Err(value.wrong(format!("{} of 1000 can't fail", value.text), "choose 0 to 1000"));
        }
    }
    Ok(Trouble::Faults {
        odds,
        latency,
        watch_delay,
    })
}

fn namespace(word: Word<'_>) -> Result<NamespaceName, Wrong> {
    word.text.parse().map_err(|error| {
        word.wrong(
            format!("{:?} is no name for a namespace: {error}", word.text),
            "for example shop",
        )
    })
}

/// The nearest of what is known, else all of it.
fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.dedup();
    let nearest = known
        .iter()
        .map(|name| (strsim::osa_distance(name, word), name))
        .min();
    match nearest {
        Some((distance, name)) if distance <= 2 => format!("did you mean {name}?"),
        _ => format!("there are {}", known.join(", ")),
    }
}

/// How a command is written.
fn usage_of(command: &str) -> String {
    let usages = MANUAL.iter().map(|(usage, _)| *usage);
    let own: Vec<&str> = usages
        .filter(|usage| usage.split(' ').next() == Some(command))
        .collect();
    own.join(", or ")
}

#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    start: usize,
}

impl Word<'_> {
    fn wrong(self, message: impl Into<String>, hint: impl Into<String>) -> Wrong {
        Wrong {
            span: self.start..self.start + self.text.len(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    fn refused(self, failure: &Failure) -> Wrong {
        let hint = failure
            .diagnostics
            .first()
            .and_then(|diagnostic| diagnostic.hint.clone());
        self.wrong(failure.words(), hint.unwrap_or_default())
    }

    fn pair(self) -> Result<(Self, Self), Wrong> {
        match self.text.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                let start = self.start + key.len() + 1;
                Ok((Word { text: key, ..self }, Word { text: value, start }))
            }
            _ => Err(self.wrong(
                format!("{:?} is not NAME=VALUE", self.text),
                "no blanks around the =",
            )),
        }
    }

    fn number<T: std::str::FromStr>(self, of: &str) -> Result<T, Wrong> {
        self.text.parse().map_err(|_| {
            self.wrong(
                format!("{:?} is no number for {of}", self.text),
                "digits only, and not too many",
            )
        })
    }

    fn time(self) -> Result<Duration, Wrong> {
        let time: Result<GoDuration, _> = self.text.parse();
        time.map(|time| time.0).map_err(|_| {
            self.wrong(
                format!("{:?} is no time", self.text),
                "for example 30s, 5m or 1h30m",
            )
        })
    }
}

/// The words of a line that were not taken yet.
#[derive(Debug)]
struct Words<'a> {
    left: std::collections::VecDeque<Word<'a>>,
    end: usize,
    command: &'a str,
}

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        let said = line.split_once('#').map_or(line, |(said, _)| said);
        let start_of = |text: &str| text.as_ptr() as usize - line.as_ptr() as usize;
        let left: std::collections::VecDeque<Word<'a>> = said
            .split_whitespace()
            .map(|text| Word {
                text,
                start: start_of(text),
            })
            .collect();
        Self {
            end: said.trim_end().len(),
            command: left.front().map_or("", |word| word.text),
            left,
        }
    }

    fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    fn peek(&self) -> Option<&Word<'a>> {
        self.left.front()
    }

    fn need(&mut self, what: &str) -> Result<Word<'a>, Wrong> {
        self.left.pop_front().ok_or_else(|| Wrong {
            span: self.end..self.end,
            message: format!("{what} is missing"),
            hint: usage_of(self.command),
        })
    }

    /// `KIND/NAME`
    fn object(&mut self) -> Result<String, Wrong> {
        let word = self.need("KIND/NAME")?;
        kinds::split(word.text).map_err(|failure| word.refused(&failure))?;
        Ok(word.text.to_owned())
    }

    fn the_hub(&mut self) -> Result<(), Wrong> {
        let word = self.need("hub")?;
        if word.text == "hub" {
            return Ok(());
        }
        Err(word.wrong(format!("{:?} is not the hub", word.text), usage_of(self.command)))
    }

    /// `-n NS`, wherever it stands.
    fn option(&mut self) -> Result<Option<NamespaceName>, Wrong> {
        let Some(at) = self.left.iter().position(|word| word.text == "-n") else {
            return Ok(None);
        };
        let Some(flag) = self.left.remove(at) else {
            return Ok(None);
        };
        match self.left.remove(at) {
            Some(name) => namespace(name).map(Some),
            None => Err(flag.wrong("a namespace is missing after -n", "for example -n shop")),
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        self.left.pop_front()
    }
}
