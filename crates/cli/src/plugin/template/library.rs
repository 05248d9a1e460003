//! The libraries of the languages, for a handler's folder outside of a clone.

use serde_json::Value;

include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// The packages of the library for TypeScript.
const LOCK: &str = "typescript/package-lock.json";

/// The folder of a handler that has them.
const FOLDER: &str = "sdk";

/// Texts with the paths that hold in such a folder.
pub(super) fn beside(text: &str, language: &str) -> String {
    // Go takes a path without a dot for the name of a module.
    let folder = if language == "go" { "./sdk" } else { FOLDER };
    let lines: Vec<_> = text.lines().filter(|line| !line.contains("# Outside of a clone")).collect();
    let text = lines.join("\n") + "\n";
    let text = text.replace("../../plugins/sdk", folder).replace("../../wit", "sdk/wit");
    if text.starts_with("[package]") && text.contains("path = \"sdk/rust\"") {
        workspace(&text)
    } else if text.contains("\"lockfileVersion\"") {
        locked(&text).unwrap_or(text)
    } else {
        text
    }
}

/// npm's lock file of a handler, with the packages of the library that is in its folder: npm takes both for one tree there.
fn locked(handler: &str) -> Option<String> {
    let (_, library) = LIBRARY.iter().find(|(path, _)| *path == LOCK)?;
    let library: Value = serde_json::from_str(library).ok()?;
    let mut handler: Value = serde_json::from_str(handler).ok()?;
    let packages = handler.get_mut("packages")?.as_object_mut()?;
    let more = library.get("packages")?.as_object()?.iter().filter(|(path, _)| !path.is_empty());
    packages.extend(more.map(|(path, package)| (format!("{FOLDER}/typescript/{path}"), package.clone())));
    serde_json::to_string_pretty(&handler).ok().map(|text| text + "\n")
}

/// The manifest of a handler in Rust, whose workspace has the library in it.
fn workspace(manifest: &str) -> String {
    let plugins = include_str!("../../../../../plugins/Cargo.toml");
    let shared = plugins.find("[workspace.package]").zip(plugins.find("# Small and quick"));
    let shared = shared.and_then(|(from, to)| plugins.get(from..to)).unwrap_or_default();
    format!("{manifest}\n# What the library in sdk/ takes from here.\n{}\n", shared.trim_end())
}

/// The files of these folders.
pub(super) fn files(folders: &'static [&'static str]) -> impl Iterator<Item = (String, String)> {
    let wanted = move |path: &str| {
        folders.iter().any(|folder| path.strip_prefix(folder).is_some_and(|it| it.is_empty() || it.starts_with('/')))
    };
    let files = LIBRARY.iter().filter(move |(path, _)| wanted(path) && *path != LOCK);
    // From sdk/<language> the contract is one folder away, not three.
    files.map(|(path, text)| (format!("{FOLDER}/{path}"), text.replace("../../../wit", "../wit")))
}
