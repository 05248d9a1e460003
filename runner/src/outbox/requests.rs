//! The requests of the outbox: sent after their commit, in the order of their lane, until the other side has taken them.
//!
//! A lane is handler, key and origin; one of its requests is under way at a time. Each is sent with the same bytes and
//! the same `Idempotency-Key` until it is answered with 2xx. That it is about to be sent is noted durably before; one that
//! has such a note and no answer is unknown, and `send.on_unknown` says what becomes of it.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use service::config::OnUnknown;
use service::error::Chain;
use store::{RequestHead, RequestRow, Sending, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::exchange::Answer;
use super::traffic::{End, Lane, Traffic};
use crate::invoke::unix_ms;
use crate::live::Live;
use crate::metrics::Metrics;

/// Lanes that are looked at together.
const PAGE: u32 = 4_096;

/// The store is looked at no more often than this, however many commits there are.
const APART: Duration = Duration::from_millis(5);

/// With nothing to do, the store is looked at this often all the same.
const IDLE: Duration = Duration::from_secs(5);

/// The wait after the store failed.
const STORE_RETRY: Duration = Duration::from_millis(250);

/// What is under way at a shutdown may still end.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// Sends the requests of the outbox. There is one in a process.
pub(crate) struct Requests {
    store: Store,
    /// Where no handler may leave requests behind, a commit with messages is no reason to look; what an earlier
    /// configuration left is found when it is looked at all the same.
    live: Live,
    traffic: Traffic,
    metrics: Metrics,
}

type Done = (RequestRow, Answer);

impl Requests {
    /// Those of the handlers that are configured now.
    pub(crate) fn new(store: Store, live: Live, metrics: Metrics) -> Self {
        Self { store, live, traffic: Traffic::default(), metrics }
    }

    /// Sends until `shutdown`; what is then unsent stays in the store.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let notify = self.store.requests_notify();
        let mut flying = FuturesUnordered::new();
        loop {
            let ended: Vec<Done> = tokio::select! {
                () = notify.notified(), if self.live.now().may_send => Vec::new(),
                () = tokio::time::sleep_until(self.next_look()) => Vec::new(),
                Some(done) = flying.next(), if !flying.is_empty() => vec![done],
                () = shutdown.cancelled() => break,
            };
            if let Err(error) = self.note(ended).await {
                tracing::error!(error = %Chain(&error), "failed to note what became of requests; they may be sent again");
            }
            match self.take_up().await {
                Ok(requests) => flying.extend(requests),
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "failed to read the requests of the outbox; trying again");
                    tokio::time::sleep(STORE_RETRY).await;
                    notify.notify_one();
                }
            }
            tokio::time::sleep(APART).await;
        }
        let last = async {
            while let Some(done) = flying.next().await {
                if let Err(error) = self.note(vec![done]).await {
                    tracing::warn!(error = %Chain(&error), "failed to note what became of a request");
                }
            }
        };
        let _in_time = tokio::time::timeout(LAST_ANSWERS, last).await;
    }

    fn next_look(&self) -> Instant {
        let (now, idle) = (Instant::now(), Instant::now() + IDLE);
        // What waits and may not go yet, because its origin's probe is under way, is looked at when that ends.
        self.traffic.next().filter(|at| *at > now).map_or(idle, |at| at.min(idle))
    }

    /// Chooses what may be sent now, notes it, and begins.
    async fn take_up(&mut self) -> Result<Vec<impl Future<Output = Done> + use<>>, store::Error> {
        let hold = self.store.hold();
        let chosen = self.choose().await?;
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let rows = match self.read(&chosen).await {
            Ok(rows) => rows,
            Err(error) => {
                self.put_back(&chosen);
                return Err(error);
            }
        };
        let (now, set) = (Instant::now(), self.live.now());
        let mut begun = Vec::with_capacity(rows.len());
        for (row, ours) in rows {
            let lane = lane_of(&row);
            match set.sender(&row.handler).filter(|_| ours && hold.is_good()) {
                Some(sender) => begun.push(sender.clone().send(row)),
                None => self.traffic.end(&lane, End::Held, now),
            }
        }
        Ok(begun)
    }

    /// The first requests of lanes that may go. They count as under way from here on.
    async fn choose(&mut self) -> Result<Vec<RequestHead>, store::Error> {
        let (mut chosen, mut seen, mut after, now) = (Vec::new(), HashSet::new(), 0, Instant::now());
        while !self.traffic.is_full() {
            let page = match self.store.requests_waiting(after, PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    self.put_back(&chosen);
                    return Err(error);
                }
            };
            let last_page = page.len() < PAGE as usize;
            for head in page {
                after = head.id;
                let lane = Lane { handler: head.handler.clone(), key: head.key.clone(), origin: head.origin.clone() };
                if self.traffic.begin(&lane, now) {
                    chosen.push(head);
                }
                seen.insert(lane);
            }
            if last_page {
                self.traffic.retain(&seen);
                break;
            }
        }
        Ok(chosen)
    }

    /// The chosen requests, noted as about to be sent, and whether they are this runner's. Those that are not to be sent
    /// are held.
    async fn read(&mut self, chosen: &[RequestHead]) -> Result<Vec<(RequestRow, bool)>, store::Error> {
        let ids: Vec<i64> = chosen.iter().map(|head| head.id).collect();
        let rows = self.store.requests(&ids).await?;
        let there: HashSet<i64> = rows.iter().map(|row| row.id).collect();
        let now = Instant::now();
        for gone in chosen.iter().filter(|head| !there.contains(&head.id)) {
            self.traffic.end(&lane_of_head(gone), End::Taken, now);
        }
        let (mut sendable, mut held) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            match self.why_held(&row) {
                None => sendable.push(row),
                Some(why) => {
                    self.traffic.end(&lane_of(&row), End::Held, now);
                    if row.error.as_deref() != Some(&why) {
                        tracing::warn!(handler = %row.handler, origin = %row.origin, id = row.id_key, "a request waits: {why}");
                        held.push((row.id, why));
                    }
                }
            }
        }
        if !held.is_empty() {
            self.store.outbox_unanswered(&held).await?;
        }
        let notes: Vec<Sending> =
            sendable.iter().map(|row| Sending { id: row.id, stream: String::new(), last_seq: 0 }).collect();
        if notes.is_empty() {
            return Ok(Vec::new());
        }
        let ours = self.store.outbox_sending(&notes, unix_ms()).await?;
        Ok(sendable.into_iter().map(|row| (ours.contains(&row.id), row)).map(|(ours, row)| (row, ours)).collect())
    }

    /// Why a request is not sent before somebody does something about it.
    fn why_held(&self, row: &RequestRow) -> Option<String> {
        let set = self.live.now();
        let Some(sender) = set.sender(&row.handler) else {
            return Some(format!(
                "no handler `{}` is configured any more; add it again, or drop the request: `roomwire outbox drop {}`",
                row.handler, row.id
            ));
        };
        // One that was never sent is not unknown.
        row.sent_at?;
        if sender.on_unknown == OnUnknown::Hold {
            return Some(format!(
                "it was sent and never answered, and `send.on_unknown` is `hold`; see whether it arrived, then \
                 `roomwire outbox resend {}` or `drop`",
                row.id
            ));
        }
        tracing::info!(handler = %row.handler, origin = %row.origin, id = row.id_key,
            "a request was sent and never answered; it is sent again with the same idempotency key");
        None
    }

    async fn note(&mut self, ended: Vec<Done>) -> Result<(), store::Error> {
        let now = Instant::now();
        let (mut taken, mut failed, mut unanswered) = (Vec::new(), Vec::new(), Vec::new());
        for (row, answer) in ended {
            self.traffic.end(&lane_of(&row), answer.end(), now);
            if row.tries == 0
                && let Some(error) = answer.error()
            {
                tracing::warn!(handler = %row.handler, origin = %row.origin, id = row.id_key, error,
                    "a request was not taken; its lane waits, others go on");
            }
            match answer {
                Answer::Taken => taken.push(row.id),
                Answer::Refused { error } | Answer::Unavailable { error, .. } => failed.push((row.id, error)),
                Answer::Unanswered { error } => unanswered.push((row.id, error)),
            }
        }
        self.metrics.sent(taken.len());
        self.metrics.send_failed(failed.len() + unanswered.len());
        if !taken.is_empty() {
            self.store.outbox_sent(&taken).await?;
        }
        if !failed.is_empty() {
            self.store.outbox_failed(&failed).await?;
        }
        if !unanswered.is_empty() {
            self.store.outbox_unanswered(&unanswered).await?;
        }
        Ok(())
    }

    fn put_back(&mut self, chosen: &[RequestHead]) {
        let now = Instant::now();
        for head in chosen {
            self.traffic.end(&lane_of_head(head), End::Unavailable { retry_after: None }, now);
        }
    }
}

fn lane_of(row: &RequestRow) -> Lane {
    Lane { handler: row.handler.clone(), key: row.key.clone(), origin: row.origin.clone() }
}

fn lane_of_head(head: &RequestHead) -> Lane {
    Lane { handler: head.handler.clone(), key: head.key.clone(), origin: head.origin.clone() }
}
