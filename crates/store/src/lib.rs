//! The state store: who owns which shard and how far it is, the ledger of what became of each event, parked events,
//! dead letters with their history, and the outbox.
//!
//! SQLite, one process at a time. All writes go through one writer, which commits together what was asked of it while
//! it committed before; a commit that is refused leaves nothing and takes nothing of its neighbours along. What was in
//! flight is marked in a file of its own that needs no fsync, so that a death of the process can be laid at the right
//! event's door.

mod attempts;
mod books;
mod claim;
mod commit;
mod conflicts;
mod content;
mod dead;
mod error;
mod feed;
mod lane;
mod ledger;
mod letters;
mod lock;
mod marks;
mod names;
mod outbox;
mod outcomes;
mod parked;
mod progress;
mod reset;
mod schema;
mod scope;
mod sheet;
mod stops;
mod store;
mod suspects;
mod writer;

pub use books::{BooksRow, Counts};
pub use claim::{Claim, Claiming, StreamIdentity};
pub use content::{Commit, Effect, Event, LIVE, Report, Row};
pub use dead::cause_word;
pub use error::{Error, OpenError};
pub use feed::{RW_ATTEMPTS, RW_CAUSE, RW_DIED_AT, RW_ERROR, RW_FIRST_ATTEMPT_AT, RW_HANDLER, RW_PLUGIN_DIGEST};
pub use letters::{AttemptRow, DeadEvent, DeadFilter, DeadLetter, DeadSummary};
pub use outbox::{OutboxRow, Sending, Sent};
pub use outcomes::OutcomeRow;
pub use scope::Owner;
pub use stops::Stop;
pub use store::Store;
