//! Suspects: events that were in flight when an owner died, and how often that happened.

use lanes::Suspect;

use crate::{
    fields::{Ask, Fields},
    scope::Scope,
};

/// Asks for all suspects of a shard.
pub(crate) fn ask(scope: &Scope) -> Ask {
    const ALL: &str = "
        select seq, deaths, lone_deaths from suspects
        where handler_id = $1 and run = $2 and shard = $3 order by seq";
    Ask { sql: ALL, args: scope.args() }
}

/// A row of [`ask`].
pub(crate) fn suspect(row: &dyn Fields) -> Result<Suspect, sqlx::Error> {
    Ok(Suspect { seq: row.nat("seq")?, deaths: row.small("deaths")?, lone_deaths: row.small("lone_deaths")? })
}
