//! What a guest said of its own crash, and where in its author's files that was: of a trap the engine only knows that it came.

/// Bytes of a guest's words that are kept in an error.
const WORDS_BYTES: usize = 1 << 10;

/// A crash as the guest's language tells it on stderr.
#[derive(Debug, Default, PartialEq, Eq)]
struct Crash<'a> {
    words: &'a str,
    /// File and line, where they are not among the words.
    place: Option<String>,
}

/// What a guest wrote last, as one text: the message of an exception or panic with its place, else the last line.
pub(super) fn last_words(stderr: &str) -> Option<String> {
    let text = stderr.trim_end();
    let text = text.rfind("\nnote: run with `RUST_BACKTRACE").map_or(text, |end| text.get(..end).unwrap_or(text));
    let last = || Crash { words: text.lines().last().unwrap_or_default(), place: None };
    let Crash { words, place } = python(text)
        .or_else(|| starling_monkey(text))
        .or_else(|| go(text))
        .or_else(|| quickjs(text))
        .or_else(|| rust(text))
        .unwrap_or_else(last);
    let words = words.trim();
    let end = (0..=WORDS_BYTES.min(words.len())).rev().find(|end| words.is_char_boundary(*end)).unwrap_or(0);
    let words = words.get(..end).filter(|words| !words.is_empty())?;
    Some(place.map_or_else(|| words.to_owned(), |place| format!("{words} (at {place})")))
}

/// `thread 'main' (1) panicked at src/a.rs:10:5:`, and the message, which may have several lines.
fn rust(text: &str) -> Option<Crash<'_>> {
    const PANICKED: &str = " panicked at ";
    let rest = text.rfind(PANICKED).and_then(|at| text.get(at + PANICKED.len()..))?;
    let (place, words) = rest.split_once(":\n")?;
    Some(Crash { words, place: line_of(place) })
}

/// A traceback, and then how the interpreter around it, componentize-py's, ends.
fn python(text: &str) -> Option<Crash<'_>> {
    let text = text.strip_suffix("\nPython function threw an unexpected exception")?;
    let text = text.get(..text.rfind("\nthread '")?)?.trim_end();
    // What stands behind the calls of the traceback, which are indented.
    let (calls, words) = text.split_at_checked(text.rfind("\n  ")? + 1)?;
    let (last, words) = words.split_once('\n')?;
    let place = calls.lines().chain([last]).rev().find_map(python_place);
    Some(Crash { words, place })
}

/// The place in `  File "/0/a.py", line 37, in f`, unless that is our library's. `/0` is how componentize-py names a folder.
fn python_place(line: &str) -> Option<String> {
    let (path, rest) = line.strip_prefix("  File \"")?.split_once("\", line ")?;
    let path = path.trim_start_matches(|c: char| c == '/' || c.is_ascii_digit());
    let number = rest.split(|c: char| !c.is_ascii_digit()).next().filter(|number| !number.is_empty())?;
    (!path.starts_with("roomwire/")).then(|| format!("{path}:{number}"))
}

/// The exception with its stack, `f at src/a.ts:84`; then that it is no failure of the contract, and how the engine of
/// TypeScript and JavaScript aborts.
fn starling_monkey(text: &str) -> Option<Crash<'_>> {
    let (stack, refused) = text.split_at_checked(text.rfind("\ninvalid variant tag value")?)?;
    let (_, rest) = refused.split_once("(received `")?;
    let words = rest.get(..rest.rfind("`) specified for")?)?;
    let stack = stack.rfind(words).and_then(|at| stack.get(at + words.len()..)).unwrap_or_default();
    let authors = |line: &&str| !line.contains("sdk/typescript/");
    let mut places = stack.lines().filter(authors).filter_map(|line| line.split_once(" at ")?.1.into());
    Some(Crash { words, place: places.find(|place| has_line(place)).map(str::to_owned) })
}

/// `panic: words`, and the stack of each goroutine: lines with a function, and behind a tab its place.
fn go(text: &str) -> Option<Crash<'_>> {
    let begins = |at: &usize| *at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n');
    let last = |word| text.rmatch_indices(word).map(|(at, _)| at).find(begins);
    let rest = text.get(last("panic: ").max(last("fatal error: "))?..)?;
    let (words, stack) = rest.split_once("\n\ngoroutine ")?;
    let words = words.split("\n[signal ").next().unwrap_or(words);
    let words = words.strip_prefix("panic: ").unwrap_or(words);
    let frames =
        || stack.lines().zip(stack.lines().skip(1)).filter_map(|(function, place)| Some((function, go_place(place)?)));
    // Without the module's name a package of the standard library looks like one of the author's: `main` is the author's.
    let first = |of: fn(&str) -> bool| frames().find(|(function, _)| of(function)).map(|(_, place)| place.to_owned());
    let place = first(|function| function.starts_with("main.")).or_else(|| first(|function| !is_runtime(function)));
    Some(Crash { words, place })
}

fn go_place(line: &str) -> Option<&str> {
    let place = line.strip_prefix('\t')?.split(" +0x").next()?;
    (has_line(place) && !place.starts_with('<')).then_some(place)
}

/// Whether a function in Go is the runtime's or our library's.
fn is_runtime(function: &str) -> bool {
    ["panic(", "runtime.", "runtime/", "roomwire.", "roomwire/", "created by "]
        .iter()
        .any(|own| function.starts_with(own))
}

/// The exception, and its stack at the end: `    at f (a.js:15:24)`.
fn quickjs(text: &str) -> Option<Crash<'_>> {
    let is_call = |line: &&str| line.starts_with("    at ");
    let calls = text.lines().rev().take_while(is_call).count();
    let words = text.lines().rev().nth(calls).filter(|_| calls > 0)?;
    let place = |line: &str| line_of(line.rsplit_once('(')?.1.strip_suffix(')')?);
    let found = text.lines().skip(text.lines().count().saturating_sub(calls)).find_map(place);
    Some(Crash { words, place: found })
}

/// File and line of `file:line:column`.
fn line_of(place: &str) -> Option<String> {
    let (place, column) = place.rsplit_once(':')?;
    (is_number(column) && has_line(place)).then(|| place.to_owned())
}

fn has_line(place: &str) -> bool {
    place.rsplit_once(':').is_some_and(|(file, line)| !file.is_empty() && is_number(line))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{WORDS_BYTES, last_words};

    /// What guests in each language wrote, as it was.
    const RUST: &str = "\nthread '<unnamed>' (1) panicked at conformance/rust/src/lib.rs:127:5:\nthree calls deep\nin \
                        egress_ended\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
    const GO: &str = "2026 before\npanic: three calls deep in egress_ended\n\ngoroutine 1 [running]:\nmain.three(...)\n\
                      \troll-call/roll_call.go:191\nmain.two(...)\n\troll-call/roll_call.go:188\nmain.handle(0x666120)\n\
                      \troll-call/roll_call.go:43 +0x3e\nroomwire.Export.func1({{0x60e150, 0x8}, ...})\n\
                      \troomwire@v0.0.0/export.go:14 +0x18\nroomwire:plugin/handler@0.1.0#handle()\n\t<autogenerated>:1 +0x1\n";
    const GO_RUNTIME: &str = "panic: runtime error: invalid memory address or nil pointer dereference\n[signal 0xb code=0x0 \
                              addr=0x0 pc=0x0]\n\ngoroutine 6 [running]:\npanic({0x1, 0x2})\n\truntime/panic.go:783 +0x17\n\
                              encoding/json.Unmarshal({0x0})\n\tencoding/json/decode.go:111 +0x9\nmain.main.func1()\n\
                              \tgreeter/greeter.go:47 +0xe\ncreated by main.main in goroutine 1\n\tgreeter/greeter.go:40 +0x4\n";
    const GO_DEADLOCK: &str = "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nruntime.gopark()\n\
                               \truntime/proc.go:1 +0x1\ngreeter/rooms.Wait()\n\tgreeter/rooms/wait.go:9 +0x1\n";
    const TYPESCRIPT: &str = "Error: three calls deep\nthree at src/roll-call.ts:84\ntwo at src/roll-call.ts:80\nhandle at \
                              ../../sdk/typescript/src/index.ts:74\nexport_handler_0_1_0$handle@/tmp/a3/sources/initializer.js:\
                              8639:29\n\ninvalid variant tag value `undefined` (received `Error: three calls deep`) specified for \
                              `Failure`\nStack:\n  export_handler_0_1_0$handle@/tmp/a3/sources/initializer.js:8728:17\n\n\
                              Redirecting call to abort() to mozalloc_abort\n\n";
    const PYTHON: &str = "before\nTraceback (most recent call last):\n  File \"/1/roomwire/__init__.py\", line 73, in handle\n  File \
                          \"/0/roll_call.py\", line 37, in on_event\n  File \"/0/roll_call.py\", line 95, in three\nValueError: it\n\
                          burns\n\nthread '<unnamed>' (1) panicked at runtime/src/lib.rs:1293:29:\nPython function threw an \
                          unexpected exception\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
    /// Called by the library again, as a property of the event is: the author's line is further out.
    const PYTHON_LIBRARY: &str = "Traceback (most recent call last):\n  File \"/1/roomwire/__init__.py\", line 73, in handle\n  File \
                                  \"/0/a.py\", line 37, in on_event\n    event.webhook\n  File \"/1/roomwire/messages.py\", line 9, in x\n\
                                  KeyError: 'a'\n\nthread '<unnamed>' (1) panicked at runtime/src/lib.rs:1293:29:\nPython function \
                                  threw an unexpected exception\n";
    const QUICKJS: &str = "INFO:greeter:before\nError: participant_joined without a room\n    at parse (native)\n    at handle \
                           (greeter.js:15:24)\n    at <eval> (greeter.js:68:13)\n\n";
    const C: &str = "before\nroll_call.c:124: three calls deep in egress_ended\n";

    #[test]
    fn a_crash_is_told_in_the_guests_words_with_the_authors_file_and_line() {
        for (stderr, words) in [
            (RUST, "three calls deep\nin egress_ended (at conformance/rust/src/lib.rs:127)"),
            (GO, "three calls deep in egress_ended (at roll-call/roll_call.go:191)"),
            (GO_RUNTIME, "runtime error: invalid memory address or nil pointer dereference (at greeter/greeter.go:47)"),
            (GO_DEADLOCK, "fatal error: all goroutines are asleep - deadlock! (at greeter/rooms/wait.go:9)"),
            (TYPESCRIPT, "Error: three calls deep (at src/roll-call.ts:84)"),
            (PYTHON, "ValueError: it\nburns (at roll_call.py:95)"),
            (PYTHON_LIBRARY, "KeyError: 'a' (at a.py:37)"),
            (QUICKJS, "Error: participant_joined without a room (at greeter.js:15)"),
            (C, "roll_call.c:124: three calls deep in egress_ended"),
        ] {
            assert_eq!(last_words(stderr).as_deref(), Some(words), "{stderr:?}");
        }
    }

    #[test]
    fn whatever_else_stderr_holds_its_last_line_is_kept() {
        for (stderr, words) in [
            ("", None),
            ("\n \n", None),
            ("one\ntwo\n", Some("two")),
            ("panic: but no stack", Some("panic: but no stack")),
            ("thread 'x' panicked at nowhere:\nwords\n", Some("words")),
            ("    at f (a.js:1:1)\n", Some("at f (a.js:1:1)")),
            ("\ninvalid variant tag value", Some("invalid variant tag value")),
        ] {
            assert_eq!(last_words(stderr).as_deref(), words, "{stderr:?}");
        }
        let long = "\u{fc}".repeat(WORDS_BYTES);
        assert!(last_words(&long).is_some_and(|words| words.len() <= WORDS_BYTES && !words.is_empty()));
    }
}
