//! Any headers of a message that somebody else published into our streams: an event, or an error in words.
//!
//! The input is lines of a name, a colon, and a value.
#![no_main]

use std::collections::HashMap;

use event::Envelope;
use event::quarantine::Quarantined;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let headers: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once(':')).collect();
    match Envelope::from_headers(|name| headers.get(name).copied()) {
        // What was read can be written and read again, and is the same.
        Ok(envelope) => {
            let written: HashMap<_, _> = envelope.headers().into_iter().collect();
            let again = Envelope::from_headers(|name| written.get(name).map(String::as_str)).unwrap();
            assert_eq!((again.id, again.key, again.kind), (envelope.id, envelope.key, envelope.kind));
        }
        Err(error) => assert!(!error.to_string().contains(['\r', '\n'])),
    }
    if let Err(error) = Quarantined::from_headers(|name| headers.get(name).copied()) {
        assert!(!error.to_string().contains(['\r', '\n']));
    }
});
