//! Trimming: an events stream forgets what every handler has settled, once that is old or the stream grows full.
//!
//! A full stream refuses new events even if all of it was handled, so something must take away what nobody needs any
//! more. Nothing above the lowest floor of the handlers is ever touched, and nothing so young that the stream must still
//! recognise its repeats.

mod rule;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use lanes::{Seq, Shard};
use service::error::Chain;
use store::{BooksRow, LIVE};
use tokio_util::sync::CancellationToken;

use crate::fleet::Handlers;
use crate::handler::is_anchored;
use crate::live::Live;
use crate::shared::Shared;
use rule::{Content, Messages, last_before};

/// The longest wait between two looks; where little is kept they come more often.
const EVERY: Duration = Duration::from_mins(1);

/// Clocks of server and runner may differ by so much.
const MARGIN: Duration = Duration::from_secs(10);

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Trims the streams whose shards this runner owns for some handler.
pub(crate) struct Trim {
    pub(crate) shared: Arc<Shared>,
    pub(crate) live: Live,
    pub(crate) handlers: Handlers,
    pub(crate) keep: Duration,
}

impl Trim {
    /// Trims now and then until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let every = (self.keep / 4).clamp(Duration::from_secs(1), EVERY);
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = shutdown.cancelled() => return,
            }
            let books = match self.shared.store.books().await {
                Ok(books) => books,
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "failed to read how far the handlers are; nothing is trimmed");
                    continue;
                }
            };
            for shard in 0..self.shared.shards.get() {
                let Some(rows) = self.readers(shard, &books) else { continue };
                if let Err(error) = self.trim(shard, &rows).await {
                    let error = Chain(error.as_ref()).to_string();
                    tracing::warn!(stream = self.shared.stream_of(shard), error, "failed to trim a stream");
                }
            }
        }
    }

    /// How far the handlers are that read the shard; none where it is not ours to trim, or one of them has not begun. A
    /// handler that is not configured here any more counts for as long as a living runner has its shard: that runner may
    /// know of no other configuration yet, and ends what it has begun. Then it gives its floor up.
    fn readers<'a>(&self, shard: Shard, books: &'a [BooksRow]) -> Option<Vec<&'a BooksRow>> {
        let set = self.live.now();
        let configured = set.configs().filter(|handler| self.shared.sources(&handler.on).contains(&shard));
        let names: Vec<&str> = configured.map(|handler| handler.name.as_str()).collect();
        let of_shard = || books.iter().filter(|row| row.run == LIVE && row.shard == shard);
        let of = |name: &&str| of_shard().find(|row| row.handler == *name);
        let mut rows: Vec<&BooksRow> = names.iter().map(of).collect::<Option<_>>()?;
        rows.extend(
            of_shard()
                .filter(|row| !names.contains(&row.handler.as_str()) && !row.clean && self.handlers.lives(&row.owner)),
        );
        rows.iter().any(|row| !row.clean && row.owner == self.shared.runner).then_some(rows)
    }

    async fn trim(&self, shard: Shard, rows: &[&BooksRow]) -> Result<(), Source> {
        let Some(floor) = rows.iter().map(|row| row.progress.floor).min() else { return Ok(()) };
        let mut stream = self.shared.js.get_stream(self.shared.stream_of(shard)).await?;
        let info = stream.info().await?.clone();
        let created = info.created.to_string();
        let content = Content {
            first: info.state.first_sequence,
            last: info.state.last_sequence,
            messages: info.state.messages,
            bytes: info.state.bytes,
            max_bytes: u64::try_from(info.config.max_bytes).unwrap_or(0),
        };
        // A stream that was made anew or restored is not the one that the floors are of.
        if content.messages == 0 || content.last < floor || rows.iter().any(|row| row.stream_created != created) {
            return Ok(());
        }
        for row in rows {
            if !is_anchored(&stream, row.progress.anchor.as_ref()).await {
                return Ok(());
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let before = |age: Duration| nanos(now.saturating_sub(age));
        let window = info.config.duplicate_window.max(self.shared.duplicate_window) + MARGIN;
        let forgettable = last_before(&stream, content.first, floor.min(content.last), before(window)).await?;
        let Some(forgettable) = forgettable else { return Ok(()) };
        let old = last_before(&stream, content.first, forgettable, before(self.keep)).await?;
        let Some(up_to) = rule::up_to(&content, forgettable, old) else { return Ok(()) };
        // It keeps the sequence that it is given.
        let purged = stream.purge().sequence(up_to + 1).await?;
        self.shared.metrics.trimmed(purged.purged);
        tracing::info!(stream = info.config.name, up_to, floor, events = purged.purged, "trimmed settled events");
        Ok(())
    }
}

impl Messages for Stream {
    type Error = Source;

    async fn at(&self, seq: Seq) -> Result<Option<(Seq, i128)>, Source> {
        match self.get_first_raw_message_by_subject(">", seq).await {
            Ok(message) => Ok(Some((message.sequence, message.time.unix_timestamp_nanos()))),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}
