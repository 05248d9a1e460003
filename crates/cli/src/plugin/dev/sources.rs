//! The sources in a handler's folder, as they are at one moment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use crate::failure::Usage;

/// Folders of what is built or fetched. Those whose names begin with a dot are none of sources, either.
const MADE: [&str; 4] = ["target", "node_modules", "obj", "__pycache__"];

/// The most files that are looked at.
const MOST: usize = 10_000;

/// When each file was changed last, and how long it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sources(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Sources {
    /// Looks at a folder and those in it.
    pub(super) fn look(folder: &Path) -> anyhow::Result<Self> {
        let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
            for entry in entries.flatten() {
                let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
                // A file that is gone meanwhile is none.
                let Ok(kind) = entry.file_type() else { continue };
                let is_plugin = path.extension().is_some_and(|extension| extension == "wasm");
                if name.starts_with('.') || MADE.contains(&name.as_str()) || is_plugin {
                    continue;
                }
                if kind.is_dir() {
                    folders.push(path);
                } else if let Ok(metadata) = entry.metadata() {
                    files.insert(path, (metadata.modified().ok(), metadata.len()));
                }
            }
            if files.len() > MOST {
                let why =
                    format!("there are more than {MOST} files in {}; name the folder of one handler", folder.display());
                return Err(Usage(why).into());
            }
        }
        Ok(Self(files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_no_source() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| fs::write(folder.path().join(path), text).unwrap();
        fs::create_dir_all(folder.path().join("target/deep")).unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        write("src/main.rs", "one");
        let before = Sources::look(folder.path()).unwrap();
        write("target/deep/a", "a");
        write("mine.wasm", "b");
        write(".hidden", "c");
        assert_eq!(Sources::look(folder.path()).unwrap(), before);
        write("src/main.rs", "three");
        assert_ne!(Sources::look(folder.path()).unwrap(), before);
    }
}
