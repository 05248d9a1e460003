//! `roomwire config validate`: is the configuration right?

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use service::config::{Config, ConfigError, PluginSource, Problem};
use service::exit;

use crate::args::Globals;
use crate::output::{self, Format};

/// Which file.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The file, instead of `--config`
    file: Option<PathBuf>,
}

pub(super) fn run(globals: &Globals, flags: &Flags) -> anyhow::Result<ExitCode> {
    let (config, errors) = match super::named(globals, flags.file.as_ref()).map(|path| service::config::load(&path)) {
        None => (Config::default(), Vec::new()),
        Some(Ok(config)) => {
            let errors = check(&config);
            (config, errors)
        }
        Some(Err(ConfigError::Invalid { problems })) => (Config::default(), problems),
        Some(Err(error)) => return Err(error.into()),
    };
    for (level, problem) in
        errors.iter().map(|it| ("error", it)).chain(config.warnings.iter().map(|it| ("warning", it)))
    {
        report(globals.output, level, problem)?;
    }
    if !errors.is_empty() {
        return Ok(ExitCode::from(exit::USAGE));
    }
    accept(globals.output, &config)?;
    Ok(ExitCode::SUCCESS)
}

/// What the parser of the file cannot know: whether expressions compile and plugins are there.
fn check(config: &Config) -> Vec<Problem> {
    let mut problems = runner::Config::new(config, config.state.url.clone()).err().unwrap_or_default();
    for handler in &config.handlers {
        // What is in the registry is another machine's to say.
        if let PluginSource::File(path) = &handler.plugin
            && !path.is_file()
        {
            let message = format!("the plugin of handler `{}` is not there: {}", handler.name, path.display());
            let hint = "build it, or correct the path; it is taken from the folder of this file".to_owned();
            problems.push(config.problem_at(handler.plugin_place, message, Some(hint)));
        }
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

fn report(format: Format, level: &str, problem: &Problem) -> std::io::Result<()> {
    match format {
        Format::Json => output::json(&json!({
            "level": level, "file": problem.file, "line": problem.line, "column": problem.column,
            "message": problem.message, "hint": problem.hint,
        })),
        Format::Text if level == "warning" => output::line(&format!("{problem} (warning)")),
        Format::Text => output::line(&problem.to_string()),
    }
}

fn accept(format: Format, config: &Config) -> std::io::Result<()> {
    let handlers: Vec<&str> = config.handlers.iter().map(|handler| handler.name.as_str()).collect();
    match (format, &config.source) {
        (Format::Json, source) => output::json(&json!({"valid": true, "file": source, "handlers": handlers})),
        (Format::Text, None) => output::line("there is no configuration file; the defaults are valid"),
        (Format::Text, Some(path)) => {
            let names = if handlers.is_empty() { "none".to_owned() } else { handlers.join(", ") };
            output::line(&format!("{} is valid; handlers: {names}", path.display()))
        }
    }
}
