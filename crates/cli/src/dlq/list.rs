//! `roomwire dlq list` and `roomwire dlq group`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ListFlags;
use super::filter::Filter;
use super::letter::{number, text};
use crate::control::Control;
use crate::output::{self, Format, Table};

pub(super) async fn list(format: Format, control: &Control, flags: &ListFlags) -> anyhow::Result<()> {
    let dead = flags.filter.letters(control, Some(flags.limit)).await?;
    if format == Format::Json {
        return Ok(dead.iter().try_for_each(output::json)?);
    }
    if dead.is_empty() {
        return Ok(output::line("no dead letters")?);
    }
    table(&dead)
}

pub(super) fn table(dead: &[Value]) -> anyhow::Result<()> {
    let mut table = Table::new(["died", "handler", "event", "type", "key", "cause", "attempts", "like", "error"]);
    for letter in dead {
        table.row([
            output::time(number(letter, "died_at_ms")),
            text(letter, "handler"),
            text(letter, "id"),
            text(letter, "kind"),
            text(letter, "key"),
            if letter.get("held") == Some(&Value::Bool(true)) {
                format!("{} (holds its room)", text(letter, "cause"))
            } else {
                text(letter, "cause")
            },
            number(letter, "attempts").to_string(),
            text(letter, "fingerprint"),
            text(letter, "error").lines().next().unwrap_or_default().to_owned(),
        ]);
    }
    Ok(table.write()?)
}

/// Letters that died of the same.
#[derive(Debug, Default, PartialEq, Eq)]
struct Group {
    letters: u64,
    rooms: Vec<String>,
    first_ms: u64,
    last_ms: u64,
    shape: String,
}

pub(super) async fn group(format: Format, control: &Control, filter: &Filter) -> anyhow::Result<()> {
    let groups = by_error(&filter.letters(control, None).await?);
    if groups.is_empty() && format == Format::Text {
        return Ok(output::line("no dead letters")?);
    }
    let mut table = Table::new(["letters", "rooms", "handler", "cause", "like", "first", "last", "error"]);
    for ((handler, cause, fingerprint), group) in &groups {
        let Group { letters, rooms, first_ms, last_ms, shape } = group;
        if format == Format::Json {
            output::json(&json!({
                "handler": handler, "cause": cause, "fingerprint": fingerprint, "letters": letters,
                "rooms": rooms.len(), "first_died_at_ms": first_ms, "last_died_at_ms": last_ms, "error": shape,
            }))?;
            continue;
        }
        table.row([
            letters.to_string(),
            rooms.len().to_string(),
            handler.clone(),
            cause.clone(),
            fingerprint.clone(),
            output::time(*first_ms),
            output::time(*last_ms),
            shape.clone(),
        ]);
    }
    if format == Format::Text {
        table.write()?;
    }
    Ok(())
}

type Groups = Vec<((String, String, String), Group)>;

/// The largest first.
fn by_error(letters: &[Value]) -> Groups {
    let mut groups: BTreeMap<(String, String, String), Group> = BTreeMap::new();
    for letter in letters {
        let key = (text(letter, "handler"), text(letter, "cause"), text(letter, "fingerprint"));
        let died = number(letter, "died_at_ms");
        let group = groups.entry(key).or_insert_with(|| Group { first_ms: died, ..Group::default() });
        group.letters += 1;
        group.first_ms = group.first_ms.min(died);
        group.last_ms = group.last_ms.max(died);
        group.shape = text(letter, "shape");
        group.rooms.push(text(letter, "key"));
    }
    let mut groups: Groups = groups.into_iter().collect();
    for (_, group) in &mut groups {
        group.rooms.sort_unstable();
        group.rooms.dedup();
    }
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.letters));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(handler: &str, fingerprint: &str, key: &str, died: u64) -> Value {
        json!({"handler": handler, "cause": "trap", "fingerprint": fingerprint, "key": key, "died_at_ms": died,
            "shape": "unreachable"})
    }

    #[test]
    fn letters_of_one_error_are_a_group_and_the_largest_comes_first() {
        let letters =
            [letter("a", "1", "x", 30), letter("a", "2", "x", 9), letter("a", "2", "y", 7), letter("a", "2", "x", 8)];
        let groups = by_error(&letters);
        assert_eq!(groups.len(), 2);
        let (key, group) = &groups[0];
        assert_eq!((key.2.as_str(), group.letters, group.rooms.len()), ("2", 3, 2));
        assert_eq!((group.first_ms, group.last_ms), (7, 9));
    }
}
