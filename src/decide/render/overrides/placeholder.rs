//! `${cluster.…}` in the texts of an override.

use serde_json::Value;

use super::Wrong;
use crate::model::fleet::Member;

/// What a placeholder stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fact<'a> {
    Name,
    Region,
    Zone,
    Provider,
    Label(&'a str),
}

/// Fills a text in. `of` says what each placeholder stands for.
fn fill(text: &str, of: impl Fn(Fact<'_>) -> Result<String, Wrong>) -> Result<String, Wrong> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$${") {
            filled.push_str("${");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let (inside, after) = after.split_once('}').ok_or_else(|| unknown(after))?;
            let fact = parse(inside).ok_or_else(|| unknown(inside))?;
            filled.push_str(&of(fact)?);
            rest = after;
        } else {
            filled.push('$');
            rest = &rest[1..];
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

fn parse(inside: &str) -> Option<Fact<'_>> {
    match inside.trim().strip_prefix("cluster.")? {
        "name" => Some(Fact::Name),
        "region" => Some(Fact::Region),
        "zone" => Some(Fact::Zone),
        "provider" => Some(Fact::Provider),
        other => {
            let key = other.strip_prefix("labels[")?.strip_suffix(']')?.trim();
            let quoted = |quote| key.strip_prefix(quote)?.strip_suffix(quote);
            let key = quoted('\'').or_else(|| quoted('"'))?;
            (!key.is_empty()).then_some(Fact::Label(key))
        }
    }
}

/// With as much of it as a person needs to find it again.
fn unknown(inside: &str) -> Wrong {
    Wrong::Placeholder {
        text: inside.chars().take(64).collect(),
    }
}

/// Why a text cannot be filled in for any member.
pub(super) fn fault(text: &str) -> Option<Wrong> {
    fill(text, |_| Ok(String::new())).err()
}

/// Whether there is anything to fill in.
pub(super) fn is_in(text: &str) -> bool {
    text.contains("${")
}

/// Fills in every text of a value, but not the keys of maps.
pub(super) fn fill_all(value: &mut Value, member: &Member) -> Result<(), Wrong> {
    match value {
        Value::String(text) if is_in(text) => *text = fill(text, |fact| known(member, &fact))?,
        Value::Array(items) => {
            for item in items {
                fill_all(item, member)?;
            }
        }
        Value::Object(fields) => {
            for field in fields.values_mut() {
                fill_all(field, member)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Fills in a JSON pointer: what is put in is one name, also when it has a `/`.
pub(super) fn fill_pointer(pointer: &str, member: &Member) -> Result<String, Wrong> {
    fill(pointer, |fact| {
        known(member, &fact).map(|text| text.replace('~', "~0").replace('/', "~1"))
    })
}

fn known(member: &Member, fact: &Fact<'_>) -> Result<String, Wrong> {
    let (value, what) = match fact {
        Fact::Name => return Ok(member.name.to_string()),
        Fact::Region => (&member.region, "region".to_owned()),
        Fact::Zone => (&member.zone, "zone".to_owned()),
        Fact::Provider => (&member.provider, "provider".to_owned()),
        Fact::Label(key) => (&member.labels.get(*key).cloned(), format!("label {key}")),
    };
    let known = value.clone().filter(|value| !value.is_empty());
    let of_nodes = matches!(fact, Fact::Region | Fact::Zone);
    known.ok_or_else(|| {
        if of_nodes && !member.is_listed() {
            let why = format!("its nodes are not listed yet, and its {what} may come from them");
            Wrong::Unclear { why }
        } else {
            Wrong::NoFact { what }
        }
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn member() -> Member {
        Member {
            region: Some("eu-west".to_owned()),
            room: Some(std::sync::Arc::default()),
            labels: [
                ("example.com/tier".to_owned(), "gold".to_owned()),
                ("e".to_owned(), String::new()),
            ]
            .into(),
            ..Member::unheard("eu-1".parse().unwrap())
        }
    }

    #[rstest]
    #[case::nothing("plain $ text $(VAR) $$", Ok("plain $ text $(VAR) $$"))]
    #[case::name("--cluster=${cluster.name}.", Ok("--cluster=eu-1."))]
    #[case::several("${cluster.region}/${ cluster.name }", Ok("eu-west/eu-1"))]
    #[case::a_label("${cluster.labels['example.com/tier']}", Ok("gold"))]
    #[case::double_quotes("${cluster.labels[\"example.com/tier\"]}", Ok("gold"))]
    #[case::literal("$${HOME} $$${cluster.name}", Ok("${HOME} $${cluster.name}"))]
    #[case::not_twice("$${cluster.name}", Ok("${cluster.name}"))]
    #[case::unknown("${HOME}", Err("${HOME} is no placeholder"))]
    #[case::unquoted("${cluster.labels[x]}", Err("is no placeholder"))]
    #[case::unclosed("${cluster.name", Err("is no placeholder"))]
    #[case::no_zone("${cluster.zone}", Err("has no zone"))]
    #[case::no_label("${cluster.labels['x']}", Err("has no label x"))]
    #[case::an_empty_label("${cluster.labels['e']}", Err("has no label e"))]
    fn a_text_is_filled_in_with_what_the_member_has(
        #[case] text: &str,
        #[case] expected: Result<&str, &str>,
    ) {
        let filled = fill(text, |fact| known(&member(), &fact));
        match (filled, expected) {
            (Ok(filled), Ok(expected)) => assert_eq!(filled, expected),
            (Err(wrong), Err(part)) => assert!(wrong.to_string().contains(part), "{wrong}"),
            (filled, expected) => panic!("{filled:?} instead of {expected:?}"),
        }
    }
}
