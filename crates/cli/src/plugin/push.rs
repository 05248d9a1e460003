//! `roomwire plugin push`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use event::PluginName;
use runner::registry::{NewVersion, Pushed};
use runner::workbench::Workbench;
use serde_json::json;

use crate::args::Globals;
use crate::failure::Usage;
use crate::output::{self, Format};
use crate::registry;

/// One file.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The plugin's file
    file: PathBuf,
    /// Name of the plugin [default: that of the file, without .wasm]
    #[arg(long)]
    name: Option<PluginName>,
    /// The file's signature, as minisign writes it [default: FILE.minisig if it exists]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
}

pub(super) async fn run(globals: &Globals, flags: Flags) -> anyhow::Result<ExitCode> {
    let name = match flags.name {
        Some(name) => name,
        None => registry::name_of(&flags.file)?,
    };
    let inspection = Workbench::new()?.inspect(&flags.file).await?;
    let bytes = fs::read(&flags.file).with_context(|| format!("cannot read {}", flags.file.display()))?;
    ensure!(bytes.len() == inspection.size, "{} changed while it was checked; push it again", flags.file.display());
    let signature = signature(&flags.file, flags.signature.as_deref())?;
    let (config, registry) = registry::open(globals).await?;
    let rules = runner::Config::new(&config, config.state.url.clone())
        .map_err(|problems| Usage(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    if let Err(reason) = rules.trusts(&bytes, signature.as_deref()) {
        bail!("runners would refuse {}: {reason}", flags.file.display());
    }
    let contract = inspection.contract.to_owned();
    let new = NewVersion { name, bytes, contract, by: registry::somebody(), signature };
    let Pushed { version, known } = registry.versions().await?.push(new).await?;
    if version.digest != inspection.digest {
        return Err(anyhow!("{} changed while it was checked; push it again", flags.file.display()));
    }
    let reference = version.reference();
    match globals.output {
        Format::Json => output::json(&json!({
            "plugin": reference, "name": version.name, "digest": version.digest, "size": version.size,
            "contract": version.contract, "signed": version.signature.is_some(), "known": known,
        }))?,
        Format::Text if known => output::line(&format!("{reference} is in the registry already"))?,
        Format::Text => output::line(&format!("pushed {reference}"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// One that is named must be there; one beside the file is taken.
fn signature(file: &Path, named: Option<&Path>) -> anyhow::Result<Option<String>> {
    let path = named.map_or_else(|| service::lock::beside(file, ".minisig"), Path::to_owned);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read the signature {}", path.display())),
    }
}
