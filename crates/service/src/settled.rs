//! When are changed files to be judged? When they have stopped changing.
//!
//! Files are read again and again instead of being watched: mounted secrets are changed in ways of which no event tells.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs};

/// What the files hold at one moment; none for one that cannot be read. It holds secrets: never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Contents(Vec<(PathBuf, Option<Vec<u8>>)>);

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(path, _)| path)).finish()
    }
}

impl Contents {
    pub(crate) fn read<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        Self(files.into_iter().map(|path| (path.to_owned(), fs::read(path).ok())).collect())
    }
}

/// How often files are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Two looks that show the same make one to be judged, once: a file that is being written shows half of itself.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    seen: Option<Contents>,
    judged: Option<Contents>,
}

impl Settled {
    /// This was judged before the first look.
    pub(crate) fn after(judged: Contents) -> Self {
        Self { seen: None, judged: Some(judged) }
    }

    /// Notes what was seen. True when it is as it was at the last look, and not what was judged last.
    pub(crate) fn is_due(&mut self, now: Contents) -> bool {
        let now = Some(now);
        let rests = now == self.seen;
        self.seen = now;
        rests && self.seen != self.judged
    }

    /// What was seen last is judged now.
    pub(crate) fn judged(&mut self) {
        self.judged.clone_from(&self.seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(text: &str) -> Contents {
        Contents(vec![(PathBuf::from("roomwire.yaml"), Some(text.into()))])
    }

    #[test]
    fn a_change_is_judged_once_when_two_looks_show_the_same() {
        let mut settled = Settled::default();
        let looks = ["a", "a", "a", "", "b", "b", "b", "a", "b", "b"].map(|text| {
            let due = settled.is_due(contents(text));
            if due {
                settled.judged();
            }
            due
        });
        assert_eq!(looks, [false, true, false, false, false, true, false, false, false, false]);
    }

    #[test]
    fn what_was_judged_before_is_no_change_and_what_differs_from_it_is_one_from_the_first_look_on() {
        for (now, due) in [("a", false), ("b", true)] {
            let mut settled = Settled::after(contents("a"));
            assert_eq!([now, now].map(|text| settled.is_due(contents(text))), [false, due], "{now}");
        }
    }

    #[test]
    fn a_secret_that_changes_or_goes_is_a_change_too() {
        let folder = tempfile::tempdir().unwrap();
        let (config, secret) = (folder.path().join("roomwire.yaml"), folder.path().join("secret"));
        fs::write(&config, "x").unwrap();
        let read = || Contents::read([&*config, &*secret]);
        let absent = read();
        fs::write(&secret, "one").unwrap();
        let one = read();
        fs::write(&secret, "two").unwrap();
        assert!(absent != one && one != read());
    }
}
