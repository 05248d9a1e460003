//! The progress that a commit brings: floor, ranges, books and anchor, from exactly what is in it.

use super::Owned;
use super::commit::{Count, Counted, Fate, Pending};
use crate::{Books, Change, Origin, Progress, Settled};

impl<E: Clone, R: Clone> Owned<E, R> {
    /// The committed progress and what the rows and counts of a commit add to it.
    pub(super) fn progress_with(&self, rows: &[Pending<E, R>], counted: &[Count]) -> Progress {
        let mut progress = self.committed.clone();
        for count in counted {
            let fresh = progress.cover(count.low, count.high);
            match count.kind {
                Counted::Filtered => progress.books.filtered += fresh,
                Counted::Duplicate => progress.books.duplicate += fresh,
            }
        }
        for row in rows {
            book(&mut progress, row);
        }
        if let Some((seq, id)) = self.ids.range(..=progress.floor).next_back() {
            progress.anchor = Some((*seq, id.clone()));
        }
        debug_assert_eq!(
            drift(&progress),
            drift(&self.committed),
            "the books of shard {} lose or invent sequences: {:?} after {:?}",
            self.shard,
            progress,
            self.committed
        );
        progress
    }
}

/// Enters one row into the books.
fn book<E, R>(progress: &mut Progress, row: &Pending<E, R>) {
    if row.fate == Fate::Duplicate {
        progress.books.duplicate += progress.cover(row.seq, row.seq);
        return;
    }
    match row.origin {
        Origin::Stream if row.is_failure() => {}
        Origin::Stream => {
            let fresh = progress.cover(row.seq, row.seq);
            if let Some(account) = account(&mut progress.books, &row.change) {
                *account += fresh;
            }
        }
        Origin::Parked | Origin::Dead => {
            let from = if row.origin == Origin::Parked { &mut progress.books.parked } else { &mut progress.books.dead };
            // A row from before the stream was wiped or restored may be in nobody's books.
            if *from == 0 || row.is_failure() {
                return;
            }
            *from -= 1;
            if let Some(account) = account(&mut progress.books, &row.change) {
                *account += 1;
            }
        }
    }
}

fn account<'books, R>(books: &'books mut Books, change: &Change<R>) -> Option<&'books mut u64> {
    match change {
        Change::Settled { state: Settled::Done, .. } => Some(&mut books.done),
        Change::Settled { state: Settled::Skipped, .. } => Some(&mut books.skipped),
        Change::Settled { state: Settled::Filtered, .. } => Some(&mut books.filtered),
        Change::Parked { .. } => Some(&mut books.parked),
        Change::Dead { .. } => Some(&mut books.dead),
        Change::Failed { .. } => None,
    }
}

/// Settled sequences that the books do not explain: 0, or what the store's books lacked when they were read.
fn drift(progress: &Progress) -> i128 {
    let Books { base, done, skipped, filtered, duplicate, parked, dead } = progress.books;
    let explained: i128 = [base, done, skipped, filtered, duplicate, parked, dead].map(i128::from).iter().sum();
    i128::from(progress.floor) + i128::from(progress.above()) - explained
}
