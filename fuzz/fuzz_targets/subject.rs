//! Any event type, prefix and handler in subjects: one literal subject in its place, whatever they are.
#![no_main]

use event::subject::{dead, events_of_shard, is_own, matches, of_type, validate_publish};
use event::{HandlerName, Prefix};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&str, &str, &str, u16)| {
    let (kind, name, other, shard) = data;
    let prefix = Prefix::try_from(name).unwrap_or_default();
    let subject = of_type(&prefix, shard, kind);
    assert_eq!(validate_publish(&subject), Ok(()));
    assert_eq!(subject.split('.').count(), 4);
    assert!(matches(&events_of_shard(&prefix, shard), &subject) && is_own(&prefix, &subject));
    assert!(shard == u16::MAX || !matches(&events_of_shard(&prefix, shard + 1), &subject));
    if let Ok(handler) = HandlerName::try_from(name) {
        let dead = dead(&prefix, &handler, kind);
        assert_eq!((validate_publish(&dead), dead.split('.').count()), (Ok(()), 4));
    }
    // What a guest may publish to is one line, has no wildcard, and matches itself and `>`.
    if validate_publish(other).is_ok() {
        assert!(!other.contains([' ', '\r', '\n', '\t', '\0']));
        assert!(matches(other, other) && matches(">", other));
    }
    let _either = matches(name, other);
});
