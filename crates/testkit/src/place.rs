//! Where things lie: the workspace, built binaries, the nats-server, PostgreSQL.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// A binary of this workspace, as built beside the test that runs.
///
/// # Errors
/// When it is not built; the text says how to build it.
pub fn release_binary(name: &str) -> Result<PathBuf> {
    let test = env::current_exe().context("cannot find out which test this is")?;
    // <target>/<profile>/deps/<test>: the binaries of the same build are two folders up.
    let folder = test.ancestors().nth(2).with_context(|| format!("{} is in no build folder", test.display()))?;
    let binary = folder.join(name);
    if !binary.is_file() {
        bail!("{} is not built: run `cargo build --release --bins`", binary.display());
    }
    Ok(binary)
}

/// The nats-server to test with: `ROOMWIRE_NATS_SERVER`, else the one on `PATH`, else the one in `.tools/bin`.
///
/// # Errors
/// When there is none; the text says how to get one.
pub fn nats_server_binary() -> Result<PathBuf> {
    if let Some(named) = env::var_os("ROOMWIRE_NATS_SERVER").filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        if !named.is_file() {
            bail!("ROOMWIRE_NATS_SERVER names {}, which is not a file", named.display());
        }
        return Ok(named);
    }
    let own = workspace().join(".tools/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([own])
        .map(|folder| folder.join("nats-server"))
        .find(|file| file.is_file())
        .context("no nats-server on PATH or in .tools/bin: run `make tools`")
}

/// The folder with `initdb` and `postgres` to test with: `ROOMWIRE_POSTGRES`, else that of the `initdb` on `PATH`, else
/// Debian's newest, else `.tools/postgresql/bin`.
///
/// # Errors
/// When there is none; the text says how to get one.
pub fn postgres_folder() -> Result<PathBuf> {
    let has_both = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
    if let Some(named) = env::var_os("ROOMWIRE_POSTGRES").filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        if !has_both(&named) {
            bail!("ROOMWIRE_POSTGRES names {}, which has no initdb and postgres", named.display());
        }
        return Ok(named);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    let version = |folder: &PathBuf| {
        let name = folder.parent().and_then(Path::file_name).unwrap_or_default();
        name.to_string_lossy().parse::<u32>().unwrap_or(0)
    };
    debian.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    let own = workspace().join(".tools/postgresql/bin");
    env::split_paths(&path)
        .chain(debian)
        .chain([own])
        .find(has_both)
        .context("no PostgreSQL on PATH, in /usr/lib/postgresql or in .tools/postgresql: run `scripts/postgresql`")
}
