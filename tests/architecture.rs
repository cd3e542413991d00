//! The arrows of DESIGN §4: each floor and room uses only those before it, each room has a front page, and no
//! file is longer than a person reads.
//!
//! Paths are read from the source as text, `use` trees included, so nothing has to compile for this to fail.

#![expect(clippy::unwrap_used, reason = "everything here is a test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest file, in lines.
const WALL: usize = 800;

/// What each room may use, besides itself and what those rooms may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("telemetry", &["model"]),
    ("sandbox", &["model"]),
    ("decide::policy", &["model"]),
    ("decide::health", &["model"]),
    ("decide::tenancy", &["decide::policy", "decide::health"]),
    ("decide::placement", &["decide::tenancy"]),
    ("decide::render", &["decide::placement"]),
    ("decide", &["decide::render"]),
    ("act::wire", &["decide", "telemetry"]),
    ("act::fleet", &["act::wire"]),
    ("act::propagate", &["act::fleet"]),
    ("act::enforce", &["act::fleet"]),
    ("act::engine", &["act::propagate", "act::enforce"]),
    ("act", &["act::engine"]),
    ("face::server", &["act"]),
    ("face::cli", &["face::server", "sandbox"]),
    ("face", &["face::cli"]),
];

#[test]
fn every_arrow_points_to_an_earlier_floor_or_room() {
    let rules = Rules::new();
    let mut wrong = String::new();
    for file in sources("src") {
        let text = fs::read_to_string(&file).unwrap();
        for used in paths_of(&text, &module_of(&file)) {
            if let Some(problem) = rules.problem(&module_of(&file), &used.path) {
                writeln!(wrong, "{}:{}: {problem}", file.display(), used.line).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that DESIGN §4 does not have:\n{wrong}");
}

#[test]
fn no_file_is_longer_than_the_wall() {
    let files = ["src", "tests", "benches"].into_iter().flat_map(sources);
    let long: Vec<_> = files
        .map(|file| (fs::read_to_string(&file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines > WALL)
        .collect();
    assert!(long.is_empty(), "files of more than {WALL} lines: {long:?}");
}

#[test]
fn each_room_has_a_front_page() {
    let mut missing = Vec::new();
    for file in sources("src") {
        let folder = file.parent().unwrap();
        let page = folder.join(if folder == root().join("src") {
            "lib.rs"
        } else {
            "mod.rs"
        });
        // A folder beside `name.rs` holds that file's own tests and parts: its page is `name.rs`.
        let page = if page.exists() {
            page
        } else {
            folder.with_extension("rs")
        };
        if !fs::read_to_string(&page).is_ok_and(|text| text.starts_with("//!")) {
            missing.push(page);
        }
    }
    missing.dedup();
    assert!(
        missing.is_empty(),
        "front pages that are missing or do not start with //!: {missing:?}"
    );
}

/// Clippy bans the other ways to a client; this one is a trait's method, which its configuration cannot name.
#[test]
fn no_client_is_made_past_the_hubs_own_stacks() {
    let made = |file: &PathBuf| fs::read_to_string(file).unwrap().contains("Client::try_from");
    let wrong: Vec<PathBuf> = sources("src").into_iter().filter(made).collect();
    assert!(
        wrong.is_empty(),
        "clients without act::wire's time limits and identity: {wrong:?}"
    );
}

/// A room without an arrow would be bound by none.
#[test]
fn each_room_has_its_place_among_the_arrows() {
    let rules = Rules::new();
    let files = sources("src").into_iter().map(|file| module_of(&file));
    let mut unknown: Vec<String> = files
        .filter(|module| module.len() > 1 && matches!(module[0].as_str(), "decide" | "act" | "face"))
        .map(|module| module[..2].join("::"))
        .chain(
            sources("src")
                .iter()
                .filter_map(|file| module_of(file).into_iter().next()),
        )
        .filter(|room| !rules.arrows.contains_key(room.as_str()))
        .collect();
    unknown.dedup();
    assert!(unknown.is_empty(), "rooms that ARROWS does not have: {unknown:?}");
}

/// A check that reads nothing passes for ever.
#[test]
fn wrong_arrows_are_seen_however_they_are_written() {
    let rules = Rules::new();
    let seen = |module: &str, text: &str| {
        let module: Vec<String> = module.split("::").map(str::to_owned).collect();
        let used = paths_of(text, &module);
        used.iter()
            .filter_map(|used| rules.problem(&module, &used.path).map(|_| used.line))
            .collect::<Vec<_>>()
    };
    assert_eq!(seen("model::name", "\nuse crate::act::wire::Stack;"), [2]);
    assert_eq!(
        seen(
            "decide::policy",
            "use crate::{\n model::name,\n decide::{render, health},\n};"
        ),
        [3, 3]
    );
    assert_eq!(
        seen("decide::policy::index", "fn f() { super::super::tenancy::x() }"),
        [1]
    );
    assert_eq!(
        seen(
            "decide::render",
            "pub(in crate::decide) struct A(crate::telemetry::B);"
        ),
        [1]
    );
    assert_eq!(
        seen(
            "act::fleet::probe",
            "mod tests { use super::super::super::propagate; }"
        ),
        [1]
    );
    assert!(
        seen(
            "act::engine",
            "use crate::act::{fleet, propagate}; use crate::decide::render; use crate::telemetry;"
        )
        .is_empty()
    );
    assert!(
        seen(
            "model::name",
            "// use crate::act;\nconst A: &str = \"crate::act\"; /* crate::face */"
        )
        .is_empty()
    );
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder of the package, sorted.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// `src/act/wire/gate.rs` → `act`, `wire`, `gate`; `src/lib.rs` and `src/main.rs` → nothing.
fn module_of(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut parts: Vec<String> = inside
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if parts
        .last()
        .is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main"))
    {
        parts.pop();
    }
    parts
}

struct Rules {
    arrows: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Rules {
    fn new() -> Self {
        let mut arrows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (room, before) in ARROWS {
            let mut all = before.to_vec();
            for room in *before {
                all.extend(arrows[room].iter().copied());
            }
            arrows.insert(room, all);
        }
        Self { arrows }
    }

    /// The most exact room that a path is in, by its first two parts.
    fn room(&self, path: &[String]) -> Option<&'static str> {
        let name = path
            .iter()
            .take(2)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("::");
        let exact = self.arrows.get_key_value(name.as_str());
        exact
            .or_else(|| self.arrows.get_key_value(path.first()?.as_str()))
            .map(|(room, _)| *room)
    }

    fn problem(&self, from: &[String], to: &[String]) -> Option<String> {
        // lib.rs and main.rs see everything.
        let here = self.room(from)?;
        let there = self.room(to)?;
        // The front page of a floor names its rooms.
        let own = here == there || here.starts_with(&format!("{there}::"));
        let ok = own || self.arrows[here].contains(&there);
        (!ok).then(|| format!("{here} uses {there} ({})", to.join("::")))
    }
}

#[derive(Debug)]
struct Used {
    line: usize,
    path: Vec<String>,
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    PathSep,
    Sign(char),
}

/// Every path of a file that starts with `crate`, `hanse`, `self` or `super`, from the root of the crate.
fn paths_of(text: &str, module: &[String]) -> Vec<Used> {
    let tokens = tokens_of(text);
    let mut used = Vec::new();
    // Inline modules that are open, with the depth of braces inside them.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at].1 {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => {
                if inline.last().is_some_and(|(_, inside)| *inside == depth) {
                    inline.pop();
                }
                depth -= 1;
            }
            Token::Word(word) if word == "mod" => {
                if let (Some((_, Token::Word(name))), Some((_, Token::Sign('{')))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    inline.push((name.clone(), depth + 1));
                }
            }
            Token::Word(word) if matches!(word.as_str(), "crate" | "hanse" | "self" | "super") => {
                let follows = tokens
                    .get(at + 1)
                    .is_some_and(|(_, token)| *token == Token::PathSep);
                let starts = at == 0 || tokens[at - 1].1 != Token::PathSep;
                // `pub(in crate::model)` says who may use, not what is used.
                let scope = at > 0 && tokens[at - 1].1 == Token::Word("in".to_owned());
                if follows && starts && !scope {
                    let mut here = module.to_vec();
                    here.extend(inline.iter().map(|(name, _)| name.clone()));
                    tree(&tokens, at, &here, None, &mut used);
                }
            }
            _ => {}
        }
        at += 1;
    }
    used
}

/// Reads one path or `use` tree from `at`; returns where it ends.
fn tree(
    tokens: &[(usize, Token)],
    mut at: usize,
    here: &[String],
    prefix: Option<Vec<String>>,
    used: &mut Vec<Used>,
) -> usize {
    let mut path = prefix;
    let mut line = tokens.get(at).map_or(0, |(line, _)| *line);
    while let Some((found, token)) = tokens.get(at) {
        match token {
            Token::Word(word) => {
                line = *found;
                path = Some(match (path, word.as_str()) {
                    (None, "crate" | "hanse") => Vec::new(),
                    (None, "self") => here.to_vec(),
                    (None, "super") => here[..here.len().saturating_sub(1)].to_vec(),
                    (Some(path), "super") => path[..path.len().saturating_sub(1)].to_vec(),
                    (Some(path), "self") => path,
                    (path, word) => {
                        let mut path = path.unwrap_or_default();
                        path.push(word.to_owned());
                        path
                    }
                });
                at += 1;
                if tokens.get(at).is_none_or(|(_, token)| *token != Token::PathSep) {
                    break;
                }
                at += 1;
            }
            Token::Sign('{') => {
                at += 1;
                while tokens
                    .get(at)
                    .is_some_and(|(_, token)| *token != Token::Sign('}'))
                {
                    let end = tree(tokens, at, here, path.clone(), used);
                    // Over commas, and over `as name`.
                    at = end.max(at + 1);
                    while tokens
                        .get(at)
                        .is_some_and(|(_, token)| !matches!(token, Token::Sign(',' | '}')))
                    {
                        at += 1;
                    }
                    if tokens
                        .get(at)
                        .is_some_and(|(_, token)| *token == Token::Sign(','))
                    {
                        at += 1;
                    }
                }
                return at + 1;
            }
            _ => break,
        }
    }
    let path = path.unwrap_or_default();
    used.push(Used { line, path });
    at
}

/// Words, `::` and other signs with their lines; comments, strings and characters are left out.
fn tokens_of(text: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    while at < chars.len() {
        let rest = &chars[at..];
        let length = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => string(rest),
            ['r', '"' | '#', ..] => raw_string(rest),
            ['\'', '\\', ..] => 3 + rest[3..].iter().position(|c| *c == '\'').unwrap_or_default(),
            ['\'', _, '\'', ..] => 2,
            [':', ':', ..] => {
                tokens.push((line, Token::PathSep));
                2
            }
            [first, ..] if is_word(*first) => {
                let length = rest.iter().position(|c| !is_word(*c)).unwrap_or(rest.len());
                tokens.push((line, Token::Word(rest[..length].iter().collect())));
                length
            }
            [sign, ..] => {
                if !sign.is_whitespace() {
                    tokens.push((line, Token::Sign(*sign)));
                }
                1
            }
            [] => 1,
        };
        let length = length.clamp(1, rest.len());
        line += rest[..length].iter().filter(|c| **c == '\n').count();
        at += length;
        // The closing quote of a character.
        if matches!(rest, ['\'', _, '\'', ..] | ['\'', '\\', ..]) {
            at += 1;
        }
    }
    tokens
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => {
                depth += 1;
                at += 2;
            }
            ['*', '/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    break;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// `r"…"`, `r#"…"#`; anything else that starts with `r#` is a word.
fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 1;
    }
    let mut end: Vec<char> = vec!['"'];
    end.extend(std::iter::repeat_n('#', hashes));
    let body = &rest[2 + hashes..];
    let length = body
        .windows(end.len())
        .position(|window| window == end)
        .unwrap_or(body.len());
    2 + hashes + length + end.len()
}
