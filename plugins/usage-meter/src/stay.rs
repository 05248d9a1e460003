//! A participant's time in a room, and what is told of it.

use serde::{Deserialize, Serialize};
use serde_json::json;

/// Somebody who is in the room, as it is kept until they leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    /// Who.
    pub identity: String,
    /// Since when, in Unix seconds.
    pub since: i64,
}

/// Somebody who was in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stay {
    /// Who.
    pub identity: String,
    /// LiveKit's id of this stay.
    pub sid: String,
    /// From when, in Unix seconds.
    pub since: i64,
    /// Until when, in Unix seconds.
    pub until: i64,
    /// How long.
    pub seconds: i64,
    /// How long in minutes, each that was begun.
    pub minutes: i64,
}

impl Here {
    /// Ends the stay. A clock that was put back makes none shorter than nothing.
    #[must_use]
    pub fn leaves(self, sid: &str, until: i64) -> Stay {
        let seconds = until.saturating_sub(self.since).max(0);
        let minutes = seconds / 60 + i64::from(seconds % 60 > 0);
        Stay { identity: self.identity, sid: sid.to_owned(), since: self.since, until, seconds, minutes }
    }
}

/// The message about stays that ended with one event; `totals` are the seconds and minutes of the room and plan so far.
#[must_use]
pub fn bill(room: &str, plan: &str, stays: &[Stay], totals: (i64, i64)) -> String {
    let sum = |of: fn(&Stay) -> i64| stays.iter().map(of).fold(0, i64::saturating_add);
    let bill = json!({
        "room": room,
        "plan": plan,
        "seconds": sum(|stay| stay.seconds),
        "minutes": sum(|stay| stay.minutes),
        "total_seconds": totals.0,
        "total_minutes": totals.1,
        "stays": stays,
    });
    bill.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_minute_that_was_begun_counts() {
        for (until, seconds, minutes) in [(100, 0, 0), (101, 1, 1), (160, 60, 1), (161, 61, 2), (40, 0, 0)] {
            let stay = Here { identity: "ann".to_owned(), since: 100 }.leaves("PA_1", until);
            assert_eq!((stay.seconds, stay.minutes), (seconds, minutes), "{until}");
        }
    }

    #[test]
    fn a_bill_has_the_stays_their_sum_and_the_totals() {
        let stay = |identity: &str| Here { identity: identity.to_owned(), since: 0 }.leaves("PA_1", 61);
        let bill: serde_json::Value =
            serde_json::from_str(&bill("demo", "pro", &[stay("ann"), stay("bo")], (200, 5))).unwrap();
        assert_eq!((&bill["seconds"], &bill["minutes"]), (&json!(122), &json!(4)));
        assert_eq!((&bill["total_seconds"], &bill["total_minutes"]), (&json!(200), &json!(5)));
        let first = json!({"identity": "ann", "sid": "PA_1", "since": 0, "until": 61, "seconds": 61, "minutes": 2});
        assert_eq!((&bill["stays"][0], &bill["stays"][1]["identity"]), (&first, &json!("bo")));
    }
}
