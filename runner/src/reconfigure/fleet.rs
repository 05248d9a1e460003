//! The configuration that NATS has for the whole fleet.
//!
//! A runner takes the newest one that it can: where the newest is refused at the start, the one before it, as if it had
//! been running all the time. [`config::OWN_SECTIONS`] stay this process's own.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::kv::Watch;
use futures_util::StreamExt as _;
use service::admin::Component;
use service::config;
use service::error::Chain;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Reconfigure;
use crate::pushed::{KEY, Pushed, PushedError, REPORT_EVERY, Refusal, Report, Revision};

/// The wait before NATS is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// The newest configuration is looked at so often even if nothing is heard of one.
const LOOK: Duration = Duration::from_secs(10);

impl Reconfigure {
    pub(super) async fn follow_nats(&mut self, ready: &Component, shutdown: &CancellationToken) {
        ready.unready("waiting for a configuration: `roomwire config push`");
        let Some(pushed) = self.open(ready, shutdown).await else { return };
        let (said, hears) = watch::channel(Report { runner: self.shared.runner.clone(), ..Report::default() });
        let reporting = tokio::spawn(report(pushed.clone(), hears, shutdown.clone()));
        self.follow(&pushed, &said, ready, shutdown).await;
        drop(said);
        // It only tells the others; they notice without it.
        let _ = tokio::time::timeout(RETRY, reporting).await;
    }

    async fn open(&self, ready: &Component, shutdown: &CancellationToken) -> Option<Pushed> {
        let (js, config) = (&self.shared.js, &self.config);
        loop {
            match Pushed::open(js, &config.topology).await {
                Ok(pushed) => return Some(pushed),
                Err(error) => {
                    let error = Chain(&error).to_string();
                    tracing::warn!(error, "the configuration is not to be had; trying again");
                    ready.unready(&error);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = shutdown.cancelled() => return None,
            }
        }
    }

    async fn follow(
        &mut self,
        pushed: &Pushed,
        said: &watch::Sender<Report>,
        ready: &Component,
        shutdown: &CancellationToken,
    ) {
        let (mut judged, mut watch) = (0, None);
        while !shutdown.is_cancelled() {
            let mut wait = LOOK;
            // Listening begins before the look, so that nothing falls between the two.
            match news(pushed, &mut watch, judged == 0).await {
                Ok(found) => {
                    if let Some(newest) = found.first().map(|it| it.number).filter(|newest| *newest != judged) {
                        judged = newest;
                        self.take_newest(&found, said, shutdown).await;
                    }
                    if said.borrow().applied.is_some() {
                        ready.ready();
                    } else {
                        // Nothing serves: what is missing may be there the next time.
                        judged = 0;
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "failed to read the configuration; trying again");
                    wait = RETRY;
                }
            }
            let told = async {
                match &mut watch {
                    Some(watch) => watch.next().await.is_some_and(|entry| entry.is_ok()),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                told = told => if !told { watch = None },
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// The newest that is not refused, down to the one that holds.
    async fn take_newest(&mut self, found: &[Revision], said: &watch::Sender<Report>, shutdown: &CancellationToken) {
        let holds = said.borrow().applied;
        let mut refused: Option<Refusal> = None;
        for revision in found.iter().take_while(|revision| holds.is_none_or(|holds| revision.number > holds)) {
            let number = revision.number;
            let applied = match self.completed(&revision.text) {
                Ok(file) => Box::pin(self.apply(file, shutdown)).await,
                Err(why) => Err(why),
            };
            match applied {
                Ok(None) => return,
                Ok(Some(applied)) => {
                    self.tell(&applied, Some(number), true);
                    if let Some(newest) = &refused {
                        self.tell_refused(&format!("revision {}: {}", newest.revision, newest.reason));
                    }
                    tracing::info!(revision = number, "the configuration from NATS holds");
                    said.send_modify(|report| (report.applied, report.refused) = (Some(number), refused.take()));
                    return;
                }
                Err(reason) => {
                    self.tell_refused(&format!("revision {number}: {reason}"));
                    refused.get_or_insert(Refusal { revision: number, reason });
                }
            }
            // Older ones than what holds are none; and what ran before a start is not known.
            if holds.is_some() {
                break;
            }
        }
        said.send_modify(|report| report.refused = refused.or(report.refused.take()));
    }

    /// A pushed configuration, with what is this process's own in the place of its sections.
    fn completed(&self, text: &str) -> Result<config::Config, String> {
        let local = &self.config.file;
        let folder = local.source.as_deref().and_then(|path| path.parent()).map(PathBuf::from).unwrap_or_default();
        let pushed = config::parse(text, &folder.join(KEY)).map_err(|error| error.to_string())?;
        let literal = config::literal_secrets(&pushed);
        if !literal.is_empty() {
            return Err(super::lines(&literal));
        }
        let (prefix, shards) = (&local.nats.prefix, local.streams.shards);
        if pushed.stated.contains("nats") && pushed.nats.prefix != *prefix {
            let other = &pushed.nats.prefix;
            return Err(format!("`nats.prefix` is `{other}`, and this runner runs with `{prefix}`"));
        }
        if pushed.stated.contains("streams") && pushed.streams.shards != shards {
            let other = pushed.streams.shards;
            return Err(format!(
                "`streams.shards` is {other}, and this runner runs with {shards}; set it in its own file"
            ));
        }
        Ok(pushed.with_own_of(local))
    }
}

/// The newest configuration, or with all that came before it.
async fn news(pushed: &Pushed, watch: &mut Option<Watch>, all: bool) -> Result<Vec<Revision>, PushedError> {
    if watch.is_none() {
        *watch = Some(pushed.watch().await?);
    }
    if all { pushed.history().await } else { Ok(pushed.newest().await?.into_iter().collect()) }
}

/// Says how this runner stands, now and then and when it changes.
async fn report(pushed: Pushed, mut hears: watch::Receiver<Report>, shutdown: CancellationToken) {
    loop {
        let report = hears.borrow_and_update().clone();
        if let Err(error) = pushed.report(&report).await {
            tracing::debug!(error = %Chain(&error), "failed to report how the configuration stands");
        }
        tokio::select! {
            changed = hears.changed() => if changed.is_err() { break },
            () = tokio::time::sleep(REPORT_EVERY) => {}
            () = shutdown.cancelled() => break,
        }
    }
    let runner = hears.borrow().runner.clone();
    if let Err(error) = pushed.leave(&runner).await {
        tracing::debug!(error = %Chain(&error), "failed to take the report back");
    }
}
