//! `handlers`: which plugin handles which events, and under which rules.

mod allow;
mod breaker;
mod pattern;
mod plugin;
mod rate;
mod retry;
mod send;
mod start;
mod stdin_keys;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use bytesize::{GIB, MIB};
use event::HandlerName;

pub use allow::{Allow, ApiPattern, BucketConfig, Host, HostPattern, KeyScope, Network, Origin};
pub use breaker::Breaker;
pub use pattern::{DEAD_LETTER, Pattern};
pub use plugin::{DigestError, DigestPrefix, PluginSource, SHORTEST_DIGEST, SourceError};
pub use rate::Rate;
pub use retry::Retry;
pub use send::{OnUnknown, SendRules};
pub use start::Start;
pub use stdin_keys::KeyPattern;
pub use waiting::Waiting;

use super::node::{Node, Value};
use super::problem::{Place, Problems, Refused};
use super::section::{Keys, Section};
use super::{Config, defaults, secrets, value};

const KEYS: Keys = Keys {
    of: "a handler",
    known: &[
        "name",
        "renamed_from",
        "plugin",
        "on",
        "when",
        "start",
        "order",
        "on_dead",
        "concurrency",
        "timeout",
        "memory",
        "retry",
        "breaker",
        "rate",
        "waiting",
        "config",
        "secrets",
        "allow",
        "stdin_keys",
        "send",
    ],
    later: &["native"],
};

/// A handler: a plugin with the events it takes and the rules it runs under.
#[derive(Debug, Clone)]
pub struct HandlerConfig {
    /// Its name, under which its progress is kept.
    pub name: HandlerName,
    /// The name that it had before, whose progress it takes over.
    pub renamed_from: Option<HandlerName>,
    /// Where its plugin comes from.
    pub plugin: PluginSource,
    /// Where `plugin` stands in the file.
    pub plugin_place: Place,
    /// The types of events that it takes.
    pub on: Vec<Pattern>,
    /// A further condition on an event, in CEL.
    pub when: Option<When>,
    /// Where a new handler begins.
    pub start: Start,
    /// Whether events of a room wait for each other.
    pub order: Order,
    /// What a dead letter does to the events behind it.
    pub on_dead: OnDead,
    /// Invocations at one time.
    pub concurrency: NonZeroU32,
    /// The longest time of one invocation.
    pub timeout: Duration,
    /// The most memory of one invocation, in bytes.
    pub memory: u64,
    /// How failed attempts are repeated.
    pub retry: Retry,
    /// When it stops trying; `None` never does.
    pub breaker: Option<Breaker>,
    /// The most invocations in a time, over all runners.
    pub rate: Option<Rate>,
    /// What it may hold in memory.
    pub waiting: Waiting,
    /// What the plugin can read of its configuration.
    pub config: BTreeMap<String, String>,
    /// The secrets that it can read, by name.
    pub secrets: Vec<String>,
    /// What the plugin may do.
    pub allow: Allow,
    /// The keys that a command finds in its document, by bucket.
    pub stdin_keys: BTreeMap<String, Vec<KeyPattern>>,
    /// How the requests of `effects.send` are sent.
    pub send: SendRules,
    /// Where the handler stands in the file.
    pub place: Place,
    /// What its keys say in the file, on one line each: for people who compare.
    pub written: BTreeMap<String, String>,
}

/// A CEL condition and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// The expression.
    pub text: String,
    /// Where it begins.
    pub place: Place,
}

/// Whether events of a room wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Events of one ordering key run one after another.
    #[default]
    Room,
    /// Events run as they come.
    None,
}

/// What a dead letter does to the events behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDead {
    /// They go on.
    #[default]
    Continue,
    /// They wait until an operator has decided.
    Hold,
}

impl HandlerConfig {
    /// Whether the handler takes events of this type. `when` is not considered.
    #[must_use]
    pub fn takes(&self, kind: &str) -> bool {
        self.on.iter().any(|pattern| pattern.matches(kind))
    }

    /// Whether the handler takes the dead letters of others.
    #[must_use]
    pub fn takes_dead_letters(&self) -> bool {
        self.on.contains(&Pattern::DeadLetter)
    }

    fn decode(node: &Node, beside: &Config, problems: &mut Problems) -> Option<Self> {
        let section = Section::open(node, KEYS, problems);
        let file = problems.file().to_owned();
        let name = section.require("name", "usage-meter", problems, self::name);
        let renamed_from = section.read("renamed_from", problems, self::name);
        let plugin = section.require("plugin", "./usage_meter.wasm", problems, |node| plugin::decode(node, &file));
        let on = section.require("on", "[participant_joined]", problems, pattern::decode);
        if let (Some(node), Some(patterns)) = (section.get("on"), &on) {
            pattern::warn_unknown(node, patterns, problems);
        }
        let when = section.read("when", problems, when);
        let mut start = Start::default();
        section.set("start", &mut start, problems, start::decode);
        let mut order = Order::default();
        section.set("order", &mut order, problems, |node| {
            value::one_of(node, &[("room", Order::Room), ("none", Order::None)])
        });
        let mut on_dead = OnDead::default();
        section.set("on_dead", &mut on_dead, problems, |node| {
            value::one_of(node, &[("continue", OnDead::Continue), ("hold", OnDead::Hold)])
        });
        let mut concurrency = defaults::CONCURRENCY;
        section.set("concurrency", &mut concurrency, problems, |node| value::count(node, 4096));
        let mut timeout = defaults::TIMEOUT;
        section.set("timeout", &mut timeout, problems, |node| {
            value::duration(node, Duration::from_millis(10)..=Duration::from_hours(1))
        });
        let mut memory = defaults::MEMORY;
        section.set("memory", &mut memory, problems, |node| value::size(node, MIB..=4 * GIB));
        let retry = section.get("retry").map_or_else(Retry::default, |node| Retry::decode(node, problems));
        let breaker =
            section.get("breaker").map_or_else(|| Some(Breaker::default()), |node| breaker::decode(node, problems));
        let rate = section.read("rate", problems, rate::decode);
        let waiting = section.get("waiting").map_or_else(Waiting::default, |node| Waiting::decode(node, problems));
        let config = section.get("config").map(|node| settings(node, problems)).unwrap_or_default();
        let secrets = section.get("secrets").map(|node| secrets::granted(node, &beside.secrets, problems));
        let allow = section.get("allow").map_or_else(Allow::default, |node| Allow::decode(node, beside, problems));
        let stdin_keys =
            section.get("stdin_keys").map(|node| stdin_keys::decode(node, &allow, problems)).unwrap_or_default();
        let send = section
            .get("send")
            .map_or_else(SendRules::default, |node| SendRules::decode(node, &allow, beside, problems));
        Some(Self {
            name: name?,
            renamed_from,
            plugin: plugin?,
            plugin_place: section.get("plugin").map_or(section.place, |node| node.place),
            on: on?,
            when,
            start,
            order,
            on_dead,
            concurrency,
            timeout,
            memory,
            retry,
            breaker,
            rate,
            waiting,
            config,
            secrets: secrets.unwrap_or_default(),
            allow,
            stdin_keys,
            send,
            place: section.place,
            written: section.entries().map(|(key, node)| (key.to_owned(), node.to_string())).collect(),
        })
    }
}

/// Decodes the list of handlers. Two of one name would share their progress.
///
/// `before` is what stands beside `handlers` in the file.
pub(crate) fn decode(node: &Node, before: &Config, problems: &mut Problems) -> Vec<HandlerConfig> {
    let Value::List(items) = &node.value else {
        problems.refuse(
            node.place,
            Refused::new(
                format!("`handlers` is {}, not a list", node.kind()),
                "write a `-` before each handler: `- name: usage-meter`",
            ),
        );
        return Vec::new();
    };
    let mut names = BTreeSet::new();
    let mut handlers = Vec::with_capacity(items.len());
    for item in items {
        let Some(handler) = HandlerConfig::decode(item, before, problems) else { continue };
        if names.insert(handler.name.to_string()) {
            handlers.push(handler);
        } else {
            problems.refuse(
                handler.place,
                Refused::new(
                    format!("a second handler is named `{}`", handler.name),
                    "give each handler a name of its own; progress is kept under it",
                ),
            );
        }
    }
    refuse_taken_names(&handlers, problems);
    handlers
}

/// The progress of one name can be taken over by one handler, and by none while a handler has that name.
fn refuse_taken_names(handlers: &[HandlerConfig], problems: &mut Problems) {
    let mut taken = BTreeSet::new();
    for handler in handlers {
        let Some(old) = &handler.renamed_from else { continue };
        if handlers.iter().any(|other| other.name == *old) {
            let message =
                format!("`renamed_from` of `{}` names `{old}`, which is a handler of this file", handler.name);
            let hint = "remove `renamed_from`: that handler has its progress itself";
            problems.refuse(handler.place, Refused::new(message, hint));
        } else if !taken.insert(old) {
            let message = format!("`renamed_from` names `{old}` a second time");
            problems.refuse(handler.place, Refused::new(message, "its progress can go to one handler only"));
        }
    }
}

fn name(node: &Node) -> Result<HandlerName, Refused> {
    let text = value::text(node)?;
    HandlerName::try_from(text.clone()).map_err(|_| {
        Refused::new(
            format!("is `{text}`"),
            "write up to 64 of lower-case letters, digits, `_` and `-`, beginning with a letter or a digit",
        )
    })
}

fn when(node: &Node) -> Result<When, Refused> {
    Ok(When { text: value::filled(node)?, place: node.place })
}

/// The plugin's own configuration: names with text.
fn settings(node: &Node, problems: &mut Problems) -> BTreeMap<String, String> {
    let Value::Map(entries) = &node.value else {
        problems.refuse(
            node.place,
            Refused::new(format!("`config` is {}, not a map", node.kind()), "write `config: { plan: pro }`"),
        );
        return BTreeMap::new();
    };
    let mut settings = BTreeMap::new();
    for entry in entries {
        match entry.node.scalar() {
            Some(text) => {
                settings.insert(entry.key.clone(), text);
            }
            None => problems.refuse(
                entry.node.place,
                Refused::new(
                    format!("`config.{}` is {}", entry.key, entry.node.kind()),
                    "write text, a number, or true or false; plugins read their configuration as text",
                ),
            ),
        }
    }
    settings
}
