//! Whether a deploy of a handler would do anything.

use event::PluginName;
use service::config::PluginSource;

use crate::failure::Usage;

/// Refuses where the configuration has its own word on the handler's plugin. `plugin` is the one that is to be deployed, where
/// it is known; `sources` are what `plugin:` says, on one runner or another.
pub(super) fn may_deploy(handler: &str, plugin: Option<&PluginName>, sources: &[PluginSource]) -> Result<(), Usage> {
    if sources.is_empty() {
        return Err(Usage(format!(
            "no runner that is alive has a handler `{handler}`, and the configuration of this call has none; `roomwire \
             status` lists the handlers that there are"
        )));
    }
    for source in sources {
        match (source, plugin) {
            (PluginSource::Pinned(name, _), _) => {
                return Err(Usage(format!(
                    "handler `{handler}` is pinned by its configuration, `plugin: {source}`; change the digest there, or \
                     write `plugin: {name}` to deploy it from here"
                )));
            }
            (PluginSource::File(_), _) => {
                let word = plugin.map_or("NAME", PluginName::as_str);
                return Err(Usage(format!(
                    "handler `{handler}` runs the file {source}, which is taken again when it changes; write `plugin: \
                     {word}` in its configuration to deploy it from the registry"
                )));
            }
            (PluginSource::Deployed(name), Some(plugin)) if name != plugin => {
                return Err(Usage(format!(
                    "handler `{handler}` takes versions of `{name}`, and not of `{plugin}`; push the file as that with \
                     `--name {name}`, or write `plugin: {plugin}` in its configuration"
                )));
            }
            (PluginSource::Deployed(_), _) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_handler_that_takes_this_plugin_from_the_registry_is_deployed() {
        let greeter = "greeter".parse().unwrap();
        let refused = |sources: &[&str]| {
            let sources: Vec<PluginSource> = sources.iter().map(|it| it.parse().unwrap()).collect();
            may_deploy("hello", Some(&greeter), &sources).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(refused(&["greeter"]), "");
        assert!(refused(&[]).contains("no runner that is alive has a handler `hello`"));
        assert!(refused(&["/etc/roomwire/greeter.wasm"]).contains("write `plugin: greeter` in its configuration"));
        assert!(refused(&["greeter.wasm"]).contains("runs the file"));
        assert!(refused(&["greeter@sha256:0123abcd"]).contains("is pinned"));
        assert!(refused(&["meter"]).contains("`--name meter`"));
        // One of several runners has another configuration.
        assert!(refused(&["greeter", "./greeter.wasm"]).contains("runs the file"));
        assert_eq!(may_deploy("hello", None, &["greeter".parse().unwrap()]).err().map(|it| it.to_string()), None);
    }
}
