//! What holds for LiveKit's own sender, the Go package that livekit-server itself uses: what it reports as sent is stored
//! once and in order, and what is missing is what it gave up or dropped.
//!
//! Its clocks cannot be shortened, so these tests take as long as the outages they are about. `scripts/test` runs all of
//! them at once.

mod books;
mod haproxy;
mod limits;
mod notifier;
mod outages;
mod parity;
mod rooms;
mod senders;
mod site;
mod source;
mod steady;
mod two_receivers;
