//! `outbox list|resend|drop`: what waits to be sent, and an operator's word on what does not go out by itself.

use serde::Deserialize;
use serde_json::{Value, json};
use store::OutboxSummary;

use super::{Control, Refused};

/// The most that one answer lists.
const LISTED: u32 = 1_000;

/// What an operator says.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// It has not arrived: send it, whatever is noted of it.
    Resend,
    /// It is not to be sent, or has arrived.
    Drop,
}

impl Control {
    pub(super) async fn outbox_list(&self, handler: Option<&str>, limit: u32) -> Result<Value, Refused> {
        let rows = self.shared.store.outbox_list(handler, 0, limit.min(LISTED)).await.map_err(Refused::Store)?;
        let rows: Vec<OutboxSummary> = rows.into_iter().map(|row| self.masked(row)).collect();
        Ok(json!({"ok": true, "waiting": rows}))
    }

    pub(super) async fn outbox_decide(&self, fate: Fate, id: i64) -> Result<Value, Refused> {
        let store = &self.shared.store;
        let found = store.outbox_list(None, id.saturating_sub(1), 1).await.map_err(Refused::Store)?;
        let row = found.into_iter().find(|row| row.id == id).ok_or(Refused::NotWaiting(id))?;
        let row = self.masked(row);
        match fate {
            Fate::Resend => {
                let why = "an operator has it sent again".to_owned();
                store.outbox_failed(&[(id, why)]).await.map_err(Refused::Write)?;
            }
            Fate::Drop => store.outbox_sent(&[id]).await.map_err(Refused::Write)?,
        }
        tracing::warn!(
            handler = row.handler,
            to = row.to,
            id = row.msg_id,
            ?fate,
            "an operator decided about the outbox"
        );
        store.outbox_notify().notify_one();
        store.requests_notify().notify_one();
        Ok(json!({"ok": true, "waiting": [row]}))
    }

    /// An URL may hold a secret.
    fn masked(&self, row: OutboxSummary) -> OutboxSummary {
        let to = self.live.now().mask(&row.handler).map(|mask| mask.apply(&row.to).into_owned());
        OutboxSummary { to: to.unwrap_or(row.to), ..row }
    }
}
