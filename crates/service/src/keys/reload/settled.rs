//! When is a changed file to be judged? When it has stopped changing.

use std::fs;
use std::path::{Path, PathBuf};

/// What the files hold at one moment; none for one that cannot be read. It holds secrets: never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Contents(Vec<(PathBuf, Option<Vec<u8>>)>);

impl Contents {
    pub(super) fn read(config: &Path, secrets: &[PathBuf]) -> Self {
        let files = std::iter::once(config).chain(secrets.iter().map(PathBuf::as_path));
        Self(files.map(|path| (path.to_owned(), fs::read(path).ok())).collect())
    }
}

/// Two looks that show the same make one to be judged, once: a file that is being written shows half of itself.
#[derive(Default)]
pub(super) struct Settled {
    seen: Option<Contents>,
    judged: Option<Contents>,
}

impl Settled {
    /// Notes what was seen. True when it is as it was at the last look, and not what was judged last.
    pub(super) fn is_due(&mut self, now: Contents) -> bool {
        let now = Some(now);
        let rests = now == self.seen;
        self.seen = now;
        rests && self.seen != self.judged
    }

    /// What was seen last is judged now.
    pub(super) fn judged(&mut self) {
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
    fn a_secret_that_changes_or_goes_is_a_change_too() {
        let folder = tempfile::tempdir().unwrap();
        let (config, secret) = (folder.path().join("roomwire.yaml"), folder.path().join("secret"));
        fs::write(&config, "x").unwrap();
        let read = || Contents::read(&config, std::slice::from_ref(&secret));
        let absent = read();
        fs::write(&secret, "one").unwrap();
        let one = read();
        fs::write(&secret, "two").unwrap();
        assert!(absent != one && one != read());
    }
}
