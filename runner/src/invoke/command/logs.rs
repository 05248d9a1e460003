//! What a command writes to stderr, as the log lines that a component writes through `wasi:logging`.

use serde::Deserialize;

use super::Broken;
use crate::bindings::wasi::logging::logging::Host as _;
use crate::host::{Host, Level};

/// What lines are said to be about that do not say it themselves.
const STDERR: &str = "stderr";

/// One line of stderr.
#[derive(Debug, PartialEq)]
enum Said {
    /// Its level is named, as loggers do.
    Named { level: u8, context: String, message: String },
    /// Anything else.
    Plain,
}

/// Logs the lines whose level is named, and no others.
pub(super) fn named(host: &mut Host, stderr: &str) -> Result<(), Broken> {
    for text in stderr.lines() {
        if let Said::Named { level, context, message } = said(text) {
            host.log(level_of(level), context, message).map_err(Broken::Trap)?;
        }
    }
    Ok(())
}

/// Logs all lines, but for the last one if that is the reason of the end, which is returned.
pub(super) fn all(host: &mut Host, stderr: &str, reason_is_last: bool) -> Result<Option<String>, Broken> {
    let mut lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = if reason_is_last { lines.pop() } else { None };
    for text in lines {
        let (level, context, message) = match said(text) {
            Said::Named { level, context, message } => (level_of(level), context, message),
            Said::Plain => (Level::Info, STDERR.to_owned(), text.to_owned()),
        };
        host.log(level, context, message).map_err(Broken::Trap)?;
    }
    Ok(last.map(|text| match said(text) {
        Said::Named { message, .. } => message,
        Said::Plain => text.trim().to_owned(),
    }))
}

/// A logger's line in JSON, in the words of the usual ones.
#[derive(Deserialize)]
struct Json {
    level: Named,
    #[serde(alias = "message")]
    msg: String,
    #[serde(alias = "target", alias = "name", alias = "context")]
    logger: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Word(String),
    Number(u32),
}

fn said(text: &str) -> Said {
    let named = |level, context: Option<&str>, message: &str| {
        let context = context.filter(|context| !context.is_empty()).unwrap_or(STDERR);
        Said::Named { level, context: context.to_owned(), message: message.to_owned() }
    };
    if text.starts_with('{')
        && let Ok(line) = serde_json::from_str::<Json>(text)
        && let Some(level) = line.level.number()
    {
        return named(level, line.logger.as_deref(), &line.msg);
    }
    let mut parts = text.splitn(3, ':');
    if let (Some(level), Some(context), Some(message)) = (parts.next(), parts.next(), parts.next())
        && level.bytes().all(|byte| byte.is_ascii_uppercase())
        && let Some(level) = word(level)
    {
        return named(level, Some(context), message);
    }
    Said::Plain
}

impl Named {
    fn number(&self) -> Option<u8> {
        match self {
            Self::Word(level) => word(level),
            // Loggers of JavaScript count in tens from `trace`.
            Self::Number(number) => u8::try_from(number / 10).ok()?.checked_sub(1).map(|level| level.min(5)),
        }
    }
}

/// The rank of a level by its name.
fn word(level: &str) -> Option<u8> {
    const WORDS: [(&str, u8); 8] = [
        ("trace", 0),
        ("debug", 1),
        ("info", 2),
        ("warn", 3),
        ("warning", 3),
        ("error", 4),
        ("critical", 5),
        ("fatal", 5),
    ];
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(level)).map(|(_, rank)| *rank)
}

fn level_of(rank: u8) -> Level {
    match rank {
        0 => Level::Trace,
        1 => Level::Debug,
        2 => Level::Info,
        3 => Level::Warn,
        4 => Level::Error,
        _ => Level::Critical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_usual_loggers_have_level_and_context() {
        let named = |level, context: &str, message: &str| Said::Named {
            level,
            context: context.to_owned(),
            message: message.to_owned(),
        };
        for (line, expected) in [
            ("INFO:greeter:greeting ada: welcome", named(2, "greeter", "greeting ada: welcome")),
            ("WARNING:root:slow", named(3, "root", "slow")),
            ("ERROR::x", named(4, STDERR, "x")),
            (r#"{"time":"t","level":"DEBUG","msg":"m","logger":"greeter"}"#, named(1, "greeter", "m")),
            (r#"{"level":"info","message":"m","target":"greeter"}"#, named(2, "greeter", "m")),
            (r#"{"level":30,"msg":"m","name":"greeter"}"#, named(2, "greeter", "m")),
            (r#"{"level":60,"msg":"m"}"#, named(5, STDERR, "m")),
            (r#"{"level":"loud","msg":"m"}"#, Said::Plain),
            (r#"{"msg":"m"}"#, Said::Plain),
            ("info:greeter:lower case", Said::Plain),
            ("thread 'main' panicked at src/main.rs:4:5:", Said::Plain),
            ("greeting ada", Said::Plain),
        ] {
            assert_eq!(said(line), expected, "{line}");
        }
    }
}
