//! The requests of the outbox: sent after their commit, in the order of their lane, until the other side has taken them.
//!
//! A lane is handler, key and origin; one of its requests is under way at a time. Each is sent with the same bytes and
//! the same `Idempotency-Key` until it is answered with 2xx. That it is about to be sent is noted durably before; one that
//! has such a note and no answer is unknown, and `send.on_unknown` says what becomes of it.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use service::config::OnUnknown;
use service::error::Chain;
use store::{RequestHead, RequestRow, Sending, Store};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::exchange::Answer;
use super::heads::{Heads, lane_of_head};
use super::traffic::{End, Lane, Traffic};
use crate::invoke::unix_ms;
use crate::live::Live;
use crate::metrics::Metrics;

/// Lanes that are looked for with one call.
const PAGE: u32 = 65_536;

/// What ends within this time is noted together.
const APART: Duration = Duration::from_millis(5);

/// With nothing to do, all lanes are looked for this often all the same.
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
    heads: Heads,
    traffic: Traffic,
    metrics: Metrics,
}

type Done = (RequestRow, Answer);

impl Requests {
    /// Those of the handlers that are configured now.
    pub(crate) fn new(store: Store, live: Live, metrics: Metrics) -> Self {
        Self { store, live, heads: Heads::new(Instant::now()), traffic: Traffic::default(), metrics }
    }

    /// Sends until `shutdown`; what is then unsent stays in the store.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let notify = self.store.requests_notify();
        let mut flying = FuturesUnordered::new();
        let mut idle = tokio::time::interval(IDLE);
        idle.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut ended: Vec<Done> = Vec::new();
            tokio::select! {
                () = notify.notified(), if self.live.now().may_send => self.heads.miss(),
                _ = idle.tick() => self.heads.miss(),
                () = sleep_until(self.next_turn()) => {}
                Some(done) = flying.next(), if !flying.is_empty() => ended.push(done),
                () = shutdown.cancelled() => break,
            }
            while let Some(Some(done)) = flying.next().now_or_never() {
                ended.push(done);
            }
            if let Err(error) = self.note(ended).await {
                tracing::error!(error = %Chain(&error), "failed to note what became of requests; they may be sent again");
                self.heads.miss();
            }
            match self.take_up().await {
                Ok(requests) => flying.extend(requests),
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "failed to read the requests of the outbox; trying again");
                    self.heads.miss();
                    tokio::time::sleep(STORE_RETRY).await;
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

    /// When there may be something to do, if nothing is heard before.
    fn next_turn(&self) -> Option<Instant> {
        // What may not go yet, because its origin's probe is under way, is looked at when that ends.
        let probes = self.traffic.next(Instant::now());
        self.heads.due().into_iter().chain(self.heads.rested_at()).chain(probes).min()
    }

    /// Looks for all lanes, if it is time.
    async fn look(&mut self) -> Result<(), store::Error> {
        let began = Instant::now();
        if self.heads.due().is_none_or(|due| due > began) {
            return Ok(());
        }
        let mut heads = self.store.requests_waiting(0, PAGE).await?;
        let mut is_full = heads.len() >= PAGE as usize;
        while is_full && let Some(last) = heads.last() {
            let page = self.store.requests_waiting(last.id, PAGE).await?;
            is_full = page.len() >= PAGE as usize;
            heads.extend(page);
        }
        let now = Instant::now();
        self.traffic.retain(heads.iter().map(lane_of_head));
        self.heads.renew(began, now);
        for head in heads {
            let lane = lane_of_head(&head);
            // The end of what is under way says how its lane goes on.
            if !self.traffic.is_under_way(&lane) {
                self.heads.put(head, self.traffic.rests_until(&lane, now));
            }
        }
        Ok(())
    }

    /// The first request of these lanes is gone: the next one is the first. If the store does not tell them, they are
    /// found when all lanes are looked for, which says so if it fails again.
    async fn advance(&mut self, gone: &[Lane]) {
        if gone.is_empty() {
            return;
        }
        let lanes: Vec<[&str; 3]> = gone.iter().map(|lane| [&*lane.handler, &*lane.key, &*lane.origin]).collect();
        match self.store.requests_first(&lanes).await {
            Ok(heads) => heads.into_iter().for_each(|head| self.heads.put(head, None)),
            Err(_) => self.heads.miss(),
        }
    }

    /// A request that was under way is still the first of its lane.
    fn ended(&mut self, head: RequestHead, end: End, now: Instant) {
        let lane = lane_of_head(&head);
        if self.traffic.is_under_way(&lane) {
            self.traffic.end(&lane, end, now);
            self.heads.put(head, self.traffic.rests_until(&lane, now));
        }
    }

    /// Chooses what may be sent now, notes it, and begins.
    async fn take_up(&mut self) -> Result<Vec<impl Future<Output = Done> + use<>>, store::Error> {
        let hold = self.store.hold();
        self.look().await?;
        let chosen = self.choose();
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
            match set.sender(&row.handler).filter(|_| ours && hold.is_good()) {
                Some(sender) => begun.push(sender.clone().send(row)),
                None => self.ended(head_of(&row), End::Held, now),
            }
        }
        Ok(begun)
    }

    /// The first requests of lanes that may go. They count as under way from here on.
    fn choose(&mut self) -> Vec<RequestHead> {
        let now = Instant::now();
        // None is refused that was taken here; if one were, it is found when all lanes are looked for.
        let mut chosen = self.heads.take(now, self.traffic.free(), |origin| self.traffic.room(origin, now));
        chosen.retain(|head| self.traffic.begin(&lane_of_head(head), now));
        chosen
    }

    /// The chosen requests, noted as about to be sent, and whether they are this runner's. Those that are not to be sent
    /// are held.
    async fn read(&mut self, chosen: &[RequestHead]) -> Result<Vec<(RequestRow, bool)>, store::Error> {
        let ids: Vec<i64> = chosen.iter().map(|head| head.id).collect();
        let rows = self.store.requests(&ids).await?;
        let there: HashSet<i64> = rows.iter().map(|row| row.id).collect();
        let now = Instant::now();
        let gone: Vec<Lane> = chosen.iter().filter(|head| !there.contains(&head.id)).map(lane_of_head).collect();
        self.advance(&gone).await;
        for lane in &gone {
            self.traffic.end(lane, End::Taken, now);
        }
        let (mut sendable, mut held) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            match self.why_held(&row) {
                None => sendable.push(row),
                Some(why) => {
                    self.ended(head_of(&row), End::Held, now);
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
        let mut gone = Vec::new();
        for (row, answer) in ended {
            match answer.end() {
                End::Taken => self.traffic.end(&lane_of_head(&head_of(&row)), End::Taken, now),
                end => self.ended(head_of(&row), end, now),
            }
            if row.tries == 0
                && let Some(error) = answer.error()
            {
                tracing::warn!(handler = %row.handler, origin = %row.origin, id = row.id_key, error,
                    "a request was not taken; its lane waits, others go on");
            }
            match answer {
                Answer::Taken => {
                    taken.push(row.id);
                    gone.push(lane_of_head(&head_of(&row)));
                }
                Answer::Refused { error } | Answer::Unavailable { error, .. } => failed.push((row.id, error)),
                Answer::Unanswered { error } => unanswered.push((row.id, error)),
            }
        }
        self.metrics.sent(taken.len());
        self.metrics.send_failed(failed.len() + unanswered.len());
        if !taken.is_empty() {
            self.store.outbox_sent(&taken).await?;
            self.advance(&gone).await;
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
            self.ended(head.clone(), End::Unavailable { retry_after: None }, now);
        }
    }
}

fn head_of(row: &RequestRow) -> RequestHead {
    let RequestRow { id, handler, key, origin, .. } = row;
    RequestHead { id: *id, handler: handler.clone(), key: key.clone(), origin: origin.clone() }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
