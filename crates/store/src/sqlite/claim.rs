//! Claims: a shard gets a new owner, who is told all that the store knows of it.

use std::sync::Arc;

use lanes::{Books, Claimed, Progress, Seq, Shard};
use sqlx::SqliteConnection;
use tracing::warn;

use super::{
    Bind as _, attempts, lane,
    marks::Marks,
    progress, reset, suspects,
    writer::{Desk, Verdict, Work},
};
use crate::{
    Claim, Claiming, StreamIdentity,
    claim::why_reset,
    error::Failure,
    progress::{Stored, ranges_text},
    scope::{Owner, Scope},
};

/// The work of a claim.
pub(crate) struct Claims {
    handler: Arc<str>,
    run: Arc<str>,
    shard: Shard,
    claimer: String,
    stream: StreamIdentity,
    begin_floor: Seq,
    marks: Arc<Marks>,
}

impl Claims {
    pub(crate) fn new(claiming: &Claiming<'_>, marks: Arc<Marks>) -> Self {
        Self {
            handler: claiming.handler.into(),
            run: claiming.run.into(),
            shard: claiming.shard,
            claimer: claiming.claimer.to_owned(),
            stream: claiming.stream.clone(),
            begin_floor: claiming.begin_floor,
            marks,
        }
    }

    async fn begin(&self, desk: &mut Desk, scope: &Scope) -> Result<Claim, Failure> {
        const BEGIN: &str = "
            insert into progress (handler_id, run, shard, updated_at, owner, stream_created, floor, base, epoch, clean,
                ranges, done, skipped, filtered, duplicate, parked, dead, carried)
            values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, 1, 0, '[]', 0, 0, 0, 0, 0, 0, 0)";
        scope
            .bind(sqlx::query(BEGIN))
            .bind(self.claimer.clone())
            .bind(self.stream.created.clone())
            .bind(self.begin_floor.cast_signed())
            .execute(&mut desk.conn)
            .await?;
        let books = Books { base: self.begin_floor, ..Books::default() };
        let progress = Progress { floor: self.begin_floor, books, ..Progress::default() };
        let claimed = claimed(desk, scope, 1, progress).await?;
        Ok(Claim { claimed, fresh: true, reset: None, stored_stream: None })
    }

    async fn take_over(&self, desk: &mut Desk, scope: &Scope, stored: Stored) -> Result<Claim, Failure> {
        const TAKE: &str = "
            update progress
            set updated_at = ?4, owner = ?5, epoch = ?6, clean = 0, lone_seq = null, lone_number = null
            where handler_id = ?1 and run = ?2 and shard = ?3";
        if !stored.clean {
            let marks = self.marks.all();
            suspects::bury(&mut desk.conn, scope, &stored.owner, &self.claimer, &marks).await?;
        }
        let epoch = stored.epoch.saturating_add(1);
        scope
            .bind(sqlx::query(TAKE))
            .bind(self.claimer.clone())
            .bind(epoch.cast_signed())
            .execute(&mut desk.conn)
            .await?;
        let reset = why_reset(&self.stream, &stored);
        let progress = match &reset {
            Some(why) => write_reset(&mut desk.conn, scope, &stored.progress, &self.stream, why).await?,
            None => stored.progress,
        };
        let claimed = claimed(desk, scope, epoch, progress).await?;
        Ok(Claim { claimed, fresh: false, reset, stored_stream: Some(stored.stream_created) })
    }
}

impl Work for Claims {
    type Output = Claim;
    const OPERATION: &'static str = "claim a shard";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<Claim>, Failure> {
        let handler_id = desk.names.handler_or_new(&mut desk.conn, &self.handler).await?;
        let scope = Scope {
            handler_id,
            handler: Arc::clone(&self.handler),
            run: Arc::clone(&self.run),
            shard: self.shard,
            now: desk.now,
        };
        let claim = match progress::read(&mut desk.conn, &scope).await? {
            None => self.begin(desk, &scope).await?,
            Some(stored) => self.take_over(desk, &scope, stored).await?,
        };
        Ok(Verdict::Keep(claim))
    }
}

/// The work of a reset that an owner asks for.
pub(crate) struct Resets {
    pub(crate) owner: Owner,
    pub(crate) stream: StreamIdentity,
    pub(crate) why: String,
}

impl Work for Resets {
    type Output = Claimed;
    const OPERATION: &'static str = "reset the progress of a shard";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<Claimed>, Failure> {
        let scope = desk.scope(&self.owner).await?.ok_or(Failure::Lost)?;
        let stored = progress::read(&mut desk.conn, &scope).await?.ok_or(Failure::Lost)?;
        if stored.epoch != self.owner.epoch {
            return Err(Failure::Lost);
        }
        let progress = write_reset(&mut desk.conn, &scope, &stored.progress, &self.stream, &self.why).await?;
        Ok(Verdict::Keep(claimed(desk, &scope, self.owner.epoch, progress).await?))
    }

    fn owner(&self) -> Option<&Owner> {
        Some(&self.owner)
    }
}

/// The work of giving a shard back.
pub(crate) struct Releases {
    pub(crate) owner: Owner,
}

impl Work for Releases {
    type Output = ();
    const OPERATION: &'static str = "release a shard";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<()>, Failure> {
        const RELEASE: &str = "
            update progress set updated_at = ?4, clean = 1, lone_seq = null, lone_number = null
            where handler_id = ?1 and run = ?2 and shard = ?3 and epoch = ?5";
        fenced(desk, &self.owner, RELEASE, None).await
    }

    fn owner(&self) -> Option<&Owner> {
        Some(&self.owner)
    }
}

/// The work of a durable mark: this event runs alone in the whole process.
pub(crate) struct MarksAlone {
    pub(crate) owner: Owner,
    pub(crate) seq: Seq,
    pub(crate) number: u64,
}

impl Work for MarksAlone {
    type Output = ();
    const OPERATION: &'static str = "mark an event that runs alone";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<()>, Failure> {
        const MARK: &str = "
            update progress set updated_at = ?4, lone_seq = ?6, lone_number = ?7
            where handler_id = ?1 and run = ?2 and shard = ?3 and epoch = ?5";
        fenced(desk, &self.owner, MARK, Some((self.seq, self.number))).await
    }

    fn owner(&self) -> Option<&Owner> {
        Some(&self.owner)
    }
}

async fn fenced(
    desk: &mut Desk,
    owner: &Owner,
    sql: &'static str,
    lone: Option<(Seq, u64)>,
) -> Result<Verdict<()>, Failure> {
    let scope = desk.scope(owner).await?.ok_or(Failure::Lost)?;
    let mut query = scope.bind(sqlx::query(sql)).bind(owner.epoch.cast_signed());
    if let Some((seq, number)) = lone {
        query = query.bind(seq.cast_signed()).bind(number.cast_signed());
    }
    if query.execute(&mut desk.conn).await?.rows_affected() == 0 {
        return Err(Failure::Lost);
    }
    Ok(Verdict::Keep(()))
}

async fn write_reset(
    conn: &mut SqliteConnection,
    scope: &Scope,
    before: &Progress,
    stream: &StreamIdentity,
    why: &str,
) -> Result<Progress, Failure> {
    const RESET: &str = "
        update progress
        set updated_at = ?4, stream_created = ?5, floor = ?6, base = ?6, ranges = ?7, carried = ?8,
            anchor_seq = null, anchor_id = null, lone_seq = null, lone_number = null
        where handler_id = ?1 and run = ?2 and shard = ?3";
    let (progress, carried) = reset::begin_again(conn, scope, before, stream.first_seq).await?;
    warn!(
        handler = %scope.handler, run = %scope.run, shard = scope.shard, floor = before.floor,
        first = stream.first_seq, why,
        "the stream is not the one that this handler was reading: it begins again at the first message; the ledger \
         keeps what is handled from running twice"
    );
    scope
        .bind(sqlx::query(RESET))
        .bind(stream.created.clone())
        .bind(progress.floor.cast_signed())
        .bind(ranges_text(&progress.ranges))
        .bind(carried.cast_signed())
        .execute(conn)
        .await?;
    Ok(progress)
}

async fn claimed(desk: &mut Desk, scope: &Scope, epoch: u64, progress: Progress) -> Result<Claimed, Failure> {
    let lanes = lane::all(&mut desk.conn, scope).await?;
    let attempts = attempts::retrying(&mut desk.conn, scope, &progress).await?;
    let suspects = suspects::open(&mut desk.conn, scope, &progress).await?;
    desk.suspected(scope, !suspects.is_empty());
    Ok(Claimed { shard: scope.shard, epoch, progress, lanes, attempts, suspects })
}
