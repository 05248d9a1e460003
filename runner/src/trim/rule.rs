//! How much of a stream goes.

use lanes::Seq;

/// A stream is full enough to be trimmed, and is trimmed, down to this part of what it may hold.
const FULL_PERCENT: u64 = 80;

/// What a stream holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    pub(super) first: Seq,
    pub(super) last: Seq,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// 0 where it is not bounded.
    pub(super) max_bytes: u64,
}

/// Up to which sequence the stream is to be trimmed, if at all. `forgettable` is the last one that may go, `old` the last
/// one that is old enough to go though there is room.
pub(super) fn up_to(content: &Content, forgettable: Seq, old: Option<Seq>) -> Option<Seq> {
    let full = content.max_bytes / 100 * FULL_PERCENT;
    let too_much = if full == 0 { 0 } else { content.bytes.saturating_sub(full) };
    let average = (content.bytes / content.messages.max(1)).max(1);
    let for_room = (too_much > 0).then(|| content.first.saturating_add(too_much.div_ceil(average) - 1));
    let goal = old.max(for_room)?;
    let up_to = goal.min(forgettable);
    (up_to >= content.first).then_some(up_to)
}

/// What is known of a stream's messages.
pub(super) trait Messages {
    /// Why one cannot be read.
    type Error;

    /// The first message from a sequence on, with its time in nanoseconds. Times ascend.
    fn at(&self, seq: Seq) -> impl Future<Output = Result<Option<(Seq, i128)>, Self::Error>> + Send;
}

/// The last sequence from `low` to `high` up to which, itself included, everything is of `time` or older.
pub(super) async fn last_before<M: Messages>(
    messages: &M,
    low: Seq,
    high: Seq,
    time: i128,
) -> Result<Option<Seq>, M::Error> {
    // Mostly even the first one is too young.
    if messages.at(low).await?.is_none_or(|(seq, of)| seq > high || of > time) {
        return Ok(None);
    }
    let (mut low, mut high) = (low, high);
    let mut last = None;
    while low <= high {
        let middle = low + (high - low) / 2;
        match messages.at(middle).await? {
            Some((seq, of)) if seq <= high && of <= time => {
                last = Some(seq);
                low = seq.saturating_add(1);
            }
            // Too young, or nothing there: it lies before.
            _ => match middle.checked_sub(1) {
                Some(before) => high = before,
                None => break,
            },
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Sequence and time.
    struct Few(&'static [(Seq, i128)]);

    impl Messages for Few {
        type Error = Infallible;

        async fn at(&self, from: Seq) -> Result<Option<(Seq, i128)>, Infallible> {
            Ok(self.0.iter().copied().find(|(seq, _)| *seq >= from))
        }
    }

    #[tokio::test]
    async fn the_last_old_message_is_found_whatever_is_missing_between() {
        let few = Few(&[(3, 10), (4, 20), (7, 30), (8, 30), (20, 40)]);
        for (low, high, time, expected) in [
            (3, 20, 5, None),
            (3, 20, 10, Some(3)),
            (3, 20, 25, Some(4)),
            (3, 20, 30, Some(8)),
            (3, 20, 99, Some(20)),
            (3, 19, 99, Some(8)),
            (3, 6, 99, Some(4)),
            (5, 6, 99, None),
            (9, 8, 99, None),
            (0, 2, 99, None),
            (21, 30, 99, None),
            (0, 20, 30, Some(8)),
        ] {
            assert_eq!(last_before(&few, low, high, time).await, Ok(expected), "{low}..={high} at {time}");
        }
    }

    #[test]
    fn what_is_old_goes_and_what_makes_room_goes_and_nothing_that_must_stay() {
        let content = |bytes, max_bytes| Content { first: 11, last: 110, messages: 100, bytes, max_bytes };
        let roomy = content(1_000, 10_000);
        // Ten messages of 100 bytes are more than four fifths.
        let full = content(10_000, 11_300);
        for (name, content, forgettable, old, expected) in [
            ("nothing is old, there is room", roomy, 110, None, None),
            ("what is old goes", roomy, 110, Some(20), Some(20)),
            ("not above what may be forgotten", roomy, 15, Some(20), Some(15)),
            ("what may be forgotten is gone already", roomy, 10, Some(20), None),
            ("the oldest makes room", full, 110, None, Some(20)),
            ("the older of both reasons does not win", full, 110, Some(12), Some(20)),
            ("age goes further than room", full, 110, Some(50), Some(50)),
            ("room is not made of what is needed", full, 13, None, Some(13)),
            ("unbounded", content(10_000, 0), 110, None, None),
        ] {
            assert_eq!(up_to(&content, forgettable, old), expected, "{name}");
        }
    }
}
