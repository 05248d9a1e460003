//! Where simulated webhooks go and who signs them.

use clap::Args;
use livekit::notifier::{Notifier, Rules};
use livekit::sender::Sender;
use livekit::token::Secret;
use service::config::process_env;

use crate::args::Globals;
use crate::failure::Usage;
use crate::target;

/// Where a receiver listens unless it is told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:8080/livekit";

/// Where webhooks go and who signs them.
#[derive(Debug, Args)]
pub(crate) struct TargetFlags {
    /// The receiver's URL [default: that of a running `up`, else port 8080 of this machine]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Name of the API key that signs [default: the first of `livekit.keys`, else devkey]
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Its secret [default: as the configuration has it]
    #[arg(long, value_name = "TEXT", requires = "key")]
    secret: Option<String>,
    /// Send each event once; without this, one that is not taken is sent again as LiveKit does, four times in 15 s
    #[arg(long)]
    no_retry: bool,
    /// Wait for each answer as long as it takes, and as long as `Retry-After` asks, as LiveKit does up to 1.13; without
    /// this an answer has 10 s and `Retry-After` counts up to 30 s
    #[arg(long)]
    patient: bool,
}

impl TargetFlags {
    /// Sends to the receiver that is meant.
    pub(super) fn notifier(&self, globals: &Globals) -> anyhow::Result<Notifier<Sender>> {
        Ok(Notifier::new(self.sender(globals)?, self.rules()))
    }

    /// Signs as is meant, for the receiver that is meant.
    pub(super) fn sender(&self, globals: &Globals) -> anyhow::Result<Sender> {
        let (key, secret) = self.signer(globals)?;
        let url = self.url(globals);
        let sender = Sender::new(&url, &key, secret).map_err(|error| Usage(error.to_string()))?;
        tracing::info!(url, key, "sending webhooks");
        Ok(sender)
    }

    /// How it is sent: as LiveKit's newest sender does, which does not wait for an answer for ever, or as older ones do.
    pub(super) fn rules(&self) -> Rules {
        let rules = if self.patient { Rules::default() } else { Rules::protocol_1_54() };
        if self.no_retry { rules.without_retries() } else { rules }
    }

    fn url(&self, globals: &Globals) -> String {
        let running = || target::running(&globals.data).and_then(|up| up.webhook);
        self.url.clone().or_else(running).unwrap_or_else(|| DEFAULT_URL.to_owned())
    }

    fn signer(&self, globals: &Globals) -> anyhow::Result<(String, Secret)> {
        if let (Some(key), Some(text)) = (&self.key, &self.secret) {
            let secret = Secret::new(text).map_err(|error| Usage(error.to_string()))?;
            return Ok((key.clone(), secret));
        }
        let config = target::config(globals)?;
        let keys = &config.livekit;
        let Some(name) = &self.key else {
            let first = keys.resolve_first(&process_env)?;
            return Ok(first.ok_or_else(|| Usage("the configuration has no key; name one with `--key`".to_owned()))?);
        };
        let resolved = keys.resolve_keys(&process_env)?;
        let secret = resolved.get(name).cloned().ok_or_else(|| {
            let known = keys.key_names().join(", ");
            Usage(format!("the configuration has no key `{name}`, only {known}; give its secret with `--secret`"))
        })?;
        Ok((name.clone(), secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_sender_waits_for_an_answer_for_ever_and_one_without_retries_tries_once() {
        let flags = |no_retry, patient| TargetFlags { url: None, key: None, secret: None, no_retry, patient };
        assert_eq!(flags(false, false).rules(), Rules::protocol_1_54());
        assert_eq!(flags(false, true).rules(), Rules::default());
        assert_eq!(flags(true, true).rules(), Rules::default().without_retries());
    }
}
