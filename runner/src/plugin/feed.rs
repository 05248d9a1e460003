//! One handler's plugin as it changes, wherever it comes from: a good version is handed over, a bad one is refused, and both
//! are reported.

use std::sync::Arc;
use std::time::Duration;

use event::PluginName;
use service::config::{DigestPrefix, PluginSource};
use service::error::Chain;
use tokio::sync::watch;

use super::activate::{ActivateError, Activator};
use super::follow::{Backoff, Known, Supply};
use super::kept::Last;
use super::source::{FetchError, Reference};
use super::watch::WatchedFile;
use super::{CallLimits, Generation, Grants};
use crate::board::Board;
use crate::invoke::unix_ms;
use crate::registry::{HandlerReport, RegistryError, Revision, State};

/// How long a start waits for the registry before it takes what was deployed last.
const ANSWER: Duration = Duration::from_secs(5);

/// Deploys before the wanted one that are tried, where that is refused and nothing serves.
const EARLIER: usize = 3;

/// What came of the newest version.
pub(crate) enum Activation {
    /// It may serve.
    Taken(Generation),
    /// There is no news: it serves already, or is still not to be had.
    Unchanged,
    /// There is none yet.
    Nothing,
    /// It may not serve, or is not to be had.
    Refused {
        /// In words.
        error: String,
        /// Nobody answered: nothing is known of the version itself.
        unreachable: bool,
    },
}

enum Source {
    File(WatchedFile),
    Deployed(PluginName, watch::Receiver<Known>),
    Pinned(PluginName, DigestPrefix),
}

/// A version that is to serve.
struct Wanted {
    reference: Reference,
    revision: Option<Revision>,
    /// The registry could not be asked; this is what was deployed last.
    from_memory: Option<String>,
}

/// A handler's plugin.
pub(crate) struct Feed {
    handler: String,
    plugin: PluginSource,
    source: Source,
    grants: Arc<Grants>,
    limits: CallLimits,
    supply: Supply,
    board: Board,
    /// As whom it speaks there.
    speaker: u64,
    serving: Option<Arc<str>>,
    /// Why the last version was not to be had, while that is tried again.
    trouble: Option<String>,
    /// What is said when the version at hand serves.
    taken: Option<HandlerReport>,
    backoff: Backoff,
    /// When it is tried again without anybody deploying.
    retry: Option<Duration>,
}

impl Feed {
    pub(crate) fn new(
        (handler, source): (&str, &PluginSource),
        (grants, limits): (Arc<Grants>, CallLimits),
        supply: Supply,
        board: Board,
        signed: bool,
    ) -> Self {
        let plugin = source.clone();
        let source = match source {
            PluginSource::File(path) => Source::File(WatchedFile::new(path.clone(), signed)),
            PluginSource::Deployed(name) => Source::Deployed(name.clone(), supply.deployments.of(handler)),
            PluginSource::Pinned(name, digest) => Source::Pinned(name.clone(), digest.clone()),
        };
        let (handler, speaker, backoff) = (handler.to_owned(), board.speaker(), Backoff::default());
        Self {
            handler,
            plugin,
            source,
            grants,
            limits,
            supply,
            board,
            speaker,
            serving: None,
            trouble: None,
            taken: None,
            backoff,
            retry: None,
        }
    }

    /// Judges the newest version.
    pub(crate) async fn activate(&mut self, activator: &Activator) -> Activation {
        self.retry = None;
        let wanted = match self.wanted().await {
            Ok(Some(wanted)) => wanted,
            Ok(None) => {
                self.say(State::Waiting, None, None);
                return Activation::Nothing;
            }
            Err(error) => return self.refused(None, &error),
        };
        if let (Reference::Version(_, digest), Some(serving)) = (&wanted.reference, &self.serving)
            && **serving == **digest
        {
            self.note(&wanted, digest);
            (self.backoff, self.trouble) = (Backoff::default(), None);
            self.say(State::Serving, Some(&wanted), None);
            return Activation::Unchanged;
        }
        match self.judge(activator, &wanted).await {
            Ok(generation) => {
                self.backoff = Backoff::default();
                if wanted.from_memory.is_some() {
                    self.retry = Some(self.backoff.next());
                }
                self.take(&wanted, generation, wanted.from_memory.clone())
            }
            Err(error) => {
                if self.serving.is_none()
                    && let Some((earlier, generation)) = self.earlier(activator, &wanted, unreachable(&error)).await
                {
                    return self.take_earlier((&wanted, &error), &earlier, generation);
                }
                self.refused(Some(&wanted), &error)
            }
        }
    }

    /// The version that was handed over last serves now.
    pub(crate) fn serves(&mut self) {
        if let Some(report) = self.taken.take() {
            self.board.set(&self.handler, self.speaker, HandlerReport { at_ms: unix_ms(), ..report });
        }
    }

    /// How the plugin stands, by the last that was said of it.
    pub(crate) fn standing(&self) -> Option<HandlerReport> {
        self.board.of(&self.handler)
    }

    /// Waits until there may be another version, or the last one may be had after all.
    pub(crate) async fn changed(&mut self) {
        let retry = self.retry;
        let again = async {
            match retry {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let news = async {
            match &mut self.source {
                Source::File(file) => file.changed().await,
                Source::Deployed(_, known) => {
                    if known.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                Source::Pinned(..) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = again => {}
            () = news => {}
        }
    }

    /// What is to serve now, if anything is.
    async fn wanted(&mut self) -> Result<Option<Wanted>, ActivateError> {
        let of = |reference| Wanted { reference, revision: None, from_memory: None };
        match &mut self.source {
            Source::File(file) => {
                file.judge().await;
                Ok(Some(of(Reference::File(file.path().to_owned()))))
            }
            Source::Pinned(name, digest) => {
                let (name, digest) = (name.clone(), digest.clone());
                if let Some(whole) = digest.whole() {
                    return Ok(Some(of(Reference::Version(name, whole.to_owned()))));
                }
                match find(&self.supply, &name, &digest).await {
                    Ok(digest) => Ok(Some(of(Reference::Version(name, digest)))),
                    Err(error) => {
                        let fits = |last: &Last| last.plugin == name.as_str() && digest.matches(&last.digest);
                        self.remembered(error, fits)
                    }
                }
            }
            Source::Deployed(name, known) => {
                let asked = known.wait_for(|known| *known != Known::Unasked);
                let _ = tokio::time::timeout(ANSWER, asked).await;
                let (known, name) = (known.borrow_and_update().clone(), name.clone());
                match known {
                    Known::Nothing => Ok(None),
                    Known::Wanted(revision) => {
                        let deploy = &revision.deploy;
                        let reference = Reference::Version(deploy.plugin.clone(), deploy.digest.clone());
                        Ok(Some(Wanted { reference, revision: Some(revision), from_memory: None }))
                    }
                    Known::Unasked => {
                        self.remembered(RegistryError::lost("no answer yet"), |last| last.plugin == name.as_str())
                    }
                    Known::Unreachable(text) => {
                        self.remembered(RegistryError::lost(text), |last| last.plugin == name.as_str())
                    }
                }
            }
        }
    }

    /// While the registry says nothing: what served last, unless something serves.
    fn remembered(&self, error: RegistryError, fits: impl Fn(&Last) -> bool) -> Result<Option<Wanted>, ActivateError> {
        let kept = self.supply.sources.kept.as_ref().filter(|_| self.serving.is_none() && error.is_unreachable());
        let Some(last) = kept.and_then(|kept| kept.last(&self.handler)).filter(fits) else {
            return Err(FetchError::Registry(error).into());
        };
        let error = Chain(&error).to_string();
        tracing::warn!(handler = self.handler, error, digest = last.digest, "taking what was deployed last");
        let name = last.plugin.parse().map_err(|_| FetchError::NoRegistry(last.plugin.clone()))?;
        let reference = Reference::Version(name, last.digest);
        Ok(Some(Wanted { reference, revision: last.revision, from_memory: Some(error) }))
    }

    async fn judge(&self, activator: &Activator, wanted: &Wanted) -> Result<Generation, ActivateError> {
        match self.judge_once(activator, wanted).await {
            // It may have been signed after it was kept.
            Err(ActivateError::Untrusted { plugin, source }) => {
                let (Reference::Version(_, digest), Some(kept)) = (&wanted.reference, &self.supply.sources.kept) else {
                    return Err(ActivateError::Untrusted { plugin, source });
                };
                kept.forget(digest);
                self.judge_once(activator, wanted).await
            }
            judged => judged,
        }
    }

    async fn judge_once(&self, activator: &Activator, wanted: &Wanted) -> Result<Generation, ActivateError> {
        if let (Source::Deployed(name, _), Reference::Version(other, _)) = (&self.source, &wanted.reference)
            && name != other
        {
            let plugin = wanted.reference.to_string().into();
            return Err(ActivateError::Another { plugin, wanted: name.to_string() });
        }
        self.say(State::Fetching, Some(wanted), None);
        let fetched = self.supply.sources.fetch(&wanted.reference).await?;
        self.say(State::Compiling, Some(wanted), None);
        activator.activate(fetched, self.grants.clone(), self.limits).await
    }

    /// What was deployed before a version that is refused, if any of it may serve. Where the version is only out of reach,
    /// no more than what this runner ran last.
    async fn earlier(
        &self,
        activator: &Activator,
        refused: &Wanted,
        unreachable: bool,
    ) -> Option<(Wanted, Generation)> {
        let Source::Deployed(name, _) = &self.source else { return None };
        let mut candidates: Vec<(String, Option<Revision>)> = Vec::new();
        if !unreachable && let Ok(earlier) = self.supply.deployments.earlier(&self.handler).await {
            candidates.extend(earlier.into_iter().map(|it| (it.deploy.digest.clone(), Some(it))).take(EARLIER));
        }
        let last = self.supply.sources.kept.as_ref().and_then(|kept| kept.last(&self.handler));
        candidates.extend(last.filter(|last| last.plugin == name.as_str()).map(|last| (last.digest, last.revision)));
        for (digest, revision) in candidates {
            let reference = Reference::Version(name.clone(), digest);
            if reference == refused.reference {
                continue;
            }
            let wanted = Wanted { reference, revision, from_memory: None };
            if let Ok(generation) = self.judge(activator, &wanted).await {
                return Some((wanted, generation));
            }
        }
        None
    }

    fn take(&mut self, wanted: &Wanted, generation: Generation, error: Option<String>) -> Activation {
        self.trouble = None;
        self.serving = Some(generation.digest.clone());
        self.note(wanted, &generation.digest);
        self.taken = Some(self.report(State::Serving, Some(wanted), error));
        Activation::Taken(generation)
    }

    /// An earlier one serves, and the report is still of the one that was refused.
    fn take_earlier(
        &mut self,
        (refused, error): (&Wanted, &ActivateError),
        earlier: &Wanted,
        generation: Generation,
    ) -> Activation {
        self.retry = passing(error).then(|| self.backoff.next());
        let state = if unreachable(error) { State::Fetching } else { State::Refused };
        let error = Chain(error).to_string();
        tracing::error!(
            handler = self.handler, error, serving = %earlier.reference,
            "plugin refused; one that was deployed before it serves"
        );
        self.serving = Some(generation.digest.clone());
        self.taken = Some(self.report(state, Some(refused), Some(error)));
        Activation::Taken(generation)
    }

    fn refused(&mut self, wanted: Option<&Wanted>, error: &ActivateError) -> Activation {
        let (passing, unreachable) = (passing(error), unreachable(error));
        self.retry = passing.then(|| self.backoff.next());
        let text = Chain(error).to_string();
        let known = std::mem::replace(&mut self.trouble, passing.then(|| text.clone()));
        let state = if unreachable { State::Fetching } else { State::Refused };
        self.say(state, wanted, Some(text.clone()));
        // It is tried again and again, and said once.
        if passing && known.as_ref() == Some(&text) {
            return Activation::Unchanged;
        }
        Activation::Refused { error: text, unreachable }
    }

    /// So that a start without the registry has something to take.
    fn note(&self, wanted: &Wanted, digest: &str) {
        if let (Reference::Version(name, _), Some(kept)) = (&wanted.reference, &self.supply.sources.kept) {
            let plugin = name.to_string();
            kept.note(&self.handler, &Last { plugin, digest: digest.to_owned(), revision: wanted.revision.clone() });
        }
    }

    fn say(&self, state: State, wanted: Option<&Wanted>, error: Option<String>) {
        self.board.set(&self.handler, self.speaker, self.report(state, wanted, error));
    }

    fn report(&self, state: State, wanted: Option<&Wanted>, error: Option<String>) -> HandlerReport {
        let digest = wanted.and_then(|wanted| match &wanted.reference {
            Reference::File(_) => None,
            Reference::Version(_, digest) => Some(digest.clone()),
        });
        HandlerReport {
            plugin: self.plugin.clone(),
            deployable: matches!(self.source, Source::Deployed(..)),
            state,
            serving: self.serving.as_deref().map(str::to_owned),
            wanted: digest,
            revision: wanted.and_then(|wanted| wanted.revision.as_ref()).map(|revision| revision.number),
            error,
            at_ms: unix_ms(),
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.board.remove(&self.handler, self.speaker);
    }
}

/// Whether it may be otherwise a moment later, without anybody deploying.
fn passing(error: &ActivateError) -> bool {
    matches!(error, ActivateError::Fetch(error) if error.is_passing())
}

/// Whether nobody answered, so that nothing is known of the version itself.
fn unreachable(error: &ActivateError) -> bool {
    matches!(error, ActivateError::Fetch(FetchError::Registry(error)) if error.is_unreachable())
}

async fn find(supply: &Supply, name: &PluginName, digest: &DigestPrefix) -> Result<String, RegistryError> {
    let Some(registry) = &supply.sources.registry else {
        return Err(RegistryError::NotFound(format!("{name}@sha256:{digest}")));
    };
    Ok(registry.versions().await?.find(name, Some(digest)).await?.digest)
}
