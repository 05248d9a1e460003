//! The text of a message, in Slack's own markup.

/// Characters of an error that are shown; the whole of it is in `roomwire dlq show`.
const ERROR: usize = 600;

/// What is told of a dead letter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Letter<'a> {
    /// The event's id.
    pub id: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// Its room, if it has one.
    pub room: Option<&'a str>,
    /// The handler that gave it up.
    pub handler: &'a str,
    /// Why, in one word.
    pub cause: &'a str,
    /// Why, in the words of the last attempt.
    pub error: &'a str,
    /// Attempts in all.
    pub attempts: &'a str,
}

/// The body for an incoming webhook. `prefix` stands before the text, such as the name of an environment or `<!here>`.
#[must_use]
pub fn message(letter: &Letter<'_>, prefix: Option<&str>) -> String {
    let Letter { id, kind, room, handler, cause, error, attempts } = *letter;
    let prefix = prefix.map(|prefix| format!("{prefix} ")).unwrap_or_default();
    let room = room.map(|room| format!(" of room {}", code(room))).unwrap_or_default();
    let attempts = if attempts == "1" { "1 attempt".to_owned() } else { format!("{} attempts", escape(attempts)) };
    let what = format!("*{}* gave up {}{room} after {attempts} ({})", escape(handler), code(kind), escape(cause));
    let error = if error.is_empty() { String::new() } else { format!("\n```{}```", cut(error)) };
    let text = format!("{prefix}{what}{error}\n`roomwire dlq show {}`", escape(&id.replace('`', "'")));
    serde_json::json!({ "text": text }).to_string()
}

/// The beginning of an error, as a block.
fn cut(error: &str) -> String {
    let mut shown: String = error.chars().take(ERROR).collect();
    if shown.len() < error.len() {
        shown.push('…');
    }
    escape(&shown.replace("```", "'''"))
}

/// As code, on one line.
fn code(text: &str) -> String {
    let plain: String =
        text.chars().map(|letter| if letter == '`' || letter.is_control() { ' ' } else { letter }).collect();
    format!("`{}`", escape(&plain))
}

/// The three characters that mean something to Slack; so a room's name cannot mention a channel.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(letter: &Letter<'_>, prefix: Option<&str>) -> String {
        let body: serde_json::Value = serde_json::from_str(&message(letter, prefix)).unwrap();
        body["text"].as_str().unwrap().to_owned()
    }

    const LETTER: Letter<'static> = Letter {
        id: "EV_1",
        kind: "participant_joined",
        room: Some("demo"),
        handler: "usage-meter",
        cause: "retries_exhausted",
        error: "billing answered 503",
        attempts: "7",
    };

    #[test]
    fn a_letter_says_what_was_given_up_by_whom_why_and_what_to_type() {
        assert_eq!(
            text(&LETTER, Some("staging:")),
            "staging: *usage-meter* gave up `participant_joined` of room `demo` after 7 attempts (retries_exhausted)\n\
             ```billing answered 503```\n`roomwire dlq show EV_1`"
        );
        let short = Letter { room: None, error: "", attempts: "1", ..LETTER };
        let words =
            "*usage-meter* gave up `participant_joined` after 1 attempt (retries_exhausted)\n`roomwire dlq show EV_1`";
        assert_eq!(text(&short, None), words);
    }

    #[test]
    fn nothing_in_a_letter_is_taken_for_slacks_markup() {
        let letter = Letter { room: Some("<!channel> `a`\n&"), error: "```</b>", ..LETTER };
        let text = text(&letter, None);
        assert!(text.contains("of room `&lt;!channel&gt;  a  &amp;`"), "{text}");
        assert!(text.contains("```'''&lt;/b&gt;```") && !text.contains("<!"), "{text}");
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let long = "ä".repeat(ERROR + 1);
        let text = text(&Letter { error: &long, ..LETTER }, None);
        assert!(text.contains(&format!("{}…```", "ä".repeat(ERROR))));
    }
}
