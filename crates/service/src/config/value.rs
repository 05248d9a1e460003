//! Decodes single values: text, numbers, durations, sizes, addresses, paths.

use std::fmt::Display;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;

use super::node::{Node, Value};
use super::problem::Refused;
use super::section::{list, nearest};

/// Any scalar as text.
pub(crate) fn text(node: &Node) -> Result<String, Refused> {
    node.scalar().ok_or_else(|| Refused::new(format!("is {}, not text", node.kind()), "write one value"))
}

/// Text that must hold something.
pub(crate) fn filled(node: &Node) -> Result<String, Refused> {
    let text = text(node)?;
    if text.trim().is_empty() {
        return Err(Refused::new("is empty", "write a value, or remove the key"));
    }
    Ok(text)
}

/// One of some words.
pub(crate) fn one_of<T: Copy>(node: &Node, choices: &[(&str, T)]) -> Result<T, Refused> {
    let text = text(node)?;
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let hint = match nearest(&text, &words) {
        Some(word) => format!("did you mean `{word}`? it may be {}", list(&words)),
        None => format!("it may be {}", list(&words)),
    };
    Err(Refused::new(format!("is `{text}`"), hint))
}

/// A whole number within bounds.
pub(crate) fn number<T>(node: &Node, bounds: RangeInclusive<T>) -> Result<T, Refused>
where
    T: FromStr + PartialOrd + Display,
{
    let text = text(node)?;
    match text.parse::<T>() {
        Ok(value) if bounds.contains(&value) => Ok(value),
        _ => Err(Refused::new(
            format!("is `{text}`"),
            format!("write a whole number from {} to {}", bounds.start(), bounds.end()),
        )),
    }
}

/// A whole number from 1.
pub(crate) fn count(node: &Node, most: u32) -> Result<NonZeroU32, Refused> {
    let value = number(node, 1..=most)?;
    NonZeroU32::new(value).ok_or_else(|| Refused::new("is 0", "write a number from 1"))
}

/// A whole number from 1 that fits 16 bits.
pub(crate) fn short_count(node: &Node, most: u16) -> Result<NonZeroU16, Refused> {
    let value = number(node, 1..=most)?;
    NonZeroU16::new(value).ok_or_else(|| Refused::new("is 0", "write a number from 1"))
}

/// A part of one, from 0 to 1.
pub(crate) fn fraction(node: &Node) -> Result<f64, Refused> {
    let text = text(node)?;
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err(Refused::new(format!("is `{text}`"), "write a number from 0 to 1, such as `0.2`")),
    }
}

/// A time such as `500ms`, `5s`, `10m`, within bounds.
pub(crate) fn duration(node: &Node, bounds: RangeInclusive<Duration>) -> Result<Duration, Refused> {
    let text = text(node)?;
    let Ok(value) = humantime::parse_duration(&text) else {
        let hint = match node.value {
            Value::Number(_) => format!("write the unit too, such as `{text}s` or `{text}ms`"),
            _ => "write a number and a unit, such as `500ms`, `5s`, `10m` or `1h`".to_owned(),
        };
        return Err(Refused::new(format!("is `{text}`, which is not a duration"), hint));
    };
    if bounds.contains(&value) {
        return Ok(value);
    }
    Err(Refused::new(
        format!("is {}", humantime::format_duration(value)),
        format!(
            "it may be from {} to {}",
            humantime::format_duration(*bounds.start()),
            humantime::format_duration(*bounds.end())
        ),
    ))
}

/// A size such as `64MiB`, within bounds; a plain number is bytes.
pub(crate) fn size(node: &Node, bounds: RangeInclusive<u64>) -> Result<u64, Refused> {
    let text = text(node)?;
    let Ok(ByteSize(value)) = text.parse::<ByteSize>() else {
        return Err(Refused::new(
            format!("is `{text}`, which is not a size"),
            "write a number and a unit, such as `512KiB`, `64MiB` or `8GiB`",
        ));
    };
    if bounds.contains(&value) {
        return Ok(value);
    }
    Err(Refused::new(
        format!("is {}", ByteSize(value).display().iec()),
        format!(
            "it may be from {} to {}",
            ByteSize(*bounds.start()).display().iec(),
            ByteSize(*bounds.end()).display().iec()
        ),
    ))
}

/// An IP address and a port.
pub(crate) fn address(node: &Node) -> Result<SocketAddr, Refused> {
    let text = text(node)?;
    text.parse().map_err(|_| {
        let hint = match text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')) {
            Some(port) => {
                format!("write `127.0.0.1:{port}` for this machine only, `0.0.0.0:{port}` for every interface")
            }
            None => "write an IP address and a port, such as `127.0.0.1:8080` or `[::]:8080`".to_owned(),
        };
        Refused::new(format!("is `{text}`, which is not an address"), hint)
    })
}

/// A path; a relative one is taken from the folder of the configuration file.
pub(crate) fn path(node: &Node, file: &Path) -> Result<PathBuf, Refused> {
    let text = filled(node)?;
    Ok(file.parent().unwrap_or(Path::new("")).join(text))
}

/// The items of a list; a single value is a list of one.
pub(crate) fn items(node: &Node) -> Result<&[Node], Refused> {
    match &node.value {
        Value::List(items) => Ok(items),
        Value::Map(_) | Value::Null => Err(Refused::new(format!("is {}, not a list", node.kind()), "write `[a, b]`")),
        Value::Bool(_) | Value::Number(_) | Value::Text(_) => Ok(std::slice::from_ref(node)),
    }
}
