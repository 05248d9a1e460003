//! Which crates must not come to depend on which, however far down.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A crate of the workspace, and the names that may not start the name of any crate below it.
struct Boundary {
    of: &'static str,
    never: &'static [&'static str],
    why: &'static str,
}

const PURE: &str = "it decides and describes: no I/O, no runtime";
const IO: &[&str] = &["tokio", "async-nats", "wasmtime", "sqlx", "hyper", "service", "store"];

const BOUNDARIES: &[Boundary] = &[
    Boundary { of: "event", never: IO, why: PURE },
    Boundary { of: "lanes", never: IO, why: PURE },
    Boundary {
        of: "receiver",
        never: &["wasmtime", "cranelift", "runner"],
        why: "it faces the network and runs no guest",
    },
    Boundary {
        of: "livekit",
        never: &["async-nats", "wasmtime", "sqlx", "service", "store"],
        why: "it speaks to LiveKit only",
    },
    Boundary { of: "store", never: &["async-nats", "wasmtime", "service"], why: "it speaks SQL only" },
    Boundary { of: "service", never: &["wasmtime", "sqlx", "store", "lanes"], why: "both binaries share it" },
];

/// The broken boundaries, one line each.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for boundary in BOUNDARIES {
        for found in breaches(boundary, &tree(root, boundary.of)?) {
            broken.push(format!("{} depends on {found}: {}", boundary.of, boundary.why));
        }
    }
    Ok(broken)
}

fn breaches<'a>(boundary: &Boundary, tree: &'a str) -> Vec<&'a str> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let mut found: Vec<_> = names
        .filter(|name| *name != boundary.of)
        .filter(|name| boundary.never.iter().any(|never| is_or_is_part_of(name, never)))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// `sqlx` and its parts such as `sqlx-core`, but not a crate whose name goes on otherwise.
fn is_or_is_part_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

fn tree(root: &Path, package: &str) -> Result<String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", package])
        .current_dir(root)
        .output()
        .context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree of {package}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: Boundary = Boundary { of: "event", never: &["tokio", "sqlx"], why: "" };

    #[test]
    fn a_crate_and_its_parts_are_found_once_wherever_they_are() {
        let tree = "event v0.1.0 (/x)\nserde v1.0.0\nsqlx-core v0.9.0\ntokio v1.0.0\ntokio v1.0.0 (*)\n";
        assert_eq!(breaches(&EVENT, tree), ["sqlx-core", "tokio"]);
    }

    #[test]
    fn another_crate_with_a_like_name_is_none_of_them() {
        assert!(breaches(&EVENT, "event v0.1.0\ntokioish v1.0.0\n").is_empty());
    }
}
