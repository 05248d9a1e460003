//! What a handler's guest may do, and what it needs for that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use livekit::token::Secret;
use service::config::{self, KeysError, SecretText, SecretsError};

use crate::config::{Config, Handler};
use crate::host::{Api, Client, Mask, Rate, Tls};
use crate::metrics::{Metrics, Outgoing};

/// What one handler's guest may do. Nothing is granted that is not in here. It outlives the generations of the plugin,
/// and so do the connections in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    /// The handler's `config`.
    pub(crate) config: BTreeMap<String, String>,
    /// Subject patterns of `allow.publish`.
    pub(crate) publish: Vec<String>,
    /// Bytes of one message, headers included: what the server takes.
    pub(crate) max_message: usize,
    /// Goes where `allow.http` says.
    pub(crate) http: Arc<Client>,
    /// The handler's `secrets`.
    pub(crate) secrets: BTreeMap<String, SecretText>,
    /// Keeps them out of logs and records.
    pub(crate) mask: Arc<Mask>,
    /// LiveKit's API, if `allow.livekit` grants any of it.
    pub(crate) livekit: Option<Arc<Api>>,
    /// Thins the handler's lines in the runner's log.
    pub(crate) logs: Arc<Rate>,
    /// Counts its outgoing requests.
    pub(crate) outgoing: Outgoing,
}

impl Grants {
    /// The config, and nothing that has an effect or is secret.
    pub(crate) fn of_check(&self) -> Self {
        Self { config: self.config.clone(), ..Self::default() }
    }
}

/// Something that handlers are granted is not there.
#[derive(Debug, thiserror::Error)]
pub enum GranterError {
    /// A secret of a handler.
    #[error("failed to read the secrets of the handlers")]
    Secrets(#[source] SecretsError),
    /// The key that signs calls of LiveKit's API.
    #[error("failed to read the key that signs calls of LiveKit's API")]
    Key(#[source] KeysError),
}

/// Makes the grants of all handlers of a runner.
pub(crate) struct Granter {
    secrets: BTreeMap<String, SecretText>,
    livekit: Option<(String, (String, Secret))>,
    tls: Tls,
    metrics: Metrics,
    max_message: usize,
}

impl Granter {
    /// Reads what the handlers are granted, and nothing else.
    ///
    /// # Errors
    /// If a secret or a key is not there.
    pub(crate) fn new(config: &Config, metrics: Metrics, max_message: usize) -> Result<Self, GranterError> {
        let env = &config::process_env;
        let names: BTreeSet<&String> = config.handlers.iter().flat_map(|handler| &handler.secrets).collect();
        let secrets = config.secrets.resolve(names, env).map_err(GranterError::Secrets)?;
        let wanted = config.handlers.iter().any(|handler| !handler.allow.livekit.is_empty());
        let livekit = match &config.livekit.url {
            Some(url) if wanted => {
                let key = config.livekit.resolve_first(env).map_err(GranterError::Key)?;
                key.map(|key| (url.clone(), key))
            }
            _ => None,
        };
        Ok(Self { secrets, livekit, tls: Tls::default(), metrics, max_message })
    }

    /// The grants of one handler.
    pub(crate) fn grants(&self, handler: &Handler) -> Grants {
        let allow = &handler.allow;
        let of_handler = |name: &String| Some((name.clone(), self.secrets.get(name)?.clone()));
        let secrets: BTreeMap<String, SecretText> = handler.secrets.iter().filter_map(of_handler).collect();
        let livekit = self.livekit.as_ref().filter(|_| !allow.livekit.is_empty());
        let livekit = livekit
            .and_then(|(url, key)| Api::new(url, key.clone(), allow.livekit.clone(), self.tls.clone()).map(Arc::new));
        Grants {
            config: handler.config.clone(),
            publish: allow.publish.clone(),
            max_message: self.max_message,
            http: Arc::new(Client::granted(allow.http.clone(), allow.networks.clone(), self.tls.clone())),
            mask: Arc::new(Mask::of(&secrets)),
            secrets,
            livekit,
            logs: Arc::default(),
            outgoing: self.metrics.outgoing(&handler.name),
        }
    }
}
