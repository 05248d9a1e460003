//! What receiver, runner and operator do with a NATS server, each as the subjects that it must be allowed and no others.

use event::topology::{self, StreamsConfig};
use event::{quarantine, subject};
use service::nats::{client_name, inbox_of};

/// The subjects of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) name: &'static str,
    pub(super) publish: Vec<String>,
    pub(super) subscribe: Vec<String>,
}

/// What is different from one installation to the next.
#[derive(Debug)]
pub(super) struct Installation {
    pub(super) streams: StreamsConfig,
    /// What handlers may publish to.
    pub(super) outgoing: Vec<String>,
    /// The streams that take it.
    pub(super) targets: Vec<String>,
}

/// Stores events and refused requests, and looks whether their streams are there.
pub(super) fn receiver(of: &Installation) -> Role {
    let mut role = Role::new("receiver", &[client_name::RECEIVER]);
    for stream in events(of).into_iter().chain(quarantines(of)) {
        role.may("STREAM.INFO", &stream);
    }
    role.publish.extend(stored(of));
    role
}

/// Reads events, dead letters and what is deployed and pushed; removes what is settled; sends what handlers publish; reports.
pub(super) fn runner(of: &Installation) -> Role {
    let mut role = Role::new("runner", &[client_name::RUNNER, client_name::EFFECTS]);
    let dead = topology::dead_stream_name(&of.streams.prefix);
    let events = events(of);
    for stream in events.iter().chain([&dead]).chain(&of.targets) {
        role.may_read(stream);
    }
    for stream in &events {
        role.may("STREAM.PURGE", stream);
    }
    // Which stream takes a subject.
    role.publish.push("$JS.API.STREAM.NAMES".to_owned());
    role.publish.push(subject::all_dead(&of.streams.prefix));
    role.publish.extend(of.outgoing.iter().cloned());
    let [plugins, deploys, runners, config, reports] = topology::buckets(&of.streams);
    for bucket in [&plugins, &deploys, &config] {
        role.may_read(&bucket.stream());
    }
    for bucket in [&runners, &reports] {
        role.may("STREAM.INFO", &bucket.stream());
        role.publish.push(bucket.subjects());
    }
    role.subscribe.push(runner::control_subject(&of.streams.prefix));
    // It answers operators.
    role.publish.extend([client_name::CLI, client_name::UP].map(|client| format!("{}.>", inbox_of(client))));
    role
}

/// Makes the streams, reads all of them, asks runners, pushes, deploys, configures, and stores refused requests after all.
pub(super) fn operator(of: &Installation) -> Role {
    let mut role = Role::new("operator", &[client_name::CLI]);
    let quarantines = quarantines(of);
    let streams = events(of).into_iter().chain([topology::dead_stream_name(&of.streams.prefix)]);
    let buckets = topology::buckets(&of.streams);
    let all = streams.chain(quarantines.clone()).chain(buckets.iter().map(topology::BucketSpec::stream));
    for stream in all {
        role.may_read(&stream);
        role.may("STREAM.CREATE", &stream);
        role.may("STREAM.UPDATE", &stream);
    }
    for stream in &quarantines {
        role.may("STREAM.MSG.DELETE", stream);
    }
    let [plugins, deploys, _, config, _] = buckets;
    // Whether there is room for a bucket.
    role.publish.push("$JS.API.INFO".to_owned());
    // Which is how an object is removed.
    role.may("STREAM.PURGE", &plugins.stream());
    role.publish.extend([plugins.subjects(), deploys.subjects(), config.subjects()]);
    role.publish.push(runner::control_subject(&of.streams.prefix));
    role.publish.extend(events_subjects(of));
    role
}

impl Role {
    /// Replies come to an inbox of its own, so that nobody who may not reads what another one is sent.
    fn new(name: &'static str, clients: &[&str]) -> Self {
        let subscribe = clients.iter().map(|client| format!("{}.>", inbox_of(client))).collect();
        Self { name, publish: Vec::new(), subscribe }
    }

    fn may(&mut self, call: &str, stream: &str) {
        self.publish.push(format!("$JS.API.{call}.{stream}"));
    }

    fn may_read(&mut self, stream: &str) {
        let whole = ["STREAM.INFO", "STREAM.MSG.GET", "DIRECT.GET", "CONSUMER.CREATE", "CONSUMER.NAMES"];
        for call in whole {
            self.may(call, stream);
        }
        for call in ["DIRECT.GET", "CONSUMER.CREATE"] {
            self.may(call, &format!("{stream}.>"));
        }
        for call in ["CONSUMER.INFO", "CONSUMER.DELETE", "CONSUMER.MSG.NEXT"] {
            self.may(call, &format!("{stream}.*"));
        }
        // How a consumer that pushes is told to go on.
        self.publish.push(format!("$JS.FC.{stream}.>"));
    }
}

fn events(of: &Installation) -> Vec<String> {
    topology::events_streams(&of.streams).into_iter().map(|spec| spec.name).collect()
}

fn quarantines(of: &Installation) -> Vec<String> {
    quarantine::Class::ALL.map(|class| topology::quarantine_stream(&of.streams.prefix, class)).into()
}

fn events_subjects(of: &Installation) -> impl Iterator<Item = String> {
    let prefix = &of.streams.prefix;
    (0..of.streams.shards.get()).map(move |shard| subject::events_of_shard(prefix, shard))
}

fn stored(of: &Installation) -> impl Iterator<Item = String> {
    let refused = quarantine::Class::ALL.map(|class| quarantine::of_class(&of.streams.prefix, class));
    events_subjects(of).chain(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation() -> Installation {
        let streams = StreamsConfig { prefix: event::Prefix::try_from("lk").unwrap(), ..StreamsConfig::default() };
        Installation { streams, outgoing: vec!["usage.>".to_owned()], targets: vec!["USAGE".to_owned()] }
    }

    fn may(role: &Role, subject: &str) -> bool {
        role.publish.iter().any(|pattern| event::subject::matches(pattern, subject))
    }

    #[test]
    fn nobody_but_the_operator_says_what_runs_and_nobody_writes_what_is_anothers() {
        let of = installation();
        let (receiver, runner, operator) = (receiver(&of), runner(&of), operator(&of));
        for (subject, by_receiver, by_runner, by_operator) in [
            ("lk.ev.0.room_started", true, false, true),
            ("lk.ev.3.room_started", true, false, true),
            ("lk.ev.4.room_started", false, false, false),
            ("lk.quarantine.named.bad_signature", true, false, false),
            ("lk.dead.meter.room_started", false, true, false),
            ("usage.minutes", false, true, false),
            ("$KV.LK_DEPLOYS.meter", false, false, true),
            ("$KV.LK_CONFIG.roomwire.yaml", false, false, true),
            ("$O.LK_PLUGINS.M.abc", false, false, true),
            ("$KV.LK_RUNNERS.me", false, true, false),
            ("$KV.LK_CONFIG_REPORTS.me", false, true, false),
            ("lk.ctl.runner", false, false, true),
            ("_INBOX.roomwire-cli.x.y", false, true, false),
            ("_INBOX.roomwire-receiver.x.y", false, false, false),
            ("$JS.API.STREAM.PURGE.LK_EVENTS_0", false, true, false),
            ("$JS.API.STREAM.PURGE.KV_LK_DEPLOYS", false, false, false),
            ("$JS.API.STREAM.PURGE.OBJ_LK_PLUGINS", false, false, true),
            ("$JS.API.STREAM.UPDATE.LK_EVENTS_0", false, false, true),
            ("$JS.API.STREAM.DELETE.LK_EVENTS_0", false, false, false),
            ("$JS.API.STREAM.INFO.LK_EVENTS_0", true, true, true),
            ("$JS.API.CONSUMER.CREATE.LK_EVENTS_0.meter-S0-E1-I1.lk.ev.0.>", false, true, true),
            ("$JS.API.CONSUMER.CREATE.USAGE", false, true, false),
            ("$JS.API.CONSUMER.CREATE.OTHERS", false, false, false),
            ("$JS.API.STREAM.MSG.DELETE.LK_QUARANTINE_NAMED", false, false, true),
        ] {
            let found = (may(&receiver, subject), may(&runner, subject), may(&operator, subject));
            assert_eq!(found, (by_receiver, by_runner, by_operator), "{subject}");
        }
    }

    #[test]
    fn each_has_an_inbox_that_no_other_one_reads() {
        let of = installation();
        let roles = [receiver(&of), runner(&of), operator(&of)];
        for role in &roles {
            assert!(
                role.subscribe.iter().all(|subject| subject != "_INBOX.>" && !subject.starts_with('>')),
                "{role:?}"
            );
        }
        for client in [client_name::RECEIVER, client_name::RUNNER, client_name::EFFECTS, client_name::CLI] {
            let inbox = format!("{}.abc.def", inbox_of(client));
            let of: Vec<_> =
                roles.iter().filter(|it| it.subscribe.iter().any(|it| event::subject::matches(it, &inbox))).collect();
            assert_eq!(of.len(), 1, "{client}: {of:?}");
        }
    }
}
