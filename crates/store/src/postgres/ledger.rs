//! Looking events up: one search of the ledger each. `offset 0` keeps the planner from turning that around.

use std::collections::HashMap;

use lanes::Identity;
use sqlx::{PgConnection, Row as _};

use super::text::stored;
use crate::{ledger::Standing, scope::Scope};

/// Identities as columns, each under a number of the asker's.
struct Asked {
    numbers: Vec<i64>,
    projects: Vec<String>,
    created: Vec<i64>,
    ids: Vec<String>,
}

impl Asked {
    fn of<'a>(identities: impl IntoIterator<Item = (u64, &'a Identity)>) -> Self {
        let mut asked = Self { numbers: Vec::new(), projects: Vec::new(), created: Vec::new(), ids: Vec::new() };
        for (number, identity) in identities {
            asked.numbers.push(number.cast_signed());
            asked.projects.push(stored(&identity.project).into_owned());
            asked.created.push(identity.created);
            asked.ids.push(stored(&identity.id).into_owned());
        }
        asked
    }
}

/// Looks identities up, each under a number of the asker's.
pub(crate) async fn standing<'a>(
    conn: &mut PgConnection,
    handler_id: i64,
    run: &str,
    identities: impl IntoIterator<Item = (u64, &'a Identity)>,
) -> Result<Vec<Standing>, sqlx::Error> {
    const FIND: &str = "
        select a.asked as asked, l.seq as seq, l.state as state
        from unnest($3::bigint[], $4::text[], $5::bigint[], $6::text[]) as a(asked, project, created, event_id)
        cross join lateral (
            select t.seq, t.state from ledger as t
            where t.handler_id = $1 and t.run = $2 and t.project = a.project and t.created = a.created
                and t.event_id = a.event_id
            offset 0
        ) as l";
    let asked = Asked::of(identities);
    if asked.numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(FIND)
        .bind(handler_id)
        .bind(stored(run).into_owned())
        .bind(asked.numbers)
        .bind(asked.projects)
        .bind(asked.created)
        .bind(asked.ids)
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| Standing::of(row)).collect()
}

/// How often each of these identities has died before; those that never did are left out.
pub(crate) async fn deaths<'a>(
    conn: &mut PgConnection,
    scope: &Scope,
    identities: impl IntoIterator<Item = (u64, &'a Identity)>,
) -> Result<HashMap<u64, u32>, sqlx::Error> {
    const DEATHS: &str = "
        select a.asked as asked, max(d.n) as n
        from unnest($3::bigint[], $4::text[], $5::bigint[], $6::text[]) as a(asked, project, created, event_id)
        cross join lateral (
            select t.n from dead as t
            where t.handler_id = $1 and t.run = $2 and t.project = a.project and t.created = a.created
                and t.event_id = a.event_id
            offset 0
        ) as d
        group by a.asked";
    let asked = Asked::of(identities);
    let rows = sqlx::query(DEATHS)
        .bind(scope.handler_id)
        .bind(stored(&scope.run).into_owned())
        .bind(asked.numbers)
        .bind(asked.projects)
        .bind(asked.created)
        .bind(asked.ids)
        .fetch_all(conn)
        .await?;
    let deaths = rows.iter().map(|row| {
        let n: i64 = row.try_get("n")?;
        Ok((row.try_get::<i64, _>("asked")?.cast_unsigned(), u32::try_from(n).unwrap_or(u32::MAX)))
    });
    deaths.collect()
}
