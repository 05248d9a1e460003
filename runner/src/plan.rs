//! What another configuration means for a runner that runs: which handlers come, go, stop for a moment or do not notice.

use service::config::{Config, HandlerConfig};

/// What changes from one configuration to another. Handlers in the order of the new file, then those that go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The handlers that something changes for.
    pub steps: Vec<Step>,
    /// What cannot change while a runner runs: the whole configuration is refused for it.
    pub refused: Vec<String>,
    /// What is taken at another time, or by another process, or not at all.
    pub notes: Vec<String>,
}

/// What changes for one handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name in the new configuration, or in the old one if it goes.
    pub name: String,
    /// What happens to it.
    pub what: What,
    /// What differs, by key.
    pub changes: Vec<Change>,
}

/// What happens to a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It begins.
    Added,
    /// It ends; its progress is kept.
    Removed,
    /// It goes on under another name.
    Renamed {
        /// The name that it had.
        from: String,
    },
    /// What runs of it ends, then it goes on by the new rules.
    Restarted,
    /// It does not notice.
    InPlace,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: &'static str,
    /// What the old file says.
    pub old: Option<String>,
    /// What the new file says.
    pub new: Option<String>,
    /// From when on, and for what, it holds.
    pub means: &'static str,
}

impl Plan {
    /// Whether nothing changes for any handler.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The handlers of the old configuration that must stop.
    pub(crate) fn stopping(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match &step.what {
            What::Removed | What::Restarted => Some(step.name.as_str()),
            What::Renamed { from } => Some(from.as_str()),
            What::Added | What::InPlace => None,
        })
    }

    /// The handlers of the new configuration that must start.
    pub(crate) fn starting(&self) -> impl Iterator<Item = &str> {
        let starts = |step: &&Step| !matches!(step.what, What::Removed | What::InPlace);
        self.steps.iter().filter(starts).map(|step| step.name.as_str())
    }
}

/// Compares two configurations.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Plan {
    let mut plan = Plan { refused: refused(old, new), notes: notes(old, new), ..Plan::default() };
    let of_old = |name: &str| old.handlers.iter().find(|handler| handler.name.as_str() == name);
    let of_new = |name: &str| new.handlers.iter().find(|handler| handler.name.as_str() == name);
    let mut taken = Vec::new();
    for handler in &new.handlers {
        let before = of_old(handler.name.as_str());
        let from = handler.renamed_from.as_ref().and_then(|from| of_old(from.as_str()));
        let step = match (before, from) {
            (Some(before), from) => {
                if let Some(from) = from {
                    plan.notes.push(format!(
                        "handler `{}` has progress of its own: that of `{}` is kept, and not taken over",
                        handler.name, from.name
                    ));
                }
                compared(before, handler, (old, new))
            }
            (None, Some(from)) => {
                taken.push(from.name.as_str());
                let changes = changes(from, handler, (old, new));
                let what = What::Renamed { from: from.name.to_string() };
                Some(Step { name: handler.name.to_string(), what, changes })
            }
            (None, None) => Some(Step { name: handler.name.to_string(), what: What::Added, changes: Vec::new() }),
        };
        plan.steps.extend(step);
    }
    for handler in &old.handlers {
        let name = handler.name.as_str();
        if of_new(name).is_none() && !taken.contains(&name) {
            plan.steps.push(Step { name: name.to_owned(), what: What::Removed, changes: Vec::new() });
        }
    }
    plan
}

fn compared(old: &HandlerConfig, new: &HandlerConfig, files: (&Config, &Config)) -> Option<Step> {
    let changes = changes(old, new, files);
    if changes.is_empty() {
        return None;
    }
    let in_place = changes.iter().all(|change| matches!(change.key, "start" | "send"));
    let what = if in_place { What::InPlace } else { What::Restarted };
    Some(Step { name: new.name.to_string(), what, changes })
}

const RULES: &str = "it restarts; holds for all that is not settled";
const FILTER: &str = "it restarts; holds for what it has not taken yet: what waits for a retry was taken and runs";
const PLUGIN: &str = "it restarts; holds for the next attempt of every event";
const SEND: &str = "holds for the next request that is sent";
const START: &str = "means nothing to it: it has begun, and goes on where it is";

fn changes(old: &HandlerConfig, new: &HandlerConfig, (before, after): (&Config, &Config)) -> Vec<Change> {
    let text = |handler: &HandlerConfig| handler.when.as_ref().map(|when| when.text.clone());
    let granted = new.secrets.iter().all(|name| before.secrets.agrees_on(&after.secrets, name));
    let key_agrees = |name: Option<&str>| before.livekit.agrees_on(&after.livekit, name);
    let livekit = new.allow.livekit.is_empty() || (before.livekit.url == after.livekit.url && key_agrees(None));
    let signed = new.send.sign.as_ref().is_none_or(|name| key_agrees(Some(name)));
    let differing = [
        ("plugin", old.plugin != new.plugin, PLUGIN),
        ("on", old.on != new.on, FILTER),
        ("when", text(old) != text(new), FILTER),
        ("start", old.start != new.start, START),
        ("order", old.order != new.order, RULES),
        ("on_dead", old.on_dead != new.on_dead, RULES),
        ("concurrency", old.concurrency != new.concurrency, RULES),
        ("timeout", old.timeout != new.timeout, PLUGIN),
        ("memory", old.memory != new.memory, PLUGIN),
        ("retry", old.retry != new.retry, RULES),
        ("breaker", old.breaker != new.breaker, RULES),
        ("rate", old.rate != new.rate, RULES),
        ("waiting", old.waiting != new.waiting, RULES),
        ("config", old.config != new.config, PLUGIN),
        ("secrets", old.secrets != new.secrets || !granted, PLUGIN),
        ("allow", old.allow != new.allow || !livekit, PLUGIN),
        ("stdin_keys", old.stdin_keys != new.stdin_keys, PLUGIN),
        ("send", old.send != new.send || !signed, SEND),
    ];
    let differing = differing.into_iter().filter(|(_, differs, _)| *differs);
    let written = |handler: &HandlerConfig, key: &str| handler.written.get(key).cloned();
    differing.map(|(key, _, means)| Change { key, old: written(old, key), new: written(new, key), means }).collect()
}

/// Progress, ledger and streams are what they are for a prefix, a number of shards and a store.
fn refused(old: &Config, new: &Config) -> Vec<String> {
    let mut refused = Vec::new();
    let mut compare = |key: &str, old: &str, new: &str| {
        if old != new {
            refused.push(format!(
                "`{key}` would change from `{old}` to `{new}`, which a running runner cannot do; restart it with the new \
                 file, or leave `{key}` as it is"
            ));
        }
    };
    compare("nats.prefix", old.nats.prefix.as_str(), new.nats.prefix.as_str());
    compare("streams.shards", &old.streams.shards.to_string(), &new.streams.shards.to_string());
    if old.state.url != new.state.url {
        // It may hold a password.
        refused.push(
            "`state.url` would change, which a running runner cannot do; restart it with the new file, or leave \
             `state.url` as it is"
                .to_owned(),
        );
    }
    refused
}

/// Sections without a handler's part, and who takes them when.
fn notes(old: &Config, new: &Config) -> Vec<String> {
    const RESTART: &str = "is taken when the runner is restarted";
    const RECEIVER: &str = "is the receiver's, which takes it when it is restarted";
    let shown = |of: fn(&Config) -> String| of(old) != of(new);
    let sections: [(&str, bool, &str); 8] = [
        ("nats", shown(|file| format!("{:?}", (&file.nats.url, &file.nats.credentials, &file.nats.nkey))), RESTART),
        (
            "streams",
            shown(|file| {
                let streams = &file.streams;
                format!("{:?}", (streams.replicas, streams.duplicate_window, streams.max_bytes, streams.keep))
            }),
            RESTART,
        ),
        ("runner", shown(|file| format!("{:?}", file.runner)), RESTART),
        ("plugins", shown(|file| format!("{:?}", file.plugins)), RESTART),
        ("admin", shown(|file| format!("{:?}", file.admin)), RESTART),
        ("receiver", shown(|file| format!("{:?}", file.receiver)), RECEIVER),
        ("privacy", shown(|file| format!("{:?}", file.privacy)), RECEIVER),
        (
            "livekit.keys",
            shown(|file| format!("{:?}", file.livekit.key_names())),
            "is the receiver's, which reads it again by itself",
        ),
    ];
    let differing = sections.into_iter().filter(|(_, differs, _)| *differs);
    differing.map(|(section, _, means)| format!("`{section}` {means}")).collect()
}

#[cfg(test)]
mod tests;
