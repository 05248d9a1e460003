//! What the commands on the registry share: how a plugin is named, and who somebody is.

use event::PluginName;
use runner::registry::Registry;
use service::config::{Config, DigestPrefix, process_env};

use crate::args::Globals;
use crate::failure::Usage;
use crate::target;

/// The registry of this call, with the configuration that says where it is.
pub(crate) async fn open(globals: &Globals) -> anyhow::Result<(Config, Registry)> {
    let config = target::config(globals)?;
    let connection = target::connection(globals, &config).await?;
    let registry = Registry::new(connection.client, config.topology());
    Ok((config, registry))
}

/// A plugin as it is named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: PluginName,
    /// None: the version that was pushed last.
    pub(crate) digest: Option<DigestPrefix>,
}

impl std::str::FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, digest) = match text.split_once('@') {
            None => (text, None),
            Some((name, digest)) => (name, Some(digest)),
        };
        Ok(Self {
            name: name.parse().map_err(|error: event::NameError| error.to_string())?,
            digest: digest
                .map(str::parse)
                .transpose()
                .map_err(|error: service::config::DigestError| error.to_string())?,
        })
    }
}

/// Who does this, for those who look at it later.
pub(crate) fn somebody() -> String {
    let user = process_env("USER").or_else(|| process_env("LOGNAME")).unwrap_or_else(|| "somebody".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    if host.is_empty() { user } else { format!("{user}@{host}") }
}

/// A name that a file may give a plugin.
pub(crate) fn name_of(file: &std::path::Path) -> anyhow::Result<PluginName> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let named = PluginName::try_from(stem);
    Ok(named.map_err(|error| Usage(format!("{error}; give the plugin another name with `--name`")))?)
}

/// As many digits of a digest as people compare.
pub(crate) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_named_with_as_much_of_its_digest_as_is_needed() {
        let named =
            |text: &str| text.parse::<Named>().map(|it| (it.name.to_string(), it.digest.map(|it| it.to_string())));
        assert_eq!(named("greeter").unwrap(), ("greeter".to_owned(), None));
        assert_eq!(named("greeter@sha256:0123abcd").unwrap(), ("greeter".to_owned(), Some("0123abcd".to_owned())));
        assert_eq!(named("greeter@0123abcd").unwrap().1.as_deref(), Some("0123abcd"));
        for wrong in ["Greeter", "greeter@", "greeter@0123", "./greeter.wasm", ""] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
