//! Sends what waits in the spool to JetStream: lanes side by side, the events of a lane one after the other.

mod page;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use event::topology::StreamsConfig;
use futures_util::StreamExt as _;
use futures_util::stream;
use service::error::Chain;
use sqlx::SqliteConnection;
use tokio_util::sync::CancellationToken;

use super::Spool;
use super::row::Waiting;
use crate::metrics::SpoolMetrics;
use crate::outcome::Fault;
use crate::publish::Publisher;

/// Lanes that are sent side by side.
const SIDE_BY_SIDE: usize = 128;
/// How long an acknowledgement may take. Nobody waits for it; the same event is sent again after it.
const ANSWER: Duration = Duration::from_secs(5);
/// The first and the longest wait after JetStream did not take something.
const WAIT_FIRST: Duration = Duration::from_millis(250);
const WAIT_LAST: Duration = Duration::from_secs(5);
/// How often the age of what waits is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The one who empties the spool.
pub(crate) struct Drain {
    spool: Spool,
    reader: SqliteConnection,
    publisher: Publisher,
    streams: Arc<StreamsConfig>,
    metrics: SpoolMetrics,
}

/// How one lane of a page fared.
struct Sent {
    lane: String,
    ids: Vec<i64>,
    stopped: Option<Stopped>,
}

/// Why the rest of a lane stays for now.
struct Stopped {
    shard: Option<u16>,
    why: String,
    /// Nothing else can be sent either.
    everything: bool,
}

/// What is left alone until the next pass.
#[derive(Default)]
struct Blocked {
    lanes: HashSet<String>,
    shards: HashSet<u16>,
    everything: bool,
    why: Option<String>,
}

/// A pass came to its end.
struct Passed {
    sent: usize,
    /// Why something stayed.
    why: Option<String>,
}

impl Drain {
    pub(crate) fn new(
        spool: Spool,
        reader: SqliteConnection,
        publisher: Publisher,
        streams: Arc<StreamsConfig>,
        metrics: SpoolMetrics,
    ) -> Drain {
        Drain { spool, reader, publisher, streams, metrics }
    }

    /// Sends until `stop`; what is then unsent stays on disk.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut wait = WAIT_FIRST;
        loop {
            self.show_age().await;
            let written = self.spool.written.clone();
            if self.spool.depth().rows == 0 {
                tokio::select! {
                    () = written.notified() => {}
                    () = stop.cancelled() => return,
                }
            }
            let ready = async { tokio::time::timeout(LOOK, self.publisher.is_ready()).await.unwrap_or_default() };
            let ready = tokio::select! {
                ready = ready => ready,
                () = stop.cancelled() => return,
            };
            if !ready {
                continue;
            }
            let passed = self.pass(&stop).await;
            if stop.is_cancelled() {
                return;
            }
            wait = match passed {
                // What waits is counted already and not on disk yet.
                Passed { sent: 0, why: None } => {
                    tokio::select! {
                        () = written.notified() => {}
                        () = tokio::time::sleep(LOOK) => {}
                        () = stop.cancelled() => return,
                    }
                    WAIT_FIRST
                }
                Passed { why: None, .. } => WAIT_FIRST,
                Passed { sent, why: Some(why) } => {
                    let rows = self.spool.depth().rows;
                    tracing::warn!(rows, sent, why, "not everything in the spool could be stored; trying again");
                    let wait = if sent > 0 { WAIT_FIRST } else { wait };
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = stop.cancelled() => return,
                    }
                    (wait * 2).min(WAIT_LAST)
                }
            };
        }
    }

    /// Empties the spool, or says why something stays. `progress` hears how many events have left.
    pub(crate) async fn empty(&mut self, mut progress: impl FnMut(u64)) -> Result<u64, String> {
        let (mut left, stop) = (0, CancellationToken::new());
        while self.spool.depth().rows > 0 {
            let Passed { sent, why } = self.pass(&stop).await;
            left += sent as u64;
            progress(left);
            if let Some(why) = why {
                return Err(why);
            }
        }
        Ok(left)
    }

    /// Goes once through all that waits, page by page.
    async fn pass(&mut self, stop: &CancellationToken) -> Passed {
        let (mut after, mut sent, mut blocked) = (0, 0, Blocked::default());
        while !stop.is_cancelled() && !blocked.everything {
            let page = match page::read(&mut self.reader, after, &self.streams).await {
                Ok(page) => page,
                Err(error) => {
                    blocked.why = Some(format!("the spool cannot be read: {}", Chain(&error)));
                    break;
                }
            };
            let Some(last) = page.last() else { break };
            after = last.id;
            let (ids, stopped) = self.send(page::lanes(page, &blocked.lanes, &blocked.shards)).await;
            for lane in stopped {
                blocked.add(lane);
            }
            sent += ids.len();
            self.metrics.drained(ids.len());
            // Sent again after a crash, JetStream knows it still.
            if let Err(error) = self.spool.queue.remove(ids).await {
                blocked.why = Some(format!("the spool cannot be written: {}", error.0));
                break;
            }
            self.show_age().await;
        }
        Passed { sent, why: blocked.why }
    }

    /// Sends lanes side by side; the rows that are stored now, and the lanes that stopped.
    async fn send(&self, lanes: Vec<Vec<Waiting>>) -> (Vec<i64>, Vec<Sent>) {
        let mut lanes = stream::iter(lanes).map(|rows| self.send_lane(rows)).buffer_unordered(SIDE_BY_SIDE);
        let (mut ids, mut stopped) = (Vec::new(), Vec::new());
        while let Some(mut sent) = lanes.next().await {
            ids.append(&mut sent.ids);
            if sent.stopped.is_some() {
                stopped.push(sent);
            }
        }
        (ids, stopped)
    }

    async fn send_lane(&self, rows: Vec<Waiting>) -> Sent {
        let lane = rows.first().map(|row| row.lane.clone()).unwrap_or_default();
        let (mut ids, mut stopped) = (Vec::with_capacity(rows.len()), None);
        for row in rows {
            match self.send_row(&row).await {
                Ok(()) => {
                    // From here on the next event of the lane may go straight to JetStream.
                    self.spool.backlog.left(&row.lane, row.size);
                    ids.push(row.id);
                }
                Err(why) => {
                    stopped = Some(why);
                    break;
                }
            }
        }
        Sent { lane, ids, stopped }
    }

    async fn send_row(&self, row: &Waiting) -> Result<(), Stopped> {
        let event = row.event.as_ref().map_err(|why| {
            let why = format!("row {} cannot be read: {why}", row.id);
            Stopped { shard: None, why, everything: false }
        })?;
        let stored = self.publisher.deliver(event, ANSWER).await;
        stored.map(drop).map_err(|fault| Stopped {
            // Only this event is too large; a stream that does not take it takes no other.
            shard: (!matches!(fault, Fault::MaxPayload { .. })).then_some(event.shard),
            everything: matches!(fault, Fault::NotReady | Fault::NotConnected | Fault::ConnectionLost),
            why: fault.to_string(),
        })
    }

    async fn show_age(&mut self) {
        let oldest = if self.spool.depth().rows == 0 { Ok(None) } else { page::oldest(&mut self.reader).await };
        // A spool that cannot be read is reported by the pass.
        self.metrics.oldest(oldest.unwrap_or_default());
    }
}

impl Blocked {
    fn add(&mut self, sent: Sent) {
        let Some(stopped) = sent.stopped else { return };
        self.lanes.insert(sent.lane);
        self.shards.extend(stopped.shard);
        self.everything |= stopped.everything;
        self.why.get_or_insert(stopped.why);
    }
}
