//! Rules for files: a first line that says what it is, one subject, names that say something.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const MAX_LINES: usize = 500;

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 9] =
    ["common", "core", "helper", "helpers", "manager", "misc", "shared_types", "util", "utils"];

const FOLDERS: [&str; 8] = ["bench", "crates", "e2e", "plugins", "receiver", "runner", "xtask", "examples"];

/// The broken rules, one line each.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for folder in FOLDERS.iter().map(|folder| root.join(folder)).filter(|folder| folder.is_dir()) {
        collect(&folder, &mut files)?;
    }
    files.sort();
    let mut broken = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let rules = match is(&file, "Cargo.toml") {
            // An example is what an author starts with: a workspace of its own.
            true if file.starts_with(root.join("examples")) => Vec::new(),
            true => manifest(&text),
            false => source(&file, &text),
        };
        broken.extend(rules.into_iter().map(|rule| format!("{shown}: {rule}")));
    }
    Ok(broken)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        if path.is_dir() {
            if !is(&path, "target") && !is(&path, "node_modules") {
                collect(&path, files)?;
            }
        } else if is(&path, "Cargo.toml") || path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn is(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|file| file == name)
}

fn source(file: &Path, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if !text.starts_with("//! ") {
        broken.push("the first line is not `//! ` and what the file is for".to_owned());
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        broken.push(format!("{lines} lines: split it, {MAX_LINES} are the most"));
    }
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    if name == "mod" {
        broken.push("`mod.rs`: name the file after the module, beside its folder".to_owned());
    }
    if EMPTY_NAMES.contains(&name) {
        broken.push(format!("`{name}` says nothing of what is inside: name it after its subject"));
    }
    broken
}

fn manifest(text: &str) -> Vec<String> {
    let is_package = text.lines().any(|line| line.trim() == "[package]");
    let lints = text.split_once("[lints]").map(|(_, after)| after.trim_start());
    if is_package && !lints.is_some_and(|lints| lints.starts_with("workspace = true")) {
        return vec!["no `[lints]` with `workspace = true`".to_owned()];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_in_its_first_line_what_it_is_for() {
        assert!(source(Path::new("a.rs"), "//! Something.\n").is_empty());
        assert_eq!(source(Path::new("a.rs"), "use std::fs;\n").len(), 1);
        assert_eq!(source(Path::new("a.rs"), "").len(), 1);
    }

    #[test]
    fn a_file_has_one_subject_and_a_name_for_it() {
        assert_eq!(source(Path::new("a.rs"), &format!("//! x\n{}", "\n".repeat(MAX_LINES))).len(), 1);
        assert_eq!(source(Path::new("a/mod.rs"), "//! x\n").len(), 1);
        assert_eq!(source(Path::new("a/utils.rs"), "//! x\n").len(), 1);
    }

    #[test]
    fn a_package_takes_the_lints_of_its_workspace() {
        assert!(manifest("[package]\n[lints]\nworkspace = true\n").is_empty());
        assert_eq!(manifest("[package]\n").len(), 1);
        assert_eq!(manifest("[package]\n[lints.clippy]\nall = \"allow\"\n").len(), 1);
        assert!(manifest("[workspace]\n").is_empty());
    }

    #[test]
    fn built_files_are_not_looked_at() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["crates/a/src", "crates/a/target"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("crates/a/target/made.rs"), "").unwrap();
        fs::write(root.path().join("crates/a/src/lib.rs"), "").unwrap();
        let broken = check(root.path()).unwrap();
        assert_eq!(broken, ["crates/a/src/lib.rs: the first line is not `//! ` and what the file is for"]);
    }
}
