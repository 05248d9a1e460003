//! Connections, and the schema.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Connection as _, PgConnection, SqlSafeStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};

use crate::OpenError;

/// Connections for everything that is not a commit, a mark, a beat or news: look-ups of several shards go side by side.
const POOL: u32 = 4;

/// A connection that was used so recently is taken without asking whether it still is one.
const FRESH: Duration = Duration::from_secs(1);

/// How long a connection of the pool may be waited for.
const ACQUIRE: Duration = Duration::from_secs(10);

/// Where the database is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    options: PgConnectOptions,
    /// For messages: without the password.
    pub(crate) name: String,
}

/// Whether a URL is one of PostgreSQL.
pub(crate) fn is_url(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

impl Place {
    pub(crate) fn of(url: &str) -> Result<Self, OpenError> {
        // The error is not told: it may quote the password.
        let options = PgConnectOptions::from_str(url).map_err(|_| OpenError::Url { url: without_password(url) })?;
        let options = options.application_name("roomwire-runner").disable_statement_logging();
        Ok(Self { options, name: without_password(url) })
    }

    /// A connection with the settings that everything here relies on.
    pub(crate) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut conn = self.options.connect().await?;
        prepare(&mut conn).await?;
        Ok(conn)
    }

    pub(crate) fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(POOL)
            .acquire_timeout(ACQUIRE)
            // A guest may wait for what is read: asking first whether the server is there would make it wait twice.
            .test_before_acquire(false)
            .before_acquire(|conn, meta| {
                Box::pin(async move {
                    if meta.idle_for > FRESH {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(|conn, _| Box::pin(async move { prepare(conn).await }))
            .connect_lazy_with(self.options.clone())
    }

    /// One connection that is made when it is asked for, and kept.
    pub(crate) fn single(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(ACQUIRE)
            .connect_lazy_with(self.options.clone())
    }

    /// Brings the schema up to date, and sees whether the server can hold what must be held. Several runners may do so
    /// at once: one of them does it.
    pub(crate) async fn migrate(&self) -> Result<(), OpenError> {
        const FIRST: &str = include_str!("../../migrations/postgres/0001_first.sql");
        const REQUESTS: &str = include_str!("../../migrations/postgres/0002_requests.sql");
        const KEYVALUE: &str = include_str!("../../migrations/postgres/0003_keyvalue.sql");
        let connect = |source| OpenError::Connect { database: self.name.clone(), source };
        let mut conn = self.connect().await.map_err(connect)?;
        let encoding: String =
            sqlx::query_scalar("show server_encoding").fetch_one(&mut conn).await.map_err(connect)?;
        if encoding != "UTF8" {
            let what = format!("its encoding is {encoding}: make one with `create database … encoding 'UTF8'`");
            return Err(OpenError::Unfit { database: self.name.clone(), what });
        }
        let migrate = |source| OpenError::Migrate { database: self.name.clone(), source };
        let first = Migration::new(1, "first".into(), MigrationType::Simple, FIRST.into_sql_str(), false);
        let requests = Migration::new(2, "requests".into(), MigrationType::Simple, REQUESTS.into_sql_str(), false);
        let keyvalue = Migration::new(3, "keyvalue".into(), MigrationType::Simple, KEYVALUE.into_sql_str(), false);
        let all = vec![first, requests, keyvalue];
        let done: Result<(), MigrateError> = Migrator::with_migrations(all).run(&mut conn).await;
        done.map_err(migrate)?;
        conn.close().await.map_err(connect)
    }
}

async fn prepare(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Statements are planned once, maybe while the tables are empty, and so that they search indexes all the same, in the
    // order of these. Nothing waits for a lock, and no transaction stays open, for longer than a lease lasts; what a commit
    // has written is on the disk, whatever the server's default is.
    const SETTINGS: &str = "
        select set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
            set_config('enable_bitmapscan', 'off', false), set_config('enable_hashjoin', 'off', false),
            set_config('enable_mergejoin', 'off', false), set_config('jit', 'off', false),
            set_config('lock_timeout', '4s', false), set_config('statement_timeout', '30s', false),
            set_config('idle_in_transaction_session_timeout', '5s', false),
            set_config('default_transaction_isolation', 'read committed', false),
            set_config('synchronous_commit', case current_setting('synchronous_commit')
                when 'remote_apply' then 'remote_apply' when 'remote_write' then 'remote_write'
                when 'local' then 'local' else 'on' end, false)";
    sqlx::query(SETTINGS).execute(conn).await.map(drop)
}

/// The URL with stars for its password.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (before, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
    let shown = match before.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split_once(':').map_or(user.to_owned(), |(user, _)| format!("{user}:***"));
            format!("{user}@{host}")
        }
        None => before.to_owned(),
    };
    match query {
        Some(query) if query.contains("password") => format!("{scheme}://{shown}?***"),
        Some(query) => format!("{scheme}://{shown}?{query}"),
        None => format!("{scheme}://{shown}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://db/rw", "postgres://db/rw"),
            ("postgres://me@db/rw", "postgres://me@db/rw"),
            ("postgres://me:se@cret@db:5433/rw", "postgres://me:***@db:5433/rw"),
            ("postgres://me:secret@db/rw?sslmode=require", "postgres://me:***@db/rw?sslmode=require"),
            ("postgres://db/rw?user=me&password=secret", "postgres://db/rw?***"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_its_password() {
        let error = Place::of("postgres://me:secret@db:port/rw").unwrap_err().to_string();
        assert!(error.contains("me:***@db:port") && !error.contains("secret"), "{error}");
    }
}
