//! The file of marks: a mark is a line, and the last one of a shard counts.
//!
//! Lines are appended, and when there are many the file is written anew with what counts, under another name first. So a
//! process that dies leaves each mark that was written; a line that it did not get to the end of is of a mark for which
//! nothing had begun yet.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::File,
    io::{self, Write as _},
    path::PathBuf,
};

use lanes::{Seq, Shard};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{Mark, Of};
use crate::{error::Chain, sqlite::lock::beside};

/// The file is written anew when so many bytes were appended, and not before they are a multiple of what it began with.
const MANY: usize = 1024 * 1024;
const MULTIPLE: usize = 8;

/// The file, and what it comes to.
#[derive(Debug)]
pub(super) struct MarksFile {
    path: PathBuf,
    state: State,
    marks: HashMap<Of, Mark>,
}

#[derive(Debug)]
enum State {
    Good {
        file: File,
        /// Bytes that may be appended before it is written anew.
        room: usize,
    },
    /// It cannot be written, which was said.
    Bad,
    Closed,
}

/// A line, as it is written and as it is read.
#[derive(Serialize, Deserialize)]
struct Line<T, S> {
    handler: T,
    run: T,
    shard: Shard,
    epoch: u64,
    number: u64,
    running: S,
}

impl MarksFile {
    /// Opens a file, or makes it.
    pub(super) fn open(path: PathBuf) -> Self {
        let marks = match read(&path) {
            Ok(marks) => marks,
            Err(error) => {
                warn!(
                    path = %path.display(), error = %Chain(&error),
                    "the marks of what was in flight cannot be read: the file is made anew; an event that killed the \
                     process is found when it does so again"
                );
                HashMap::new()
            }
        };
        let mut file = Self { path, state: State::Bad, marks };
        let made = file.make_anew();
        file.tell(made, true);
        file
    }

    /// The last mark of each shard.
    pub(super) fn all(&self) -> &HashMap<Of, Mark> {
        &self.marks
    }

    /// Writes marks, of which each replaces that of its shard unless that one is of a later epoch.
    pub(super) fn put(&mut self, marks: HashMap<Of, Mark>) {
        let mut lines = Vec::new();
        for (of, mark) in marks {
            add_line(&mut lines, &of, &mark);
            keep(&mut self.marks, of, mark);
        }
        if !lines.is_empty() {
            self.append(&lines);
        }
    }

    /// Removes the mark of a shard, if it is of this epoch or an earlier one.
    pub(super) fn remove(&mut self, of: &Of, epoch: u64) {
        if self.marks.get(of).is_some_and(|mark| mark.epoch <= epoch) {
            self.marks.remove(of);
            self.write_anew();
        }
    }

    /// Writes nothing any more.
    pub(super) fn close(&mut self) {
        self.state = State::Closed;
    }

    fn append(&mut self, lines: &[u8]) {
        if let State::Good { file, room } = &mut self.state
            && let Some(left) = room.checked_sub(lines.len())
        {
            *room = left;
            match file.write_all(lines) {
                Ok(()) => return,
                // The file may be gone, or a line in it be cut off: another one takes its place.
                Err(error) => self.tell(Err(error), true),
            }
        }
        self.write_anew();
    }

    fn write_anew(&mut self) {
        if matches!(self.state, State::Closed) {
            return;
        }
        let was_good = matches!(self.state, State::Good { .. });
        let made = self.make_anew();
        self.tell(made, was_good);
    }

    /// What comes of an attempt to write: said once, and tried again with the next mark.
    fn tell(&mut self, made: io::Result<()>, is_news: bool) {
        let Err(error) = made else { return };
        self.state = State::Bad;
        if is_news {
            warn!(
                path = %self.path.display(), error = %Chain(&error),
                "the marks of what is in flight cannot be written: check folder and disk; should the process die now, \
                 the event that killed it is found later"
            );
        }
    }

    fn make_anew(&mut self) -> io::Result<()> {
        let mut lines = Vec::new();
        for (of, mark) in &self.marks {
            add_line(&mut lines, of, mark);
        }
        let new = beside(&self.path, ".new");
        let mut file = File::create(&new)?;
        file.write_all(&lines)?;
        std::fs::rename(&new, &self.path)?;
        self.state = State::Good { file, room: MANY.max(lines.len().saturating_mul(MULTIPLE)) };
        Ok(())
    }
}

fn add_line(lines: &mut Vec<u8>, (handler, run, shard): &Of, mark: &Mark) {
    let Mark { epoch, number, running } = mark;
    let line = Line {
        handler: &**handler,
        run: &**run,
        shard: *shard,
        epoch: *epoch,
        number: *number,
        running: running.as_slice(),
    };
    // Numbers and texts in memory: there is nothing that could fail.
    let _ = serde_json::to_writer(&mut *lines, &line);
    lines.push(b'\n');
}

/// A mark of an epoch that is over says nothing.
fn keep(marks: &mut HashMap<Of, Mark>, of: Of, mark: Mark) {
    match marks.entry(of) {
        Entry::Vacant(place) => drop(place.insert(mark)),
        Entry::Occupied(mut place) if place.get().epoch <= mark.epoch => drop(place.insert(mark)),
        Entry::Occupied(_) => {}
    }
}

fn read(path: &PathBuf) -> io::Result<HashMap<Of, Mark>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        read => read?,
    };
    let mut marks = HashMap::new();
    // What follows the last end of a line is a line that was cut off.
    for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        let Line { handler, run, shard, epoch, number, running }: Line<String, Vec<Seq>> =
            serde_json::from_slice(line)?;
        keep(&mut marks, (handler.into(), run.into(), shard), Mark { epoch, number, running });
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(shard: Shard) -> Of {
        ("greeter".into(), "live".into(), shard)
    }

    fn mark(number: u64, running: Vec<Seq>) -> Mark {
        Mark { epoch: 1, number, running }
    }

    #[test]
    fn a_line_that_was_cut_off_takes_none_of_those_before_it_along() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks");
        let mut file = MarksFile::open(path.clone());
        file.put(HashMap::from([(of(0), mark(1, vec![7, u64::MAX]))]));
        let before = std::fs::read(&path).unwrap();
        file.put(HashMap::from([(of(0), mark(2, vec![8]))]));
        let whole = std::fs::read(&path).unwrap();
        for end in before.len()..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert_eq!(read(&path).unwrap(), HashMap::from([(of(0), mark(1, vec![7, u64::MAX]))]), "cut off at {end}");
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(read(&path).unwrap(), HashMap::from([(of(0), mark(2, vec![8]))]));
    }

    #[test]
    fn the_file_stays_small_however_many_marks_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks");
        let mut file = MarksFile::open(path.clone());
        file.put(HashMap::from([(of(1), mark(1, vec![1]))]));
        let running: Vec<Seq> = (1_000_000..1_000_256).collect();
        let mut largest = 0;
        for number in 2..5_000 {
            file.put(HashMap::from([(of(0), mark(number, running.clone()))]));
            largest = largest.max(std::fs::metadata(&path).unwrap().len());
        }
        assert!((1 << 20..9 << 17).contains(&largest), "{largest} bytes");
        let expected = HashMap::from([(of(0), mark(4_999, running)), (of(1), mark(1, vec![1]))]);
        assert_eq!(read(&path).unwrap(), expected);
    }

    #[test]
    fn a_file_that_cannot_be_written_any_more_is_made_anew_with_all_that_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks");
        let mut file = MarksFile::open(path.clone());
        file.put(HashMap::from([(of(0), mark(1, vec![7]))]));
        file.state = State::Good { file: File::options().write(true).open("/dev/full").unwrap(), room: 1_000 };
        file.put(HashMap::from([(of(1), mark(2, vec![8]))]));
        let both = HashMap::from([(of(0), mark(1, vec![7])), (of(1), mark(2, vec![8]))]);
        assert_eq!(read(&path).unwrap(), both);
    }

    #[test]
    fn marks_are_written_again_once_they_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let path = gone.join("marks");
        let mut file = MarksFile::open(path.clone());
        file.put(HashMap::from([(of(0), mark(1, vec![7]))]));
        std::fs::create_dir(&gone).unwrap();
        file.put(HashMap::from([(of(1), mark(2, vec![8]))]));
        let both = HashMap::from([(of(0), mark(1, vec![7])), (of(1), mark(2, vec![8]))]);
        assert_eq!(read(&path).unwrap(), both);
    }

    #[test]
    fn after_it_was_closed_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks");
        let mut file = MarksFile::open(path.clone());
        file.close();
        file.put(HashMap::from([(of(0), mark(1, vec![7]))]));
        file.remove(&of(0), 1);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
