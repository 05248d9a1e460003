//! The registry of plugins on NATS: versions in an object store, what is deployed and what runners report in two
//! key-value buckets. The runner reads it, the command line writes it.

mod deploys;
mod runners;
mod versions;

pub(crate) use deploys::revision;
pub use deploys::{Deploy, Deploys, History, Revision};
pub use runners::{HandlerReport, Report, Runners, State};
pub use versions::{NewVersion, Pushed, Version, Versions};

use std::error::Error;
use std::time::Duration;

use async_nats::jetstream::{Context, kv, object_store};
use event::topology::{self, BucketSpec, StreamsConfig};

use crate::buckets;

/// How long NATS may take for one answer. A runner that cannot reach the registry is to know it soon.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// How long it may take until a bucket is there, or its content.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

/// Why something could not be done with the registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// NATS did not answer, or not as it should.
    #[error("the plugin registry cannot be reached ({doing})")]
    Unreachable {
        /// What was tried.
        doing: &'static str,
        /// What the client said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no such version.
    #[error(
        "the registry has no plugin `{0}`; `roomwire plugin list` shows what there is, `roomwire plugin push` adds to it"
    )]
    NotFound(String),
    /// Several versions begin with these digits.
    #[error("the registry has several plugins `{wanted}`: {}; write more digits", found.join(", "))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// What there is.
        found: Vec<String>,
    },
    /// It is larger than a plugin may be.
    #[error("plugin `{plugin}` has {size} bytes, more than the {} MiB that a plugin may have", crate::plugin::MAX_SIZE >> 20)]
    TooLarge {
        /// Which version.
        plugin: String,
        /// Its size, as far as it was read.
        size: u64,
    },
    /// Its content is not what its digest says.
    #[error("what the registry has of plugin `{0}` is damaged: its digest is another one; push it again")]
    Damaged(String),
    /// Somebody else changed the same key at the same time.
    #[error(
        "somebody else deployed handler `{0}` at the same time; look at `roomwire status` and deploy again if need be"
    )]
    Raced(String),
    /// There is nothing to go back to.
    #[error("handler `{0}` has no earlier deploy to go back to")]
    NoEarlier(String),
}

impl RegistryError {
    fn unreachable(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unreachable { doing, source: source.into() }
    }

    pub(crate) fn lost(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::unreachable("follow what is deployed", source)
    }

    /// Whether nothing is known, because nobody answered.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Where the registry is.
#[derive(Debug, Clone)]
pub struct Registry {
    js: Context,
    streams: StreamsConfig,
}

impl Registry {
    /// The registry beside these streams. Nothing is asked yet.
    #[must_use]
    pub fn new(client: async_nats::Client, streams: StreamsConfig) -> Self {
        let mut js = async_nats::jetstream::new(client);
        js.set_timeout(ANSWER_WITHIN);
        Self { js, streams }
    }

    /// The versions of plugins; the bucket is made if it is absent.
    ///
    /// # Errors
    /// When NATS does not answer or refuses.
    pub async fn versions(&self) -> Result<Versions, RegistryError> {
        let spec = topology::plugins_bucket(&self.streams);
        let opening = async {
            match self.js.get_object_store(&spec.name).await {
                Ok(store) => Ok(store),
                Err(_) => self.js.create_object_store(objects(&spec)).await,
            }
        };
        within("open its object store", opening).await.map(Versions::new)
    }

    /// What is deployed; the bucket is made if it is absent.
    ///
    /// # Errors
    /// When NATS does not answer or refuses.
    pub async fn deploys(&self) -> Result<Deploys, RegistryError> {
        let spec = topology::deploys_bucket(&self.streams);
        self.key_value("open the bucket of deploys", &spec).await.map(Deploys::new)
    }

    /// What runners report; the bucket is made if it is absent.
    ///
    /// # Errors
    /// When NATS does not answer or refuses.
    pub async fn runners(&self) -> Result<Runners, RegistryError> {
        let spec = topology::runners_bucket(&self.streams);
        self.key_value("open the bucket of reports", &spec).await.map(Runners::new)
    }

    async fn key_value(&self, doing: &'static str, spec: &BucketSpec) -> Result<kv::Store, RegistryError> {
        within(doing, buckets::open(&self.js, spec)).await
    }
}

fn objects(spec: &BucketSpec) -> object_store::Config {
    object_store::Config {
        bucket: spec.name.clone(),
        max_bytes: spec.max_bytes,
        num_replicas: spec.replicas,
        storage: buckets::storage(spec),
        ..object_store::Config::default()
    }
}

/// The client's own waits are not all bounded.
async fn within<T, E>(doing: &'static str, call: impl Future<Output = Result<T, E>>) -> Result<T, RegistryError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    match tokio::time::timeout(OPEN_WITHIN, call).await {
        Ok(done) => done.map_err(|source| RegistryError::unreachable(doing, source)),
        Err(elapsed) => Err(RegistryError::unreachable(doing, elapsed)),
    }
}
