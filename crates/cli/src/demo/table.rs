//! Shows what became of the recorded meeting.

use std::collections::BTreeMap;
use std::io;

use serde_json::json;
use service::config::HandlerConfig;

use super::Sent;
use super::status::{Fate, Fates};
use crate::output::{self, Format, Table};

pub(super) fn write(format: Format, handlers: &[HandlerConfig], sent: &[Sent], fates: &Fates) -> io::Result<()> {
    match format {
        Format::Json => as_json(handlers, sent, fates),
        Format::Text => as_text(handlers, sent, fates),
    }
}

fn as_json(handlers: &[HandlerConfig], sent: &[Sent], fates: &Fates) -> io::Result<()> {
    for (index, event) in sent.iter().enumerate() {
        let states: BTreeMap<&str, &str> = handlers
            .iter()
            .zip(fates.row(index))
            .filter(|(_, fate)| **fate != Fate::NotTaken)
            .map(|(handler, fate)| (handler.name.as_str(), fate.words()))
            .collect();
        output::json(&json!({"id": event.id, "type": event.kind, "status": event.status, "handlers": states}))?;
    }
    Ok(())
}

fn as_text(handlers: &[HandlerConfig], sent: &[Sent], fates: &Fates) -> io::Result<()> {
    let names = handlers.iter().map(|handler| handler.name.to_string());
    let headings = ["event", "type", "answer"].map(str::to_owned);
    let mut table = Table::new(headings.into_iter().chain(names));
    for (index, event) in sent.iter().enumerate() {
        let states = fates.row(index).iter().map(|fate| fate.words().to_owned());
        table.row([event.id.clone(), event.kind.clone(), event.status.to_string()].into_iter().chain(states));
    }
    output::line("")?;
    output::line("a recorded meeting of a real LiveKit server was sent, with fresh ids and signatures:")?;
    table.write()?;
    match (handlers.is_empty(), fates.good()) {
        (true, _) => output::line(&format!("{} events are stored; no handler is configured", sent.len())),
        (false, good) => output::line(&format!("{good} of {} events are handled", sent.len())),
    }
}
