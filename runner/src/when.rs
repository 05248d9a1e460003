//! `when`: a CEL expression over the body of an event, as `event`.
//!
//! A missing field makes the expression false and not an error, because LiveKit leaves out what is zero or empty.

mod explain;

use std::sync::Arc;

use cel::{Context, Program, Value};

pub use explain::Clause;

/// The only variable.
const VARIABLE: &str = "event";

/// Characters of an expression. The parser recurses, so its input is bounded.
const MAX_LENGTH: usize = 4_096;

/// Stack of the thread that parses.
const PARSER_STACK: usize = 16 << 20;

/// An expression was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhenError {
    /// It is too long.
    #[error("`when` has {0} characters; at most {MAX_LENGTH} are allowed")]
    TooLong(usize),
    /// It is not CEL.
    #[error("`when` is not a CEL expression: {0}")]
    Syntax(String),
    /// It names something that is not there.
    #[error("`when` uses `{0}`; the only variable is `event`, the webhook's body (for example event.room.name)")]
    UnknownName(String),
    /// The parser could not run.
    #[error("`when` could not be parsed: {0}")]
    Parser(String),
}

/// A parsed `when`.
#[derive(Clone)]
pub struct When {
    program: Arc<Program>,
}

/// What an expression says of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// The handler takes the event.
    Yes,
    /// It does not; the text says why where there is more to say than "false".
    No(Option<String>),
}

impl When {
    /// Parses an expression.
    ///
    /// # Errors
    /// If it is no CEL or uses other variables than `event`.
    pub fn parse(text: &str) -> Result<Self, WhenError> {
        let length = text.chars().count();
        if length > MAX_LENGTH {
            return Err(WhenError::TooLong(length));
        }
        let owned = text.to_owned();
        let program = std::thread::Builder::new()
            .stack_size(PARSER_STACK)
            .spawn(move || Program::compile(&owned).map_err(|errors| first_line(&errors.to_string())))
            .map_err(|error| WhenError::Parser(error.to_string()))?
            .join()
            .map_err(|_| WhenError::Parser("the parser stopped".to_owned()))?
            .map_err(WhenError::Syntax)?;
        if let Some(name) = program.references().variables().into_iter().find(|name| *name != VARIABLE) {
            return Err(WhenError::UnknownName(name.to_owned()));
        }
        Ok(Self { program: Arc::new(program) })
    }

    /// Evaluates the expression over a body.
    #[must_use]
    pub fn says(&self, body: &serde_json::Value) -> Says {
        let mut context = Context::default();
        if let Err(error) = context.add_variable(VARIABLE, body) {
            return Says::No(Some(error.to_string()));
        }
        match self.program.execute(&context) {
            Ok(Value::Bool(true)) => Says::Yes,
            Ok(Value::Bool(false)) => Says::No(None),
            Ok(other) => Says::No(Some(format!("the result is {other:?} and not true or false"))),
            Err(error) => Says::No(Some(error.to_string())),
        }
    }
}

impl std::fmt::Debug for When {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("When")
    }
}

/// Checks an expression without keeping it.
///
/// # Errors
/// As [`When::parse`].
pub fn check(text: &str) -> Result<(), WhenError> {
    When::parse(text).map(drop)
}

fn first_line(text: &str) -> String {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("unreadable").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_false_or_missing_field_filters_and_a_true_one_takes() {
        let body =
            json!({"event": "participant_joined", "room": {"name": "paid-1", "numParticipants": 3}, "createdAt": "17"});
        for (text, takes) in [
            ("event.room.name.startsWith('paid-')", true),
            ("event.room.name == 'free'", false),
            ("event.room.numParticipants > 2", true),
            ("event.track.sid == 'x'", false),
            ("has(event.track)", false),
            ("event.createdAt == '17'", true),
            ("int(event.createdAt) > 16", true),
            ("event.room.name", false),
            ("event.event in ['participant_joined', 'participant_left']", true),
            ("event.room.name.matches('^paid-[0-9]+$')", true),
        ] {
            let says = When::parse(text).unwrap().says(&body);
            assert_eq!(says == Says::Yes, takes, "{text}: {says:?}");
        }
    }

    #[test]
    fn a_missing_field_is_false_with_a_reason() {
        let says = When::parse("event.track.sid == 'x'").unwrap().says(&json!({"event": "room_started"}));
        assert!(matches!(&says, Says::No(Some(reason)) if reason.contains("track")), "{says:?}");
    }

    #[test]
    fn what_is_not_an_expression_over_event_is_refused() {
        assert!(matches!(check("event.room.name =="), Err(WhenError::Syntax(_))));
        assert_eq!(check("room.name == 'a'"), Err(WhenError::UnknownName("room".to_owned())));
        assert_eq!(check(&"a".repeat(5_000)), Err(WhenError::TooLong(5_000)));
        let deep = "(".repeat(2_000) + "true" + &")".repeat(2_000);
        let _ = check(&deep);
    }
}
