//! The ledger: what became of each event, under an identity that all its copies share.

use lanes::{Known, Seq, Settled};

use crate::{
    Report, Row,
    fields::Fields,
    sheet::{Line as _, Sheet},
};

/// The codes of the column `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Done,
    Skipped,
    Filtered,
    Parked,
    Dead,
}

impl State {
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Done => 1,
            Self::Skipped => 2,
            Self::Filtered => 3,
            Self::Parked => 4,
            Self::Dead => 5,
        }
    }

    /// The word for a code.
    pub(crate) fn word(code: i64) -> &'static str {
        match code {
            1 => "done",
            2 => "skipped",
            3 => "filtered",
            4 => "parked",
            _ => "dead",
        }
    }
}

impl From<Settled> for State {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Done => Self::Done,
            Settled::Skipped => Self::Skipped,
            Settled::Filtered => Self::Filtered,
        }
    }
}

/// What a commit says of one event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) row: &'a Row,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    pub(crate) report: Option<&'a Report>,
    pub(crate) plugin: Option<i64>,
}

/// Adds an entry that is new, or, with the state it must have had, one that changes.
pub(crate) fn line(sheet: &mut impl Sheet, entry: Entry<'_>, was: Option<State>) {
    let Entry { row, state, attempt, report, plugin } = entry;
    let note = match state {
        State::Skipped => report.and_then(|report| report.error.as_deref()),
        _ => None,
    };
    sheet
        .row()
        .text(&row.identity.project)
        .int(row.identity.created)
        .text(&row.identity.id)
        .nat(row.seq)
        .int(state.code())
        .int(attempt)
        .opt_int(plugin)
        .opt_int(report.map(|report| report.duration_us.cast_signed()))
        .opt_int(report.map(|report| report.peak_memory.cast_signed()))
        .opt_text(note)
        .opt_int(was.map(State::code));
}

/// An entry that stands in the way, or in the place, of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// The number that was given to the identity asked about.
    pub(crate) asked: u64,
    pub(crate) seq: Seq,
    pub(crate) state: i64,
}

impl Standing {
    pub(crate) fn of(row: &dyn Fields) -> Result<Self, sqlx::Error> {
        Ok(Self { asked: row.nat("asked")?, seq: row.nat("seq")?, state: row.int("state")? })
    }

    pub(crate) fn known(self) -> Known {
        Known { asked: self.asked, seq: self.seq }
    }
}
