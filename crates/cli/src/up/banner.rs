//! What `up` writes for the person who started it.

use std::io;

use service::config::{Config, without_password};
use service::ready::Ready;

use crate::output::{self, Format};

/// Where everything is. As JSON, what the ready file holds.
pub(super) fn ready(format: Format, ready: &Ready, config: &Config, from_nats: bool) -> io::Result<()> {
    if format == Format::Json {
        return output::json(ready);
    }
    let keys = config.livekit.key_names().join(", ");
    let handlers: Vec<String> = config
        .handlers
        .iter()
        .map(|handler| {
            let patterns: Vec<String> = handler.on.iter().map(ToString::to_string).collect();
            format!("{} ({})", handler.name, patterns.join(", "))
        })
        .collect();
    let handlers = match (from_nats, handlers.is_empty()) {
        (true, _) => "those of `roomwire config push`; `roomwire handler list` shows them".to_owned(),
        (false, true) => "none; events are stored and wait".to_owned(),
        (false, false) => handlers.join(", "),
    };
    output::line("")?;
    output::line("roomwire is up; Ctrl-C stops it")?;
    output::line(&format!("  webhooks  {}  signed by {keys}", ready.webhook.as_deref().unwrap_or_default()))?;
    output::line(&format!("  admin     {}  /livez /readyz /metrics", ready.admin.as_deref().unwrap_or_default()))?;
    output::line(&format!("  nats      {}", without_password(&ready.nats)))?;
    output::line(&format!("  handlers  {handlers}"))
}

/// What to do next, after the demo.
pub(super) fn next(format: Format, ready: &Ready, config: &Config) -> io::Result<()> {
    if format == Format::Json {
        return Ok(());
    }
    let url = ready.webhook.as_deref().unwrap_or_default();
    let names = config.livekit.key_names();
    let key = names.first().copied().unwrap_or_default();
    for line in [
        "",
        "point LiveKit here, in its configuration:",
        "  webhook:",
        &format!("    api_key: {key}"),
        &format!("    urls: [{url}]"),
        "then look at what arrives, or send something yourself:",
        "  roomwire events tail",
        "  roomwire sim send --type participant_joined --room lobby",
        "  roomwire dlq list",
    ] {
        output::line(line)?;
    }
    Ok(())
}
