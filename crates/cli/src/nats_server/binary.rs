//! Finds a nats-server binary that is new enough.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names the binary.
const VARIABLE: &str = "ROOMWIRE_NATS_SERVER";

/// Where `make tools` puts it, in the folder of the workspace.
const TOOLS: &str = ".tools/bin/nats-server";

const OLDEST: (u32, u32) = (2, 11);

/// Why there is no binary.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BinaryError {
    #[error(
        "no nats-server found in PATH or .tools/bin; install one with `make tools`, name one with {VARIABLE}, or use a \
         running server with `--nats`"
    )]
    Missing,
    #[error("{} does not run as a nats-server; install one with `make tools`, or name another one with {VARIABLE}", path.display())]
    Broken {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{} is nats-server {version}, and 2.11 or newer is needed; install one with `make tools`, or name another one \
         with {VARIABLE}", path.display()
    )]
    TooOld { path: PathBuf, version: String },
}

/// The binary that `ROOMWIRE_NATS_SERVER` names; else the first that is new enough in PATH, below the working folder,
/// and beside this executable.
pub(crate) fn find() -> Result<PathBuf, BinaryError> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(named);
        check(&path)?;
        return Ok(path);
    }
    let mut refused = None;
    for path in candidates(std::env::var_os("PATH").as_deref(), std::env::current_exe().ok().as_deref()) {
        if !path.is_file() {
            continue;
        }
        match check(&path) {
            Ok(()) => return Ok(path),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or(BinaryError::Missing))
}

fn candidates(path: Option<&OsStr>, executable: Option<&Path>) -> Vec<PathBuf> {
    let on_path = path.into_iter().flat_map(std::env::split_paths).map(|folder| folder.join("nats-server"));
    // The executable of a build stands in target/release of the workspace that `make tools` has filled.
    let beside = executable.into_iter().flat_map(|path| path.ancestors().skip(1)).map(|folder| folder.join(TOOLS));
    on_path.chain([PathBuf::from(TOOLS)]).chain(beside).collect()
}

fn check(path: &Path) -> Result<(), BinaryError> {
    let broken = |source| BinaryError::Broken { path: path.to_owned(), source };
    let output = Command::new(path).arg("--version").output().map_err(broken)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (version, number) =
        version(&text).ok_or_else(|| broken(io::Error::other("`--version` gives no version of nats-server")))?;
    if number < OLDEST {
        return Err(BinaryError::TooOld { path: path.to_owned(), version });
    }
    Ok(())
}

/// The version in `nats-server: v2.15.1`.
fn version(text: &str) -> Option<(String, (u32, u32))> {
    let version = text.strip_prefix("nats-server: v")?.split_whitespace().next()?;
    let mut parts = version.split('.');
    let number = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((version.to_owned(), number))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn fake(version: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nats-server");
        std::fs::write(&path, format!("#!/bin/sh\necho '{version}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    #[test]
    fn a_version_is_read_with_and_without_a_suffix() {
        assert_eq!(version("nats-server: v2.15.1\n").unwrap().1, (2, 15));
        assert_eq!(version("nats-server: v2.11.0-RC.1\n").unwrap().0, "2.11.0-RC.1");
        assert!(version("gnatsd 1.0").is_none());
    }

    #[test]
    fn an_old_server_is_refused_with_its_version_and_the_fix() {
        let folder = fake("nats-server: v2.10.29");
        let path = folder.path().join("nats-server");
        assert_eq!(
            check(&path).unwrap_err().to_string(),
            format!(
                "{} is nats-server 2.10.29, and 2.11 or newer is needed; install one with `make tools`, or name another one \
                 with ROOMWIRE_NATS_SERVER",
                path.display()
            )
        );
        check(&fake("nats-server: v2.11.0").path().join("nats-server")).unwrap();
    }

    #[test]
    fn something_else_of_that_name_is_no_server() {
        let folder = fake("hello");
        assert!(matches!(check(&folder.path().join("nats-server")), Err(BinaryError::Broken { .. })));
    }

    #[test]
    fn the_path_goes_before_the_tools_folder_and_that_before_the_executables_workspace() {
        let found = candidates(Some(OsStr::new("/a:/b")), Some(Path::new("/w/target/release/roomwire")));
        let found: Vec<&str> = found.iter().filter_map(|path| path.to_str()).collect();
        assert_eq!(
            found,
            [
                "/a/nats-server",
                "/b/nats-server",
                ".tools/bin/nats-server",
                "/w/target/release/.tools/bin/nats-server",
                "/w/target/.tools/bin/nats-server",
                "/w/.tools/bin/nats-server",
                "/.tools/bin/nats-server",
            ]
        );
    }
}
