//! `roomwire plugin new`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::template::{self, Contract, Template};
use crate::args::Globals;
use crate::failure::Usage;
use crate::output::{self, Format};

/// Characters of a handler's name.
const NAME: usize = 40;

/// One new handler.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The language
    #[arg(long, value_name = "LANGUAGE", value_parser = template::names())]
    lang: String,
    /// How Roomwire calls it [default: component for go, typescript and python, else command]
    #[arg(long, value_name = "CONTRACT")]
    contract: Option<Contract>,
    /// Its name, which is that of its folder, too
    name: String,
    /// The folder to make it in
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

pub(super) fn run(globals: &Globals, flags: &Flags) -> anyhow::Result<ExitCode> {
    if !is_name(&flags.name) {
        let why = "begin with a letter, and use small letters, digits and dashes";
        return Err(Usage(format!("`{}` cannot be the name of a handler: {why}", flags.name)).into());
    }
    let template = template::find(&flags.lang, flags.contract).map_err(Usage)?;
    let folder = flags.dir.join(&flags.name);
    if folder.exists() {
        return Err(Usage(format!("{} is there already; choose another name", folder.display())).into());
    }
    let files = write(template, &folder, &flags.name)?;
    match globals.output {
        Format::Json => output::json(
            &json!({ "folder": folder, "language": template.language, "contract": template.contract.name(), "files": files }),
        )?,
        Format::Text => {
            let (folder, name) = (folder.display(), &flags.name);
            output::line(&format!(
                "{folder} is a handler in {}, a {}; it needs {}",
                template.title,
                template.contract.name(),
                template.needs
            ))?;
            output::line("what to do with it:")?;
            output::line(&format!("  roomwire plugin build {folder}"))?;
            output::line(&format!(
                "  roomwire plugin run {folder}/{name}.wasm --event participant_joined --set subject=greetings.all"
            ))?;
            output::line(&format!("  roomwire plugin test {folder}/{name}.wasm --tests {folder}/tests"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_name(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let part =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    name.len() <= NAME && name.starts_with(|first: char| first.is_ascii_lowercase()) && parts.iter().all(part)
}

/// Writes the files of a template under the handler's own name: their paths.
fn write(template: &Template, folder: &Path, name: &str) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for (path, text) in template.files(name) {
        let file = folder.join(&path);
        let parent = file.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
        fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
        if text.starts_with("#!") {
            make_executable(&file).with_context(|| format!("cannot make {} executable", file.display()))?;
        }
        paths.push(path);
    }
    Ok(paths)
}

#[cfg(unix)]
fn make_executable(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_is_a_word_in_every_language() {
        for (name, good) in [
            ("welcome", true),
            ("usage-meter-2", true),
            ("", false),
            ("2nd", false),
            ("-a", false),
            ("a--b", false),
            ("a-", false),
            ("Welcome", false),
            ("a/b", false),
            ("a_b", false),
        ] {
            assert_eq!(is_name(name), good, "{name}");
        }
    }
}
