//! A fault for tests: the process dies when a named room's event runs. Not in builds without debug assertions.

use crate::bindings::roomwire::plugin::event_types::Event;

/// With `FAILPOINTS=before-invocation=return(ROOM)`, aborts the process when an event of that room is about to run.
pub(crate) fn before_invocation(event: &Event) {
    fail::fail_point!("before-invocation", |room: Option<String>| {
        if room.is_some() && room == event.room {
            std::process::abort();
        }
    });
}
