//! Whether a file is on a medium that forgets.

use std::path::Path;

#[cfg(target_os = "linux")]
use rustix::fs::statfs;

/// Magic numbers of Linux file systems that live in memory (statfs(2)).
#[cfg(target_os = "linux")]
const VOLATILE: [(u64, &str); 2] = [(0x0102_1994, "tmpfs"), (0x8584_58f6, "ramfs")];

/// The name of the file system, if it lives in memory.
#[cfg(target_os = "linux")]
pub(super) fn volatile(path: &Path) -> Option<&'static str> {
    // Of a file that cannot be looked at nothing is known.
    let kind = u64::try_from(statfs(path).ok()?.f_type).ok()?;
    VOLATILE.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

/// Other systems have no such file system that is in common use.
#[cfg(not(target_os = "linux"))]
pub(super) fn volatile(_path: &Path) -> Option<&'static str> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_from_a_disk() {
        assert_eq!(volatile(Path::new("/dev/shm")), Some("tmpfs"));
        assert_eq!(volatile(Path::new(env!("CARGO_MANIFEST_DIR"))), None);
        assert_eq!(volatile(Path::new("/no/such/file")), None);
    }
}
