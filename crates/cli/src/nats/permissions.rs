//! `roomwire nats permissions`.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;

use super::roles::{self, Installation, Role};
use crate::args::Globals;
use crate::output::{self, Format};
use crate::target;

/// What the configuration does not say.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// A stream that takes what handlers publish, where the runner looks for messages whose fate it does not know; may be
    /// repeated
    #[arg(long = "target", value_name = "STREAM")]
    targets: Vec<String>,
}

pub(super) fn run(globals: &Globals, flags: &Flags) -> anyhow::Result<()> {
    let config = target::config(globals)?;
    let outgoing: BTreeSet<String> =
        config.handlers.iter().flat_map(|handler| handler.allow.publish.iter().cloned()).collect();
    let of = Installation {
        streams: config.topology(),
        outgoing: outgoing.into_iter().collect(),
        targets: flags.targets.clone(),
    };
    let roles = [roles::receiver(&of), roles::runner(&of), roles::operator(&of)];
    for role in &roles {
        match globals.output {
            Format::Json => output::json(&json!({
                "role": role.name, "publish": { "allow": role.publish }, "subscribe": { "allow": role.subscribe },
            }))?,
            Format::Text => output::line(&text(role))?,
        }
    }
    Ok(())
}

/// As a variable of a server's configuration.
fn text(role: &Role) -> String {
    let list = |subjects: &[String]| subjects.join("\"\n    \"");
    let name = role.name.to_ascii_uppercase();
    format!(
        "# Written by `roomwire nats permissions`.\nROOMWIRE_{name} {{\n  publish {{ allow [\n    \"{}\"\n  ] }}\n  subscribe {{ \
         allow [\n    \"{}\"\n  ] }}\n}}",
        list(&role.publish),
        list(&role.subscribe)
    )
}
