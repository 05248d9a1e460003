//! The libraries of the languages and the contract's WIT as a list of files, for `roomwire plugin new`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Endings of the files that a handler outside of a clone is built from.
const SOURCES: [&str; 12] = ["c", "go", "h", "json", "lock", "mjs", "mod", "py", "rs", "s", "toml", "ts"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sdk = root.join("plugins/sdk");
    let mut list = "const LIBRARY: &[(&str, &str)] = &[\n".to_owned();
    for language in ["c", "go", "python", "rust", "typescript"] {
        add(&mut list, &sdk.join(language), language, &SOURCES)?;
    }
    add(&mut list, &root.join("wit"), "wit", &["wit"])?;
    list.push_str("];\n");
    let goal = env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("cargo sets no OUT_DIR"))?;
    fs::write(goal.join("library.rs"), list)
}

fn add(list: &mut String, folder: &Path, name: &str, endings: &[&str]) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, file) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            if !["node_modules", "target", "test", "tests", "__pycache__"].contains(&file.as_str()) {
                add(list, &path, &format!("{name}/{file}"), endings)?;
            }
        } else if endings.contains(&ending.as_str()) && !file.contains("_test.") && !file.starts_with("test_") {
            // Not the folders, where package managers and interpreters leave things. A new file comes with a change of one
            // that is here already, or of this script.
            println!("cargo::rerun-if-changed={}", path.display());
            let (name, file) = (format!("{name}/{file}"), fs::canonicalize(&path)?.to_string_lossy().into_owned());
            let _ = writeln!(list, "    ({name:?}, include_str!({file:?})),");
        }
    }
    Ok(())
}
