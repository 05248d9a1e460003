//! Marks of what is in flight, in a file beside the database.
//!
//! They are written before invocations start and need no fsync: they must outlive the process, not the machine. What
//! they say is advisory, so trouble with the file is logged and the file is made anew; it never stops any work.
//!
//! Whoever waits for a mark writes all that wait, and does it on the spot: a copy into the kernel's memory takes a few
//! microseconds, and to wake a thread for it would take longer. A later mark of a shard replaces an earlier one that is
//! not written yet, since each names all that runs.

mod file;

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use lanes::{Seq, Shard};

use self::file::MarksFile;
use super::lock::beside;
use crate::scope::{Owner, now};

/// The marks of all shards.
#[derive(Debug)]
pub(crate) struct Marks {
    next: AtomicU64,
    waiting: Mutex<Waiting>,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Waiting {
    version: u64,
    marks: HashMap<Of, Mark>,
}

#[derive(Debug)]
struct Written {
    /// The version up to which marks are written, or cannot be.
    version: u64,
    file: MarksFile,
}

/// Handler, run and shard.
pub(crate) type Of = (Arc<str>, Arc<str>, Shard);

/// What one owner of a shard had in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    pub(crate) running: Vec<Seq>,
}

impl Marks {
    pub(crate) fn open(database: &Path) -> Self {
        let file = MarksFile::open(beside(database, ".marks"));
        // Numbers only order the marks of one epoch, so beginning at the time is more than enough.
        let next = AtomicU64::new(now());
        Self { next, waiting: Mutex::default(), written: Mutex::new(Written { version: 0, file }) }
    }

    /// The next number: a mark with a higher one was written later.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes a mark in; it is written when [`Marks::write`] has returned for the version that this returns.
    pub(crate) fn put(&self, owner: &Owner, running: &[Seq]) -> u64 {
        let mark = Mark { epoch: owner.epoch, number: self.number(), running: running.to_vec() };
        let mut waiting = locked(&self.waiting);
        waiting.version += 1;
        let of = of(owner);
        if waiting.marks.get(&of).is_none_or(|before| before.epoch <= mark.epoch) {
            waiting.marks.insert(of, mark);
        }
        waiting.version
    }

    /// Writes what waits, unless somebody else has done so.
    pub(crate) fn write(&self, version: u64) {
        let mut written = locked(&self.written);
        if written.version < version {
            self.write_all(&mut written);
        }
    }

    fn write_all(&self, written: &mut Written) {
        let (version, marks) = {
            let mut waiting = locked(&self.waiting);
            (waiting.version, std::mem::take(&mut waiting.marks))
        };
        written.file.put(marks);
        written.version = version;
    }

    /// Removes what the owner marked, and what those before it did.
    pub(crate) fn remove(&self, owner: &Owner) {
        let mut written = locked(&self.written);
        self.write_all(&mut written);
        written.file.remove(&of(owner), owner.epoch);
    }

    /// The last mark of each shard.
    pub(crate) fn all(&self) -> HashMap<Of, Mark> {
        let mut written = locked(&self.written);
        self.write_all(&mut written);
        written.file.all().clone()
    }

    pub(crate) fn close(&self) {
        locked(&self.written).file.close();
    }
}

fn of(owner: &Owner) -> Of {
    (Arc::clone(&owner.handler), Arc::clone(&owner.run), owner.shard)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(shard: u16, epoch: u64) -> Owner {
        Owner { handler: "greeter".into(), run: "live".into(), shard, epoch }
    }

    fn running(marks: &Marks) -> Vec<(Shard, u64, Vec<Seq>)> {
        let told = |((_, _, shard), mark): (Of, Mark)| (shard, mark.epoch, mark.running);
        let mut running: Vec<_> = marks.all().into_iter().map(told).collect();
        running.sort_unstable();
        running
    }

    #[test]
    fn whoever_waits_for_a_mark_writes_all_that_wait_and_nobody_writes_them_again() {
        let folder = tempfile::tempdir().unwrap();
        let (database, path) = (folder.path().join("state.db"), folder.path().join("state.db.marks"));
        let marks = Marks::open(&database);
        let first = marks.put(&owner(0, 1), &[7]);
        let second = marks.put(&owner(1, 1), &[9]);
        marks.write(second);
        let written = std::fs::read(&path).unwrap();
        marks.write(first);
        assert_eq!(std::fs::read(&path).unwrap(), written);
        assert_eq!(running(&Marks::open(&database)), [(0, 1, vec![7]), (1, 1, vec![9])]);
    }

    #[test]
    fn of_the_marks_of_a_shard_the_last_of_the_newest_epoch_counts() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("state.db");
        let marks = Marks::open(&database);
        for (epoch, seq) in [(1, 5), (2, 6), (2, 7), (1, 8)] {
            // One of each pair replaces another one that waits, the other one that is written.
            marks.put(&owner(0, epoch), &[seq]);
            let version = marks.put(&owner(1, epoch), &[seq]);
            if epoch == 1 {
                marks.write(version);
            }
        }
        assert_eq!(running(&Marks::open(&database)), [(0, 2, vec![7]), (1, 2, vec![7])]);
    }

    #[test]
    fn a_shard_that_is_given_back_has_no_mark_but_that_of_a_later_owner() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("state.db");
        let marks = Marks::open(&database);
        marks.put(&owner(0, 1), &[1]);
        marks.put(&owner(1, 2), &[2]);
        marks.put(&owner(2, 1), &[3]);
        for shard in [0, 1] {
            marks.remove(&owner(shard, 1));
        }
        assert_eq!(running(&marks), [(1, 2, vec![2]), (2, 1, vec![3])]);
        assert_eq!(running(&Marks::open(&database)), running(&marks));
    }
}
