//! What a handler's guest may do, and what it needs for that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use livekit::token::Secret;
use service::config::{self, KeyPattern, KeysError, SecretText, SecretsError};

use crate::config::{Config, Handler};
use crate::host::{Api, Client, Grant, Mask, Rate, Tape, Tls};
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
    /// The buckets of `allow.keyvalue`, by name.
    pub(crate) keyvalue: BTreeMap<String, Arc<Grant>>,
    /// Those of their keys that a command finds in its document.
    pub(crate) stdin_keys: BTreeMap<String, Vec<KeyPattern>>,
    /// LiveKit's API, if `allow.livekit` grants any of it.
    pub(crate) livekit: Option<Arc<Api>>,
    /// Thins the handler's lines in the runner's log.
    pub(crate) logs: Arc<Rate>,
    /// The key that signs the requests it leaves behind, with its secret: `send.sign`.
    pub(crate) sign: Option<Arc<(String, Secret)>>,
    /// Counts its outgoing requests.
    pub(crate) outgoing: Outgoing,
    /// Of a plugin that is tried: where its calls are written down, or come from.
    pub(crate) tape: Option<Arc<Tape>>,
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
    /// The key that signs what a handler leaves behind.
    #[error("failed to read the key that signs requests: `send.sign`")]
    Sign(#[source] KeysError),
}

/// Makes the grants of all handlers of a runner.
pub(crate) struct Granter {
    secrets: BTreeMap<String, SecretText>,
    livekit: Option<(String, (String, Secret))>,
    /// The keys of `send.sign`.
    signing: BTreeMap<String, Secret>,
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
        let mut signing = BTreeMap::new();
        for name in config.handlers.iter().filter_map(|handler| handler.send.sign.as_ref()) {
            if let Some(secret) = config.livekit.resolve_named(name, env).map_err(GranterError::Sign)? {
                signing.insert(name.clone(), secret);
            }
        }
        Ok(Self { secrets, livekit, signing, tls: Tls::default(), metrics, max_message })
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
            keyvalue: allow
                .keyvalue
                .iter()
                .map(|bucket| (bucket.name.clone(), Arc::new(Grant::new(bucket, handler))))
                .collect(),
            stdin_keys: handler.stdin_keys.clone(),
            livekit,
            logs: Arc::default(),
            sign: handler
                .send
                .sign
                .as_ref()
                .and_then(|name| Some(Arc::new((name.clone(), self.signing.get(name)?.clone())))),
            outgoing: self.metrics.outgoing(&handler.name),
            tape: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use service::error::Chain;

    use super::*;

    const YAML: &str = r#"
livekit: { url: "ws://127.0.0.1:7880" }
secrets: { ONE: { file: one }, TWO: { file: two }, UNUSED: { file: absent } }
handlers:
  - { name: first, plugin: ./a.wasm, on: "*", secrets: [ONE], allow: { livekit: [RoomService/*] } }
  - { name: second, plugin: ./a.wasm, on: "*", secrets: [TWO], config: { a: b }, allow: { publish: ["x.>"] } }
"#;

    fn granter(folder: &std::path::Path) -> (Config, Result<Granter, GranterError>) {
        let file = config::parse(YAML, &folder.join("roomwire.yaml")).unwrap();
        let config = Config::new(&file, "sqlite:state.db".to_owned()).unwrap();
        let metrics = Metrics::register(&service::admin::Metrics::default());
        let granter = Granter::new(&config, metrics, 1_000);
        (config, granter)
    }

    #[test]
    fn each_handler_gets_what_is_its_own_and_a_check_gets_the_config_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one"), "secret-one\n").unwrap();
        std::fs::write(folder.path().join("two"), "secret-two\n").unwrap();
        let (config, granter) = granter(folder.path());
        let granter = granter.unwrap();
        let grants: Vec<Grants> = config.handlers.iter().map(|handler| granter.grants(handler)).collect();
        let secrets = |grants: &Grants| grants.secrets.values().map(|it| it.expose().to_owned()).collect::<Vec<_>>();
        assert_eq!((secrets(&grants[0]), secrets(&grants[1])), (vec!["secret-one".into()], vec!["secret-two".into()]));
        assert!(grants[0].livekit.is_some() && grants[1].livekit.is_none());
        assert!(grants[0].publish.is_empty() && grants[1].publish == ["x.>"]);
        let check = grants[1].of_check();
        assert!(check.secrets.is_empty() && check.publish.is_empty() && check.config == grants[1].config);
        assert!(grants[0].of_check().livekit.is_none());
    }

    #[test]
    fn a_secret_that_a_handler_needs_and_that_is_not_there_stops_the_start() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one"), "secret-one").unwrap();
        let (_, granter) = granter(folder.path());
        let error = Chain(&granter.err().unwrap()).to_string();
        assert!(error.contains("the secret `TWO` cannot be read") && !error.contains("UNUSED"), "{error}");
    }
}
