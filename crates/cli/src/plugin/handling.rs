//! As which handler a plugin is called: as one of the configuration, or as one that the flags describe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use runner::workbench::{Bench, Trial, Workbench};
use serde_json::json;
use service::config::{Config, PluginSource, parse};

use crate::args::Globals;
use crate::failure::Usage;
use crate::target;

/// The name of a handler that the flags describe.
const NAME: &str = "trial";

/// Plugin, config and grants.
#[derive(Debug, Args)]
pub(crate) struct HandlingFlags {
    /// The plugin's file [default: that of `--handler`]
    file: Option<PathBuf>,
    /// Call it as this handler of the configuration: with its config, secrets, grants and limits
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
    /// A key of the handler's config; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    settings: Vec<(String, String)>,
    /// Where it may send requests, as in `allow.http`; may be repeated. Those of `wasi:http` are sent, those of
    /// `effects.send` only shown
    #[arg(long, value_name = "ORIGIN", conflicts_with = "handler")]
    http: Vec<String>,
    /// A bucket of keys that it has, as in `allow.keyvalue`; may be repeated. Each call finds the keys that it is given,
    /// and what it changes is shown
    #[arg(long, value_name = "NAME", conflicts_with = "handler")]
    bucket: Vec<String>,
    /// A key of a bucket that a command finds in its document, as in `stdin_keys`; may be repeated
    #[arg(long = "stdin-key", value_name = "BUCKET/KEY", value_parser = bucket_key, conflicts_with = "handler")]
    stdin_keys: Vec<(String, String)>,
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as key=value")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn bucket_key(text: &str) -> Result<(String, String), String> {
    let (bucket, key) = text.split_once('/').ok_or("write it as bucket/key")?;
    Ok((bucket.to_owned(), key.to_owned()))
}

/// A handler, ready to be activated.
pub(super) struct Handling {
    config: Config,
    name: String,
    /// The file that the configuration names for its plugin.
    pub(super) goal: Option<PathBuf>,
}

impl HandlingFlags {
    /// As flags that say this would be.
    pub(super) fn of(
        file: PathBuf,
        handler: Option<String>,
        settings: Vec<(String, String)>,
        bucket: Vec<String>,
    ) -> Self {
        Self { file: Some(file), handler, settings, http: Vec::new(), bucket, stdin_keys: Vec::new() }
    }

    /// The handler that is meant.
    pub(super) fn handling(&self, globals: &Globals) -> anyhow::Result<Handling> {
        let mut handling = match (&self.handler, &self.file) {
            (Some(name), _) => Handling { config: target::config(globals)?, name: name.clone(), goal: None },
            (None, Some(file)) => Handling { config: self.described(file)?, name: NAME.to_owned(), goal: None },
            (None, None) => {
                return Err(Usage("name the plugin's file, or a handler with `--handler`".to_owned()).into());
            }
        };
        let name = handling.name.clone();
        if let Some(handler) = handling.config.handlers.iter_mut().find(|it| it.name.as_str() == name) {
            if let (Some(_), PluginSource::File(goal)) = (&self.handler, &handler.plugin) {
                handling.goal = Some(goal.clone());
            }
            if let (Some(_), Some(file)) = (&self.handler, &self.file) {
                handler.plugin = PluginSource::File(file.clone());
            }
            handler.config.extend(self.settings.iter().cloned());
        }
        Ok(handling)
    }

    /// A configuration with one handler, which may publish wherever a handler can.
    fn described(&self, file: &Path) -> anyhow::Result<Config> {
        let file = std::path::absolute(file).context("cannot tell the plugin's path")?;
        let mut keys = BTreeMap::<&str, Vec<&str>>::new();
        for (bucket, key) in &self.stdin_keys {
            keys.entry(bucket).or_default().push(key);
        }
        let handler = json!({
            "name": NAME, "plugin": file, "on": "*", "allow": { "http": self.http, "keyvalue": self.bucket },
            "stdin_keys": keys,
        });
        let mut config = parse(&json!({ "handlers": [handler] }).to_string(), Path::new("the flags"))?;
        for handler in &mut config.handlers {
            handler.allow.publish = vec![">".to_owned()];
        }
        Ok(config)
    }
}

impl Handling {
    /// Without any place to send requests to.
    pub(super) fn refuse_requests(&mut self) {
        for handler in &mut self.config.handlers {
            handler.allow.http.clear();
            handler.allow.livekit.clear();
        }
    }

    /// Whether the handler takes events of this type.
    pub(super) fn takes(&self, kind: &str) -> bool {
        self.config.handlers.iter().any(|it| it.name.as_str() == self.name && it.takes(kind))
    }

    /// Activates the plugin, with more config.
    pub(super) async fn open(&self, bench: &Workbench, more: &BTreeMap<String, String>) -> anyhow::Result<Bench> {
        let mut config = self.config.clone();
        for handler in config.handlers.iter_mut().filter(|it| it.name.as_str() == self.name) {
            handler.config.extend(more.clone());
        }
        let config = runner::Config::new(&config, config.state.url.clone())
            .map_err(|problems| Usage(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
        Ok(Box::pin(bench.open(&config, &self.name)).await?)
    }
}

/// Sees that a trial sets keys in no bucket but those that the handler has.
pub(super) fn granted(bench: &Bench, trial: &Trial) -> anyhow::Result<()> {
    bench.ungranted(trial).map_or(Ok(()), |bucket| {
        let hint = "name it with `--bucket`, or in the handler's `allow.keyvalue`";
        Err(Usage(format!("there are keys for bucket `{bucket}`, which the handler does not have; {hint}")).into())
    })
}
