//! The outbox: messages that were committed to be sent are sent, in the order of their lane, until their stream has them.
//! Requests are sent beside them, so that neither waits for the other.
//!
//! Rows of one handler, key and subject are a lane: one of them is unanswered at a time. Before a row is sent, the
//! stream it goes to and that stream's last sequence are noted durably. After a crash a row with such a note is
//! unknown: inside the stream's duplicate window it is sent again under the same id; after it, the stream is searched
//! for the id from the noted sequence on, and the row is sent again only if it is not there.

mod exchange;
mod heads;
mod requests;
mod target;
mod traffic;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream;
use async_nats::jetstream::message::PublishMessage;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use service::error::Chain;
use service::nats::{Connection, State};
use store::{OutboxRow, OutboxSpan, Sending, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::invoke::unix_ms;
use crate::metrics::Metrics;
use target::{Target, TargetError, Targets};

pub(crate) use exchange::Sender;
pub(crate) use requests::Requests;

/// Rows that are looked at together.
const PAGE: u32 = 512;

/// How long an acknowledgement may take before the row counts as unanswered.
const ANSWER: Duration = Duration::from_secs(5);

/// The shortest and the longest wait of a lane whose send failed.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_LAST: Duration = Duration::from_secs(30);

/// A row is sent again unasked only if this much of the duplicate window is left.
const WINDOW_MARGIN: Duration = Duration::from_secs(10);

/// With nothing to do, the store is looked at this often all the same.
const IDLE: Duration = Duration::from_secs(5);

type Lane = (Arc<str>, Arc<str>, String);

/// Sends the rows of the outbox. There is one in a process.
pub(crate) struct Outbox {
    store: Store,
    connection: Connection,
    js: jetstream::Context,
    targets: Targets,
    waiting: HashMap<Lane, Backoff>,
    metrics: Metrics,
}

/// A lane whose send failed.
struct Backoff {
    until: Instant,
    wait: Duration,
    /// The row that failed.
    row: i64,
}

/// A row with the stream it goes to.
struct Ready {
    row: OutboxRow,
    target: Target,
}

enum Answer {
    Stored(OutboxRow),
    Refused(OutboxRow, String),
    Unanswered(OutboxRow, String),
}

impl Outbox {
    pub(crate) fn new(store: Store, connection: Connection, metrics: Metrics) -> Self {
        let js = jetstream::ContextBuilder::new().timeout(ANSWER).build(connection.client.clone());
        Self { store, connection, targets: Targets::new(js.clone()), js, waiting: HashMap::new(), metrics }
    }

    /// Sends until `shutdown`; what is then unsent stays in the store.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let notify = self.store.outbox_notify();
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = notify.notified() => {}
                () = tokio::time::sleep_until(self.next_look()) => {}
                () = shutdown.cancelled() => return,
            }
            if !self.is_connected(&shutdown).await {
                return;
            }
            if let Err(error) = self.pass(&shutdown).await {
                tracing::error!(error = %Chain(&error), "failed to read or write the outbox; trying again");
                tokio::time::sleep(BACKOFF_FIRST).await;
                notify.notify_one();
            }
        }
    }

    fn next_look(&self) -> Instant {
        let idle = Instant::now() + IDLE;
        self.waiting.values().map(|backoff| backoff.until).min().map_or(idle, |until| until.min(idle))
    }

    /// A message that is published while disconnected may be sent after we gave it up, so nothing is.
    async fn is_connected(&self, shutdown: &CancellationToken) -> bool {
        let mut state = self.connection.state.clone();
        tokio::select! {
            connected = state.wait_for(|state| *state == State::Connected) => connected.is_ok(),
            () = shutdown.cancelled() => false,
        }
    }

    /// Goes once through all waiting rows, page by page.
    async fn pass(&mut self, shutdown: &CancellationToken) -> Result<(), store::Error> {
        let now = Instant::now();
        let (mut from, mut owned) = (OutboxSpan::from(0), None);
        let mut blocked: HashSet<Lane> =
            self.waiting.iter().filter(|(_, backoff)| backoff.until > now).map(|(lane, _)| lane.clone()).collect();
        while !shutdown.is_cancelled() {
            self.again(&blocked).await?;
            let page = self.store.outbox_waiting(from, PAGE).await?;
            // A shard that became this runner's during this pass may have older rows in front of this page: they go first.
            if *owned.get_or_insert_with(|| page.owned.clone()) != page.owned {
                self.store.outbox_notify().notify_one();
                return Ok(());
            }
            let mut rest = self.settle_unknown(page.rows, &mut blocked).await?;
            while !rest.is_empty() && !shutdown.is_cancelled() {
                let (round, later) = one_of_each_lane(rest, &blocked);
                rest = later;
                self.round(round, &mut blocked).await?;
            }
            let Some(next) = page.next else {
                // What was due and was not met has no row any more.
                self.waiting.retain(|_, backoff| backoff.until > now);
                return Ok(());
            };
            from = next;
        }
        Ok(())
    }

    /// Tries rows again whose lanes have waited long enough: where much waits, a pass takes longer than a stream remembers
    /// ids. What stands behind them in their lanes is for the next pass.
    async fn again(&mut self, blocked: &HashSet<Lane>) -> Result<(), store::Error> {
        let now = Instant::now();
        let is_due = |(lane, backoff): &(&Lane, &Backoff)| backoff.until <= now && blocked.contains(*lane);
        let due: Vec<i64> =
            self.waiting.iter().filter(is_due).map(|(_, backoff)| backoff.row).take(PAGE as usize).collect();
        if due.is_empty() {
            return Ok(());
        }
        let rows = self.store.outbox_rows(&due).await?;
        // Those that are not there any more, or another runner's, are nobody's to wait for here.
        let there: HashSet<i64> = rows.iter().map(|row| row.id).collect();
        self.waiting.retain(|_, backoff| there.contains(&backoff.row) || !due.contains(&backoff.row));
        let mut failed = HashSet::new();
        let rows = self.settle_unknown(rows, &mut failed).await?;
        let (round, _) = one_of_each_lane(rows, &failed);
        if !round.is_empty() {
            self.round(round, &mut failed).await?;
        }
        self.store.outbox_notify().notify_one();
        Ok(())
    }

    /// Sends one row of each lane and waits for the answers.
    async fn round(&mut self, rows: Vec<OutboxRow>, blocked: &mut HashSet<Lane>) -> Result<(), store::Error> {
        let hold = self.store.hold();
        let (mut ready, refused) = self.find_targets(rows).await;
        let now = unix_ms();
        ready.retain(|ready| {
            let asks = must_ask(&ready.row, &ready.target, now);
            if asks {
                // It has become unknown since its page was looked at: it waits for the next look.
                blocked.insert(lane_of(&ready.row));
            }
            !asks
        });
        let noted: Vec<Sending> = ready
            .iter()
            .map(|ready| Sending {
                id: ready.row.id,
                stream: ready.target.stream.clone(),
                last_seq: ready.row.sent.as_ref().map_or(ready.target.last_seq, |sent| sent.last_seq),
            })
            .collect();
        // What has another owner by now is that one's to send, and nothing of its lane may pass it here.
        if !noted.is_empty() {
            let ours = self.store.outbox_sending(&noted, unix_ms()).await?;
            ready.retain(|ready| {
                let stays = ours.contains(&ready.row.id) && hold.is_good();
                if !stays {
                    blocked.insert(lane_of(&ready.row));
                }
                stays
            });
        }
        let sends: FuturesUnordered<_> = ready.into_iter().map(|ready| send(&self.js, ready)).collect();
        let mut answers: Vec<Answer> = sends.collect().await;
        answers.extend(refused);
        self.note(answers, blocked).await
    }

    async fn note(&mut self, answers: Vec<Answer>, blocked: &mut HashSet<Lane>) -> Result<(), store::Error> {
        let (mut stored, mut refused, mut unanswered) = (Vec::new(), Vec::new(), Vec::new());
        for answer in answers {
            match answer {
                Answer::Stored(row) => {
                    self.waiting.remove(&lane_of(&row));
                    stored.push(row.id);
                }
                Answer::Refused(row, error) => refused.push((row.id, self.hold_back(&row, error, blocked))),
                Answer::Unanswered(row, error) => unanswered.push((row.id, self.hold_back(&row, error, blocked))),
            }
        }
        self.metrics.sent(stored.len());
        self.metrics.send_failed(refused.len() + unanswered.len());
        if !stored.is_empty() {
            self.store.outbox_sent(&stored).await?;
        }
        if !refused.is_empty() {
            self.store.outbox_failed(&refused).await?;
        }
        if !unanswered.is_empty() {
            self.store.outbox_unanswered(&unanswered).await?;
        }
        Ok(())
    }

    fn hold_back(&mut self, row: &OutboxRow, error: String, blocked: &mut HashSet<Lane>) -> String {
        let lane = lane_of(row);
        let wait = self.waiting.get(&lane).map_or(BACKOFF_FIRST, |backoff| (backoff.wait * 2).min(BACKOFF_LAST));
        if row.tries == 0 || wait >= BACKOFF_LAST {
            tracing::warn!(handler = %row.handler, subject = row.subject, id = row.msg_id, error,
                "failed to send a message; its lane waits, others go on");
        }
        blocked.insert(lane.clone());
        self.waiting.insert(lane, Backoff { until: Instant::now() + wait, wait, row: row.id });
        error
    }

    async fn find_targets(&mut self, rows: Vec<OutboxRow>) -> (Vec<Ready>, Vec<Answer>) {
        let subjects: HashSet<String> = rows.iter().map(|row| row.subject.clone()).collect();
        let found = self.targets.find(subjects).await;
        let (mut ready, mut refused) = (Vec::new(), Vec::new());
        for row in rows {
            match found.get(&row.subject) {
                Some(Ok(target)) => ready.push(Ready { row, target: target.clone() }),
                // A row whose send was never answered stays unknown until its stream can be asked.
                Some(Err(error)) if row.sent.is_some() => refused.push(Answer::Unanswered(row, error.clone())),
                Some(Err(error)) => refused.push(Answer::Refused(row, error.clone())),
                None => refused.push(Answer::Refused(row, TargetError::Unknown.to_string())),
            }
        }
        (ready, refused)
    }

    /// Of a page, splits off the rows that their stream turns out to have already, and those whose stream cannot tell now:
    /// to send these again could repeat them. A stream is searched once for all of them.
    async fn settle_unknown(
        &mut self,
        page: Vec<OutboxRow>,
        blocked: &mut HashSet<Lane>,
    ) -> Result<Vec<OutboxRow>, store::Error> {
        let was_sent = |row: &OutboxRow| row.sent.is_some() && !blocked.contains(&lane_of(row));
        let sent: Vec<OutboxRow> = page.iter().filter(|row| was_sent(row)).cloned().collect();
        if sent.is_empty() {
            return Ok(page);
        }
        let (ready, mut answers) = self.find_targets(sent).await;
        let now = unix_ms();
        let unknown: Vec<Ready> = ready.into_iter().filter(|ready| must_ask(&ready.row, &ready.target, now)).collect();
        let mut found = HashMap::new();
        for (stream, from) in oldest_notes(&unknown) {
            let of_stream = unknown.iter().filter(|ready| ready.target.stream == stream);
            let wanted = of_stream.map(|ready| ready.row.msg_id.clone()).collect();
            let ids = self.targets.ids_since(&stream, from, &wanted).await.map_err(|error| Chain(&error).to_string());
            found.insert(stream, ids);
        }
        let mut lost = HashSet::new();
        for ready in unknown {
            match fate(found.get(&ready.target.stream), &ready.row.msg_id) {
                Fate::Stored => answers.push(Answer::Stored(ready.row)),
                Fate::Unknown(error) => answers.push(Answer::Unanswered(ready.row, error)),
                Fate::Lost => drop(lost.insert(ready.row.id)),
            }
        }
        let stored: HashSet<i64> = answers
            .iter()
            .filter_map(|answer| match answer {
                Answer::Stored(row) => Some(row.id),
                Answer::Refused(..) | Answer::Unanswered(..) => None,
            })
            .collect();
        self.note(answers, blocked).await?;
        let rest = page.into_iter().filter(|row| !stored.contains(&row.id));
        // A lost one is as if it had never been sent.
        Ok(rest.map(|row| if lost.contains(&row.id) { OutboxRow { sent: None, ..row } } else { row }).collect())
    }
}

/// Whether only the stream can tell if the row is in it: it was sent unanswered, and its id may be forgotten.
fn must_ask(row: &OutboxRow, target: &Target, now: u64) -> bool {
    row.sent.as_ref().is_some_and(|sent| {
        let age = Duration::from_millis(now.saturating_sub(sent.at_ms));
        age + WINDOW_MARGIN > target.duplicate_window
    })
}

/// What became of a message that was sent and not answered.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Its stream has it.
    Stored,
    /// Its stream does not have it.
    Lost,
    /// Its stream could not be searched, and why: sent again it might be there twice.
    Unknown(String),
}

/// Reads it from the search of its stream.
fn fate(found: Option<&Result<HashSet<String>, String>>, msg_id: &str) -> Fate {
    match found {
        Some(Ok(ids)) if ids.contains(msg_id) => Fate::Stored,
        Some(Ok(_)) => Fate::Lost,
        Some(Err(error)) => Fate::Unknown(error.clone()),
        None => Fate::Unknown("its stream was not searched".to_owned()),
    }
}

fn oldest_notes(unknown: &[Ready]) -> HashMap<String, u64> {
    let mut oldest: HashMap<String, u64> = HashMap::new();
    for ready in unknown {
        // A note about another stream says nothing of this one.
        let from = match &ready.row.sent {
            Some(sent) if sent.stream == ready.target.stream => sent.last_seq,
            _ => 0,
        };
        let entry = oldest.entry(ready.target.stream.clone()).or_insert(from);
        *entry = (*entry).min(from);
    }
    oldest
}

fn lane_of(row: &OutboxRow) -> Lane {
    (row.handler.clone(), row.key.clone(), row.subject.clone())
}

/// The first row of each lane that is not blocked, and the other rows of such lanes.
fn one_of_each_lane(rows: Vec<OutboxRow>, blocked: &HashSet<Lane>) -> (Vec<OutboxRow>, Vec<OutboxRow>) {
    let mut seen = HashSet::new();
    rows.into_iter().filter(|row| !blocked.contains(&lane_of(row))).partition(|row| seen.insert(lane_of(row)))
}

async fn send(js: &jetstream::Context, ready: Ready) -> Answer {
    let row = ready.row;
    let mut headers = HeaderMap::new();
    for (name, value) in &row.headers {
        let (Ok(name), Ok(value)) = (name.parse::<async_nats::HeaderName>(), value.parse::<async_nats::HeaderValue>())
        else {
            return Answer::Refused(row.clone(), format!("header `{name}` cannot be sent"));
        };
        headers.append(name, value);
    }
    let message = PublishMessage::build()
        .payload(row.body.clone())
        .headers(headers)
        .message_id(&row.msg_id)
        .expected_stream(&ready.target.stream);
    let published = async { js.send_publish(row.subject.clone(), message).await?.await };
    match tokio::time::timeout(ANSWER, published).await {
        Ok(Ok(_)) => Answer::Stored(row),
        Ok(Err(error)) => {
            use jetstream::context::PublishErrorKind as Kind;
            let text = Chain(&error).to_string();
            match error.kind() {
                Kind::TimedOut | Kind::BrokenPipe => Answer::Unanswered(row, text),
                _ => Answer::Refused(row, text),
            }
        }
        Err(_) => Answer::Unanswered(row, format!("not acknowledged within {} s", ANSWER.as_secs())),
    }
}

#[cfg(test)]
mod tests;
