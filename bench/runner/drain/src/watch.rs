//! When commits become visible: another process reads the progress of each shard, over and over.
//!
//! SQLite lets a commit be seen after the disk has it, so what is seen is durable.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bench_receiver::bodies;
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection};

use crate::state::{HANDLER, sqlite};

/// The wait between two looks, by which a commit may be seen late.
const LOOK: Duration = Duration::from_micros(300);

const PROGRESS: &str = "
    select shard, floor, ranges from progress
    where handler_id = (select id from handlers where name = ?1) and run = 'live'";

/// Looks until it is stopped.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Seen>>,
}

/// By shard and sequence, when it was first seen to be settled.
#[derive(Default)]
struct Seen(HashMap<(i64, u64), Instant>, BTreeMap<i64, u64>);

impl Watch {
    /// Begins to watch a database of SQLite.
    pub(crate) fn begin(file: &Path) -> Self {
        let (file, stop) = (file.to_owned(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        // A thread of its own, because a task's timer is a thousand times as coarse.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            let mut conn = runtime.block_on(sqlite(&file).connect())?;
            let mut seen = Seen::default();
            loop {
                // Once more after that was said, or the last commit could be missed.
                let last = stopped.load(Ordering::Relaxed);
                runtime.block_on(seen.look(&mut conn))?;
                if last {
                    return Ok(seen);
                }
                std::thread::park_timeout(LOOK);
            }
        });
        Self { stop, thread }
    }

    /// By the number of each event, when its commit was seen. The ledger says which event has which sequence.
    pub(crate) async fn end(self, file: &Path) -> Result<HashMap<usize, Instant>> {
        const LEDGER: &str = "
            select shard, seq, event_id from ledger
            where handler_id = (select id from handlers where name = ?1) and run = 'live' and settled_at > 0";
        self.stop.store(true, Ordering::Relaxed);
        let Ok(seen) = self.thread.join() else { anyhow::bail!("the thread that watches commits panicked") };
        let Seen(seen, _) = seen.context("cannot watch commits")?;
        let mut conn = sqlite(file).connect().await?;
        let rows = sqlx::query(LEDGER).bind(HANDLER).fetch_all(&mut conn).await?;
        let mut settled = HashMap::with_capacity(rows.len());
        for row in rows {
            let (shard, seq, id): (i64, i64, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            if let (Some(at), Some(number)) = (seen.get(&(shard, seq.unsigned_abs())), bodies::number(&id)) {
                settled.insert(number, *at);
            }
        }
        Ok(settled)
    }
}

impl Seen {
    async fn look(&mut self, conn: &mut SqliteConnection) -> Result<()> {
        let rows = sqlx::query(PROGRESS).bind(HANDLER).fetch_all(conn).await?;
        let now = Instant::now();
        for row in rows {
            let (shard, floor, ranges): (i64, i64, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            self.settled(shard, floor.unsigned_abs(), &ranges, now)?;
        }
        Ok(())
    }

    fn settled(&mut self, shard: i64, floor: u64, ranges: &str, now: Instant) -> Result<()> {
        let ranges: Vec<(u64, u64)> = serde_json::from_str(ranges).context("ranges of another form")?;
        let before = self.1.insert(shard, floor).unwrap_or_default();
        for seq in (before + 1..=floor).chain(ranges.into_iter().flat_map(|(from, to)| from..=to)) {
            self.0.entry((shard, seq)).or_insert(now);
        }
        Ok(())
    }
}

#[test]
fn a_sequence_is_seen_once_below_the_floor_or_in_a_range() {
    let (mut seen, begin) = (Seen::default(), Instant::now());
    let at = |ms| begin + Duration::from_millis(ms);
    seen.settled(0, 2, "[[4,5]]", at(1)).unwrap();
    seen.settled(1, 1, "[]", at(2)).unwrap();
    seen.settled(0, 5, "[[7,7]]", at(3)).unwrap();
    let of = |shard, seq| seen.0.get(&(shard, seq)).copied();
    assert_eq!([1, 2, 3, 4, 5, 6, 7].map(|seq| of(0, seq)), [1, 1, 3, 1, 1, 0, 3].map(|ms| (ms > 0).then(|| at(ms))));
    assert_eq!(of(1, 1), Some(at(2)));
}
