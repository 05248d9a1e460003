//! What `sim load` does beside sending good meetings.

use std::collections::BTreeSet;

use clap::ValueEnum;

/// One disturbance. All but the refusals that a wrong clock earns must be accepted like anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Chaos {
    /// Egress events are sent twice under one id, as LiveKit sends extra webhooks
    Dup,
    /// In some rooms events are handed over in another order
    Reorder,
    /// Tokens are made by clocks that are up to two minutes wrong
    Skew,
    /// Fields, enum values and event types that nobody knows yet
    Unknown,
}

/// How far the receiver lets a clock be ahead unless it is configured otherwise, in seconds.
const LEEWAY_S: i64 = 60;

/// The clocks of the servers that send, in seconds ahead. None is so near to the leeway that the way to the receiver
/// decides.
const CLOCKS_S: [i64; 8] = [0, -30, 30, 50, -90, 90, -120, 120];

/// The clocks of the servers that send.
pub(super) fn clocks(chaos: &BTreeSet<Chaos>) -> &'static [i64] {
    if chaos.contains(&Chaos::Skew) { &CLOCKS_S } else { &[0] }
}

/// Whether a receiver is right to refuse tokens of a clock that is so far ahead: they are not valid yet. Those of a clock
/// that is behind are valid for five minutes.
pub(super) fn may_be_refused(ahead_s: i64) -> bool {
    ahead_s > LEEWAY_S
}

/// Moves some events of a meeting by one or two places.
pub(super) fn reorder<T>(events: &mut [T], random: &mut fastrand::Rng) {
    for place in 1..events.len() {
        if random.u8(..4) == 0 {
            events.swap(place - 1, place);
        }
    }
}

/// The body with something in it that nobody knows yet; it stays one JSON object with the same id.
pub(super) fn unknown(body: &str, random: &mut fastrand::Rng) -> String {
    let enums = ["\"ACTIVE\"", "\"DISCONNECTED\"", "\"MICROPHONE\"", "\"EGRESS_ACTIVE\"", "\"ENDPOINT_PUBLISHING\""];
    let value = if random.bool() { "\"VALUE_OF_TOMORROW\"" } else { "4711" };
    let changed = enums.iter().fold(body.to_owned(), |body, known| body.replace(known, value));
    changed.replacen('{', r#"{"fieldOfTomorrow":{"list":[1,"\u2028",null],"yes":true},"#, 1)
}

#[cfg(test)]
mod tests {
    use livekit::body;
    use livekit::generate::{KINDS, Names, event};

    use super::*;

    #[test]
    fn only_a_clock_that_is_more_than_the_leeway_ahead_may_be_refused() {
        let refused: Vec<i64> = CLOCKS_S.into_iter().filter(|ahead| may_be_refused(*ahead)).collect();
        assert_eq!(refused, [90, 120]);
        assert_eq!(clocks(&BTreeSet::new()), [0]);
    }

    #[test]
    fn reordering_keeps_every_event() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut events: Vec<u32> = (0..100).collect();
        reorder(&mut events, &mut random);
        assert!(!events.is_sorted());
        events.sort_unstable();
        assert!(events.into_iter().eq(0..100));
    }

    #[test]
    fn what_nobody_knows_changes_neither_id_nor_key() {
        let (names, mut random) = (Names::new("r", "p"), fastrand::Rng::with_seed(1));
        for kind in KINDS {
            let body = event(kind, &names);
            let strange = unknown(&body, &mut random);
            assert!(strange.contains("fieldOfTomorrow") && !strange.contains("ACTIVE\""), "{strange}");
            assert_eq!(body::inspect(strange.as_bytes()).unwrap(), body::inspect(body.as_bytes()).unwrap());
        }
    }
}
