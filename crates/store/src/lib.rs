//! The state store: who owns which shard and how far it is, the ledger of what became of each event, parked events,
//! dead letters with their history, and the outbox.
//!
//! SQLite for one process at a time, PostgreSQL for several. Commits that come while others are written go together; one
//! that is refused leaves nothing and takes nothing of its neighbours along. What was in flight is marked where it needs
//! no fsync, so that a death of the process can be laid at the right event's door.
//!
//! What both databases share lies here: the rows of a commit by table ([`sorting`]), what is read ([`fields`]). Their
//! statements lie in [`sqlite`] and [`postgres`].

mod aged;
mod attempts;
mod books;
mod claim;
mod conflicts;
mod content;
mod dead;
mod error;
mod feed;
mod fields;
mod fleet;
mod gather;
mod handlers;
mod headers;
mod keyvalue;
mod lane;
mod lease;
mod ledger;
mod letters;
mod marked;
mod outbox;
mod outcomes;
mod parked;
mod postgres;
mod progress;
mod scope;
mod sheet;
mod sorting;
mod sqlite;
mod stops;
mod store;
mod suspects;

pub use aged::{Aged, LedgerPlace};
pub use books::{BooksRow, Counts};
pub use claim::{Claim, Claiming, StreamIdentity};
pub use content::{Commit, Destination, Effect, Event, LIVE, Report, Row};
pub use dead::cause_word;
pub use error::{Error, OpenError};
pub use feed::{RW_ATTEMPTS, RW_CAUSE, RW_DIED_AT, RW_ERROR, RW_FIRST_ATTEMPT_AT, RW_HANDLER, RW_PLUGIN_DIGEST};
pub use fleet::{Fleet, Member};
pub use handlers::{Dropped, Renamed};
pub use headers::Headers;
pub use keyvalue::{ABSENT, Bucket, Found, Keyvalue, Spot, Usage, Write, new_stamp};
pub use lease::Hold;
pub use letters::{AttemptRow, DeadEvent, DeadFilter, DeadLetter, DeadSummary};
pub use marked::Marked;
pub use outbox::{OutboxPage, OutboxRow, OutboxSpan, OutboxSummary, RequestHead, RequestRow, Sending, Sent};
pub use outcomes::OutcomeRow;
pub use postgres::{BEAT, TTL};
pub use scope::Owner;
pub use stops::Stop;
pub use store::Store;
