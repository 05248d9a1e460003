//! `roomwire quarantine reverify`: what was refused wrongly becomes the event that it is.
//!
//! In order of arrival, one after another: publish, wait for the acknowledgement, remove. Killed anywhere, the next run
//! finds the event in the streams and only removes it. So nothing is lost, and nothing enters twice.

mod fate;
mod stored;

use std::borrow::Cow;
use std::collections::VecDeque;

use anyhow::Context as _;
use async_nats::HeaderMap;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context};
use event::quarantine::{Class, Kept, Quarantined};
use event::{OrderingKey, Prefix, Project, shard, topology};
use livekit::token::Keys;
use receiver::{Judged, Privacy, Request, Rules, judge};
use service::config::{Config, process_env};

use super::entry::Entry;
use super::streams::{self, ClassStream};
use crate::args::Globals;
use crate::events::shards::{self, Shard};
use crate::progress;
use crate::target;
use fate::{Fate, Report};

/// How long the acknowledgement of one event may take. Whoever runs this can wait; LiveKit does not.
const ACK_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// A refused request that was judged again. What is good is read once more when its turn comes.
struct Found {
    class: Class,
    seq: u64,
    received_at_ms: u64,
    id: Option<String>,
    kind: Option<String>,
    verdict: Verdict,
}

enum Verdict {
    /// It is an event; so JetStream would recognise it.
    Good { message_id: String },
    /// It stays refused.
    Bad(Fate),
}

struct Reverify<'a> {
    context: Context,
    prefix: &'a Prefix,
    keys: Keys,
    leeway_s: u64,
    project: Project,
    privacy: Privacy,
    streams: Vec<ClassStream>,
    shards: Vec<Shard>,
}

pub(super) async fn run(globals: &Globals, config: &Config, dry_run: bool) -> anyhow::Result<()> {
    let keys = config.livekit.resolve_keys(&process_env)?;
    let connection = target::connection(globals, config).await?;
    let context = ContextBuilder::new().timeout(ACK_WITHIN).build(connection.client.clone());
    let prefix = &config.nats.prefix;
    let reverify = Reverify {
        streams: streams::open(&context, prefix).await?,
        shards: shards::open(&context, prefix).await?,
        context,
        prefix,
        keys,
        leeway_s: config.receiver.leeway.as_secs(),
        project: Project::default(),
        privacy: Privacy::new(config.privacy.drop.iter().cloned()),
    };
    let mut report = Report::new(globals.output, dry_run);
    reverify.all(dry_run, &mut report).await?;
    Ok(report.sum()?)
}

impl Reverify<'_> {
    async fn all(&self, dry_run: bool, report: &mut Report) -> anyhow::Result<()> {
        let found = self.judge_all().await?;
        let good: Vec<(&str, u64)> = found
            .iter()
            .filter_map(|found| match &found.verdict {
                Verdict::Good { message_id } => Some((message_id.as_str(), found.received_at_ms)),
                Verdict::Bad(_) => None,
            })
            .collect();
        let stored = stored::find(&self.shards, &good).await?;
        let bar = progress::bar("storing", found.len() as u64);
        for found in found {
            let name = format!("{}-{}", found.class, found.seq);
            let fate = match found.verdict {
                Verdict::Bad(fate) => fate,
                Verdict::Good { message_id } if dry_run && stored.contains(&message_id) => Fate::Stored,
                Verdict::Good { .. } if dry_run => Fate::Recoverable,
                Verdict::Good { message_id } => {
                    let known = stored.contains(&message_id);
                    self.recover(found.class, found.seq, known).await.with_context(|| {
                        format!("{name} could not be stored; it and all after it are still in the quarantine: run this again")
                    })?
                }
            };
            bar.suspend(|| report.one(&name, found.id.as_deref(), found.kind.as_deref(), &fate))?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Every refused request with what is said of it today, in the order of arrival.
    async fn judge_all(&self) -> anyhow::Result<Vec<Found>> {
        let bar = progress::bar("judging", self.streams.iter().map(ClassStream::messages).sum());
        let mut classes = Vec::with_capacity(self.streams.len());
        for stream in &self.streams {
            let mut of_class = VecDeque::new();
            if stream.messages() > 0 {
                let take = |entry: Entry| {
                    of_class.push_back(self.found(entry));
                    bar.inc(1);
                };
                stream.each(jetstream::consumer::DeliverPolicy::All, false, take).await?;
            }
            classes.push(of_class);
        }
        bar.finish_and_clear();
        Ok(in_order(classes))
    }

    fn found(&self, entry: Entry) -> Found {
        let verdict = match self.judge(&entry) {
            Ok(judged) => Verdict::Good { message_id: judged.envelope.message_id() },
            Err(fate) => Verdict::Bad(fate),
        };
        let Entry { class, seq, record, .. } = entry;
        Found {
            class,
            seq,
            received_at_ms: record.received_at_ms,
            id: record.claimed.id,
            kind: record.claimed.kind,
            verdict,
        }
    }

    fn judge(&self, entry: &Entry) -> Result<Judged, Fate> {
        let Quarantined { received_at_ms, token, content_type, user_agent, traceparent, claimed, kept, .. } =
            entry.record.clone();
        let (sha256, key) = match kept {
            Kept::Cut { .. } => return Err(Fate::Incomplete),
            Kept::Whole => (None, None),
            Kept::WithoutFields { sha256 } => {
                (Some(sha256), claimed.key.and_then(|key| OrderingKey::try_from(key).ok()))
            }
        };
        let request = Request {
            authorization: token.map(Cow::Owned),
            body: entry.body.clone(),
            sha256,
            key,
            received_at_ms,
            content_type: content_type.map(Cow::Owned),
            user_agent: user_agent.map(Cow::Owned),
            traceparent: traceparent.map(Cow::Owned),
        };
        let Self { keys, leeway_s, project, privacy, .. } = self;
        judge(&Rules { keys, leeway_s: *leeway_s, project, privacy }, &request)
            .map_err(|refusal| Fate::Refused { reason: refusal.reason(), words: refusal.to_string() })
    }

    /// Stores one event unless it is stored already, and removes its request.
    async fn recover(&self, class: Class, seq: u64, known: bool) -> anyhow::Result<Fate> {
        let stream = self.streams.iter().find(|stream| stream.class == class).context("the class has a stream")?;
        if known {
            stream.remove(seq).await?;
            return Ok(Fate::Stored);
        }
        let Some(entry) = stream.get(seq).await? else { return Ok(Fate::Gone) };
        let judged = match self.judge(&entry) {
            Ok(judged) => judged,
            Err(fate) => return Ok(fate),
        };
        let fate = self.publish(judged).await?;
        stream.remove(seq).await?;
        Ok(fate)
    }

    async fn publish(&self, Judged { envelope, body }: Judged) -> anyhow::Result<Fate> {
        let shards = u16::try_from(self.shards.len()).ok().and_then(std::num::NonZeroU16::new);
        let shard = shard::shard_of(&envelope.project, &envelope.key, shards.context("there are event streams")?);
        let stream = topology::events_stream(self.prefix, shard);
        let mut headers = HeaderMap::new();
        for (name, value) in envelope.headers() {
            headers.insert(name, value);
        }
        let message = PublishMessage::build().payload(body).headers(headers).expected_stream(&stream);
        let subject = envelope.subject(self.prefix, shard);
        let refused = || format!("the stream {stream} does not take the event {}", envelope.id);
        let ack =
            self.context.send_publish(subject, message).await.with_context(refused)?.await.with_context(refused)?;
        Ok(if ack.duplicate { Fate::Stored } else { Fate::Recovered { stream: ack.stream, seq: ack.sequence } })
    }
}

/// One list of all classes: each in its own order, the one that arrived first before the others.
fn in_order(mut classes: Vec<VecDeque<Found>>) -> Vec<Found> {
    let mut all = Vec::with_capacity(classes.iter().map(VecDeque::len).sum());
    while let Some(next) = classes
        .iter_mut()
        .filter(|class| !class.is_empty())
        .min_by_key(|class| class.front().map(|found| found.received_at_ms))
        .and_then(VecDeque::pop_front)
    {
        all.push(next);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(class: Class, seq: u64, received_at_ms: u64) -> Found {
        Found { class, seq, received_at_ms, id: None, kind: None, verdict: Verdict::Bad(Fate::Incomplete) }
    }

    #[test]
    fn classes_are_merged_by_arrival_and_each_keeps_its_own_order() {
        let signed = VecDeque::from([found(Class::Signed, 1, 20), found(Class::Signed, 2, 50)]);
        // The clocks of two receivers differ: the stream's order counts.
        let named =
            VecDeque::from([found(Class::Named, 7, 30), found(Class::Named, 8, 10), found(Class::Named, 9, 60)]);
        let order: Vec<u64> = in_order(vec![signed, named]).iter().map(|found| found.seq).collect();
        assert_eq!(order, [1, 7, 8, 2, 9]);
        assert!(in_order(Vec::new()).is_empty());
    }
}
