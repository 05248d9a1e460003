//! The progress row of a shard: owner, epoch, floor, ranges and books.

use lanes::{Books, Progress, Seq};

use crate::{
    error::Failure,
    fields::{Ask, Fields},
    scope::Scope,
    sheet::Line,
};

/// A progress row.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) owner: String,
    pub(crate) epoch: u64,
    pub(crate) clean: bool,
    pub(crate) progress: Progress,
    pub(crate) carried: u64,
    pub(crate) stream_created: String,
    pub(crate) updated_at: u64,
}

/// The columns that [`Stored`] is read from.
macro_rules! columns {
    () => {
        "owner, epoch, clean, floor, ranges, base, done, skipped, filtered, duplicate, parked, dead, carried, \
         anchor_seq, anchor_id, stream_created, updated_at"
    };
}
pub(crate) use columns;

impl Stored {
    pub(crate) fn of(row: &dyn Fields) -> Result<Self, Failure> {
        let anchor = row.opt_nat("anchor_seq")?.zip(row.opt_text("anchor_id")?);
        let ranges = row.text("ranges")?;
        Ok(Self {
            owner: row.text("owner")?,
            epoch: row.nat("epoch")?,
            clean: row.flag("clean")?,
            progress: Progress {
                floor: row.nat("floor")?,
                ranges: serde_json::from_str(&ranges).map_err(|error| Failure::Invalid("ranges", error))?,
                books: Books {
                    base: row.nat("base")?,
                    done: row.nat("done")?,
                    skipped: row.nat("skipped")?,
                    filtered: row.nat("filtered")?,
                    duplicate: row.nat("duplicate")?,
                    parked: row.nat("parked")?,
                    dead: row.nat("dead")?,
                },
                anchor: anchor.map(|(seq, id)| (seq, id.into())),
            },
            carried: row.nat("carried")?,
            stream_created: row.text("stream_created")?,
            updated_at: row.nat("updated_at")?,
        })
    }
}

/// The columns of a progress that a commit moves: floor, ranges, books and anchor.
pub(crate) fn moved<L: Line>(line: L, progress: &Progress) -> L {
    let Progress { floor, ranges, books, anchor } = progress;
    line.nat(*floor)
        .text(&ranges_text(ranges))
        .nat(books.base)
        .nat(books.done)
        .nat(books.skipped)
        .nat(books.filtered)
        .nat(books.duplicate)
        .nat(books.parked)
        .nat(books.dead)
        .opt_int(anchor.as_ref().map(|(seq, _)| seq.cast_signed()))
        .opt_text(anchor.as_ref().map(|(_, id)| &**id))
}

/// Asks for the progress row of a shard.
pub(crate) fn ask(scope: &Scope) -> Ask {
    const READ: &str =
        concat!("select ", columns!(), " from progress where handler_id = $1 and run = $2 and shard = $3");
    Ask { sql: READ, args: scope.args() }
}

/// Ranges as a JSON array of pairs.
pub(crate) fn ranges_text(ranges: &[(Seq, Seq)]) -> String {
    use std::fmt::Write;
    let mut json = String::from("[");
    for (first, last) in ranges {
        let comma = if json.len() > 1 { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(json, "{comma}[{},{}]", first.cast_signed(), last.cast_signed());
    }
    json.push(']');
    json
}

/// Sequences as a JSON array.
pub(crate) fn seqs(seqs: impl IntoIterator<Item = Seq>) -> String {
    use std::fmt::Write;
    let mut json = String::from("[");
    for seq in seqs {
        if json.len() > 1 {
            json.push(',');
        }
        // Writing to a string cannot fail.
        let _ = write!(json, "{}", seq.cast_signed());
    }
    json.push(']');
    json
}

/// Whether a sequence is at or below the floor, or in a range.
pub(crate) fn is_settled(progress: &Progress, seq: Seq) -> bool {
    if seq <= progress.floor {
        return true;
    }
    // The ranges ascend: the one that could hold it is the last that begins at or before it.
    let after = progress.ranges.partition_point(|(first, _)| *first <= seq);
    progress.ranges.get(..after).and_then(<[_]>::last).is_some_and(|(_, last)| seq <= *last)
}

#[cfg(test)]
mod tests {
    use super::{ranges_text, seqs};

    #[test]
    fn sequences_and_ranges_are_json() {
        assert_eq!((seqs([]).as_str(), seqs([1, 22]).as_str()), ("[]", "[1,22]"));
        assert_eq!((ranges_text(&[]).as_str(), ranges_text(&[(1, 2), (5, 5)]).as_str()), ("[]", "[[1,2],[5,5]]"));
    }
}
