//! Whether a deploy of a handler would do anything.

use event::PluginName;

use crate::failure::Usage;

/// Refuses where the configuration has its own word on the handler's plugin. `plugin` is the one that is to be deployed, where
/// it is known; `sources` are what `plugin:` says, on one runner or another.
pub(super) fn may_deploy(handler: &str, plugin: Option<&PluginName>, sources: &[String]) -> Result<(), Usage> {
    if sources.is_empty() {
        return Err(Usage(format!(
            "no runner that is alive has a handler `{handler}`, and the configuration of this call has none; `roomwire \
             status` lists the handlers that there are"
        )));
    }
    for source in sources {
        let word = plugin.map_or("NAME", PluginName::as_str);
        if let Some((name, _)) = source.split_once("@sha256:") {
            return Err(Usage(format!(
                "handler `{handler}` is pinned by its configuration, `plugin: {source}`; change the digest there, or write \
                 `plugin: {name}` to deploy it from here"
            )));
        }
        if source.contains(['/', '.']) {
            return Err(Usage(format!(
                "handler `{handler}` runs the file {source}, which is taken again when it changes; write `plugin: {word}` in \
                 its configuration to deploy it from the registry"
            )));
        }
        if let Some(plugin) = plugin
            && plugin.as_str() != source
        {
            return Err(Usage(format!(
                "handler `{handler}` takes versions of `{source}`, and not of `{plugin}`; push the file as that with \
                 `--name {source}`, or write `plugin: {plugin}` in its configuration"
            )));
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
            let sources: Vec<String> = sources.iter().map(|it| (*it).to_owned()).collect();
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
        assert_eq!(may_deploy("hello", None, &["greeter".to_owned()]).err().map(|it| it.to_string()), None);
    }
}
