//! The tests that hold for both databases, on SQLite.

mod world {
    pub(crate) use crate::world::*;
    pub(crate) type World = crate::world::World<false>;
}

#[path = "both/aged.rs"]
mod aged;
#[path = "both/claims.rs"]
mod claims;
#[path = "both/commits.rs"]
mod commits;
#[path = "both/dead.rs"]
mod dead;
#[path = "both/deaths.rs"]
mod deaths;
#[path = "both/group.rs"]
mod group;
#[path = "both/handlers.rs"]
mod handlers;
#[path = "both/keyvalue.rs"]
mod keyvalue;
#[path = "both/outbox.rs"]
mod outbox;
#[path = "both/resets.rs"]
mod resets;
#[path = "both/stops.rs"]
mod stops;
