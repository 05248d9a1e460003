//! The command contract: from how a program ended and what it wrote to what became of the event.

mod document;
mod keys;
mod lines;
mod logs;

pub(super) use document::check_document;

use wasmtime_wasi::I32Exit;

use super::Broken;
use crate::bindings::roomwire::plugin::effects::{self, Host as _};
use crate::bindings::roomwire::plugin::event_types as wit;
use crate::host::{Host, Stdio};
use lines::{Effect, End, Line};

/// Exit codes that mean something; every other one but 0 is a crash. Both are those of sysexits.h.
const TRY_AGAIN: i32 = 75;
const NEVER: i32 = 65;

type Handled = Result<wit::Outcome, wit::Failure>;

/// What the program reads of an event, with the keys that its handler names.
pub(super) async fn input(host: &mut Host, event: &wit::Event) -> Result<Result<Vec<u8>, wit::Failure>, Broken> {
    Ok(keys::read(host, event).await?.map(|values| document::document(event, &values)))
}

/// The exit code of a program that ended by itself, be it by returning or by exiting.
pub(super) fn code(result: wasmtime::Result<Result<(), ()>>) -> Result<i32, Broken> {
    match result {
        Ok(Ok(())) => Ok(0),
        Ok(Err(())) => Ok(1),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(I32Exit(code)) => Ok(*code),
            None => Err(Broken::Trap(error)),
        },
    }
}

/// What became of the event, with the program's log lines and effects put where those of components are.
pub(super) async fn conclude(
    host: &mut Host,
    exit: Result<Result<i32, wit::Failure>, Broken>,
    stdio: &Stdio,
) -> Result<Handled, Broken> {
    let exit = match exit {
        Ok(Ok(code)) => Ok(code),
        Ok(Err(failure)) => return Ok(Err(failure)),
        Err(broken) => Err(broken),
    };
    let stderr = stdio.err.bytes();
    let stderr = String::from_utf8_lossy(&stderr);
    let ended = exit.and_then(|code| Ok((code, lines::read(&stdio.out.bytes()).map_err(crash)?)));
    let (code, lines) = match ended {
        Ok((code @ (0 | TRY_AGAIN | NEVER), lines)) => (code, lines),
        // Its last words are a panic's or a stack's: they are in the record as they are, and no log lines.
        Ok((code, _)) => {
            logs::named(host, &stderr)?;
            return Err(crash(format!("exited with code {code}")));
        }
        Err(broken) => {
            logs::named(host, &stderr)?;
            return Err(broken);
        }
    };
    let (mut effects, mut said) = (Vec::new(), None);
    for line in lines {
        match line {
            Line::Effect(effect) => effects.push(effect),
            Line::End(end) => said = Some(end),
        }
    }
    let reasons = code != 0 && said.as_ref().is_none_or(|end| end.reason().is_none());
    let last = logs::all(host, &stderr, reasons)?;
    let reason = || last.unwrap_or_else(|| format!("exited with code {code}"));
    let handled = ended_with(code, said, reason);
    if handled.is_ok() {
        for effect in effects {
            if let Err(failure) = apply(host, effect).await? {
                return Ok(Err(failure));
            }
        }
    }
    Ok(handled)
}

/// The end that code and line tell together. A line adds to its code; where the two differ, the code counts, unless it
/// is 0: toolchains of WASI 0.2 have no other that passes.
fn ended_with(code: i32, said: Option<End>, reason: impl FnOnce() -> String) -> Handled {
    let retry = |reason: String, after_ms| Err(wit::Failure::Retry(wit::RetryHint { reason, after_ms }));
    match (code, said) {
        (NEVER, Some(End::Permanent(why))) => Err(wit::Failure::Permanent(why)),
        (NEVER, _) => Err(wit::Failure::Permanent(reason())),
        (TRY_AGAIN, Some(End::Retry { after_ms, reason: said })) => retry(said.unwrap_or_else(reason), after_ms),
        (TRY_AGAIN, _) => retry(reason(), None),
        (_, None) => Ok(wit::Outcome::Done),
        (_, Some(End::Skip(why))) => Ok(wit::Outcome::Skipped(why)),
        (_, Some(End::Permanent(why) | End::Refuse(why))) => Err(wit::Failure::Permanent(why)),
        (_, Some(End::Retry { after_ms, reason })) => {
            retry(reason.unwrap_or_else(|| "no reason given".to_owned()), after_ms)
        }
    }
}

/// Puts an effect where that of a component goes: the one place in which a line meets the host. What is not granted or
/// too large will be so the next time, too.
async fn apply(host: &mut Host, effect: Effect) -> Result<Result<(), wit::Failure>, Broken> {
    let taken = match effect {
        Effect::Publish(message) => host.publish(message),
        Effect::Send(request) => host.send(request),
        Effect::Kv { bucket, key, change } => return keys::put(host, &bucket, key, change).await,
    };
    Ok(taken.map_err(Broken::Trap)?.map_err(|error| match error {
        effects::Error::Denied(why) => wit::Failure::Permanent(why),
        effects::Error::TooLarge => wit::Failure::Permanent("the message is larger than the host takes".to_owned()),
        effects::Error::QuotaExceeded => wit::Failure::Permanent("too many effects in one call".to_owned()),
        effects::Error::Other(reason) => wit::Failure::Retry(wit::RetryHint { reason, after_ms: None }),
    }))
}

/// What the config's check made of it: only a program that knows of the check can refuse, with a line that no other
/// writes. One that broke for want of memory would break with every event.
pub(super) fn checked(host: &Host, exit: Result<i32, Broken>, stdio: &Stdio) -> Result<Result<(), String>, Broken> {
    if let Some(why) = lines::refusal(&stdio.out.bytes()) {
        return Ok(Err(why));
    }
    match exit {
        Err(broken @ Broken::NoInstance(_)) => Err(broken),
        Err(broken) if host.limits.denied => Err(broken),
        Ok(_) | Err(_) => Ok(Ok(())),
    }
}

fn crash(text: String) -> Broken {
    Broken::Trap(wasmtime::Error::msg(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(code: i32, said: Option<End>) -> String {
        match ended_with(code, said, || "last words".to_owned()) {
            Ok(wit::Outcome::Done) => "done".to_owned(),
            Ok(wit::Outcome::Skipped(why)) => format!("skipped: {why}"),
            Err(wit::Failure::Permanent(why)) => format!("permanent: {why}"),
            Err(wit::Failure::Retry(hint)) => format!("retry after {:?}: {}", hint.after_ms, hint.reason),
        }
    }

    #[test]
    fn the_exit_code_tells_the_end_and_a_line_adds_to_it() {
        let skip = || Some(End::Skip("none of mine".to_owned()));
        let permanent = || Some(End::Permanent("no".to_owned()));
        let retry = |after_ms, reason: Option<&str>| Some(End::Retry { after_ms, reason: reason.map(str::to_owned) });
        for (code, said, expected) in [
            (0, None, "done"),
            (0, skip(), "skipped: none of mine"),
            (0, permanent(), "permanent: no"),
            (0, retry(Some(50), Some("busy")), "retry after Some(50): busy"),
            (0, retry(None, None), "retry after None: no reason given"),
            (0, Some(End::Refuse("no plan".to_owned())), "permanent: no plan"),
            (TRY_AGAIN, None, "retry after None: last words"),
            (TRY_AGAIN, retry(Some(50), None), "retry after Some(50): last words"),
            (TRY_AGAIN, retry(None, Some("busy")), "retry after None: busy"),
            (TRY_AGAIN, skip(), "retry after None: last words"),
            (NEVER, None, "permanent: last words"),
            (NEVER, permanent(), "permanent: no"),
            (NEVER, retry(Some(50), Some("busy")), "permanent: last words"),
        ] {
            assert_eq!(end(code, said.clone()), expected, "{code} {said:?}");
        }
    }

    #[test]
    fn a_program_ends_by_returning_or_by_exiting_and_all_else_is_a_trap() {
        assert!(matches!(code(Ok(Ok(()))), Ok(0)));
        assert!(matches!(code(Ok(Err(()))), Ok(1)));
        assert!(matches!(code(Err(I32Exit(75).into())), Ok(75)));
        assert!(matches!(code(Err(wasmtime::Trap::UnreachableCodeReached.into())), Err(Broken::Trap(_))));
    }
}
