//! How many files and connections this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one, which only an operator can raise, and returns it; `None` where
/// there is no limit. The soft limit is low by default (1024) for the sake of programs that use `select`.
#[must_use]
pub fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum || setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok() {
        return maximum;
    }
    // Some systems do not let it be what they say that it may be.
    current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_then_the_hard_one() {
        let raised = raise();
        let now = getrlimit(Resource::Nofile);
        assert_eq!((raised, now.current), (now.maximum, now.maximum));
    }
}
