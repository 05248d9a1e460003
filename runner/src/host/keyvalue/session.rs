//! What one invocation sees of keys, and what it wants to change.
//!
//! It sees its own changes first, then what its handler's finished invocations have not committed yet, then the store.
//! What it read once it sees again. Nothing of it is written here: it goes into the report, and so into the commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use store::{Bucket, Keyvalue, Spot, Store, Usage, Write};

use super::uncommitted::Seen;
use super::{Grant, Uncommitted};

/// Keys that one invocation may read and change.
const KEYS: usize = 1_000;

/// Bytes of the values that one invocation may read.
const READ: usize = 16 << 20;

/// Bytes of the keys and values that one invocation may set.
const WRITTEN: usize = 4 << 20;

/// Keys of one page of a list.
const PAGE: usize = 256;

/// Where the keys of an event are.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) store: Store,
    pub(crate) uncommitted: Arc<Uncommitted>,
    pub(crate) handler: Arc<str>,
    pub(crate) run: Arc<str>,
    /// Whose private keys the event sees.
    pub(crate) space: Arc<str>,
}

/// Why something cannot be done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The guest may not; it is told why.
    Refused(String),
    /// The store failed.
    Failed(store::Error),
}

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        Self::Failed(error)
    }
}

#[derive(Debug)]
struct Change {
    value: Option<Bytes>,
    ttl_ms: Option<u64>,
    /// How often it was changed.
    times: u64,
}

/// The keys of one invocation.
#[derive(Default)]
pub(crate) struct Session {
    access: Option<Access>,
    seen: HashMap<Spot, Seen>,
    changed: BTreeMap<Spot, Change>,
    listed: BTreeMap<Bucket, i64>,
    usage: HashMap<Bucket, Usage>,
    /// How long values are that were not read.
    weighed: HashMap<Spot, Option<usize>>,
    read_bytes: usize,
    written_bytes: usize,
    waits: bool,
    failure: Option<String>,
}

impl Session {
    pub(crate) fn new(access: Option<Access>) -> Self {
        Self { access, ..Self::default() }
    }

    /// What the store had to say when it failed, or that it did not answer in time.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref().or_else(|| self.waits.then_some("the state store did not answer in time"))
    }

    /// What is to be committed with the invocation.
    pub(crate) fn take(&mut self) -> Keyvalue {
        let reads = self.seen.drain().filter(|(spot, _)| spot.bucket.contended);
        let reads = reads.map(|(spot, seen)| (spot, seen.version)).collect();
        let changed = std::mem::take(&mut self.changed).into_iter();
        let writes: Vec<Write> =
            changed.map(|(spot, Change { value, ttl_ms, .. })| Write { spot, value, ttl_ms }).collect();
        // Only what is written has a version.
        let stamp = if writes.is_empty() { store::ABSENT } else { store::new_stamp() };
        Keyvalue { reads, lists: std::mem::take(&mut self.listed).into_iter().collect(), writes, stamp }
    }

    pub(super) async fn get(&mut self, grant: &Grant, key: &str) -> Result<Option<Bytes>, Trouble> {
        let spot = self.spot(grant, key)?;
        if let Some(change) = self.changed.get(&spot) {
            return Ok(change.value.clone());
        }
        if let Some(seen) = self.seen.get(&spot) {
            return Ok(seen.value.clone());
        }
        self.room_for_key()?;
        let seen = self.look(&spot).await?;
        self.read_bytes += seen.value.as_ref().map_or(0, Bytes::len);
        if self.read_bytes > READ {
            return Err(refused(format!("more than {READ} bytes of values read in one call of the handler")));
        }
        let value = seen.value.clone();
        self.seen.insert(spot, seen);
        Ok(value)
    }

    pub(super) async fn set(&mut self, grant: &Grant, key: &str, value: Bytes) -> Result<(), Trouble> {
        let spot = self.spot(grant, key)?;
        let most = grant.max_value;
        if value.len() > most {
            let (name, len) = (&grant.bucket.name, value.len());
            return Err(refused(format!("a value of {len} bytes, where `max_value` of bucket `{name}` is {most}")));
        }
        let written = self.written_bytes + key.len() + value.len();
        if written > WRITTEN {
            return Err(refused(format!(
                "more than {WRITTEN} bytes of keys and values set in one call of the handler"
            )));
        }
        self.room_in_bucket(grant, &spot, value.len()).await?;
        self.change(grant, spot, Some(value))?;
        self.written_bytes = written;
        Ok(())
    }

    pub(super) fn delete(&mut self, grant: &Grant, key: &str) -> Result<(), Trouble> {
        let spot = self.spot(grant, key)?;
        self.change(grant, spot, None)
    }

    pub(super) async fn increment(&mut self, grant: &Grant, key: &str, delta: i64) -> Result<i64, Trouble> {
        let number = match self.get(grant, key).await? {
            None => 0,
            Some(value) => {
                std::str::from_utf8(&value).ok().and_then(|text| text.parse::<i64>().ok()).ok_or_else(|| {
                    refused(format!("the value of `{}` is no decimal number of 64 bits", key.escape_debug()))
                })?
            }
        };
        let sum = number.checked_add(delta);
        let sum = sum.ok_or_else(|| refused(format!("{number} and {delta} are more than 64 bits can hold")))?;
        self.set(grant, key, sum.to_string().into()).await?;
        Ok(sum)
    }

    /// Keys after one of them, and the one after which the next page begins, if there is one.
    pub(super) async fn keys(&mut self, grant: &Grant, after: &str) -> Result<(Vec<String>, Option<String>), Trouble> {
        let access = self.access()?.clone();
        let place = grant.spot(&access.space, "");
        let (handler, run) = (&*access.handler, &*access.run);
        if grant.bucket.contended && !self.listed.contains_key(&grant.bucket) {
            let changes = self.ask(Box::pin(access.store.kv_changes(handler, run, &grant.bucket))).await?;
            self.listed.insert(grant.bucket.clone(), changes);
        }
        let own = self.changed.iter().filter(|(spot, _)| (&spot.bucket, &spot.space) == (&place.bucket, &place.space));
        let own = own.map(|(spot, change)| (spot.key.clone(), change.value.is_some()));
        let mut changes = access.uncommitted.keys(&grant.bucket, &place.space);
        changes.extend(own);
        changes.retain(|(key, _)| &**key > after);
        // One more tells whether there is another page; those that are removed may be among the stored ones.
        let asked = PAGE + 1 + changes.len();
        let limit = u32::try_from(asked).unwrap_or(u32::MAX);
        let name = &grant.bucket.name;
        let stored = self.ask(Box::pin(access.store.kv_keys((handler, run), name, &place.space, after, limit))).await?;
        Ok(page(stored, asked, &changes))
    }

    /// How often this invocation has changed a key.
    pub(super) fn changes(&self, grant: &Grant, key: &str) -> u64 {
        let Some(access) = &self.access else { return 0 };
        self.changed.get(&grant.spot(&access.space, key)).map_or(0, |change| change.times)
    }

    fn access(&self) -> Result<&Access, Trouble> {
        self.access.as_ref().ok_or_else(|| refused("keys are not to be had here".to_owned()))
    }

    fn spot(&self, grant: &Grant, key: &str) -> Result<Spot, Trouble> {
        let (name, most) = (&grant.bucket.name, grant.max_key);
        if key.len() > most {
            let len = key.len();
            return Err(refused(format!("a key of {len} bytes, where `max_key` of bucket `{name}` is {most}")));
        }
        if key.is_empty() || key.chars().any(char::is_control) {
            return Err(refused("a key must not be empty, nor have control characters in it".to_owned()));
        }
        Ok(grant.spot(&self.access()?.space, key))
    }

    fn room_for_key(&self) -> Result<(), Trouble> {
        if self.seen.len() + self.changed.len() >= KEYS {
            return Err(refused(format!("more than {KEYS} keys read and changed in one call of the handler")));
        }
        Ok(())
    }

    /// What others have left under a key.
    async fn look(&mut self, spot: &Spot) -> Result<Seen, Trouble> {
        let access = self.access()?.clone();
        if let Some(seen) = access.uncommitted.get(spot) {
            return Ok(seen);
        }
        let found = self.ask(Box::pin(access.store.kv_get(&access.handler, &access.run, spot))).await?;
        Ok(found.map_or(Seen { value: None, version: store::ABSENT }, |found| Seen {
            value: found.value,
            version: found.version,
        }))
    }

    async fn ask<T>(&mut self, asked: impl Future<Output = Result<T, store::Error>>) -> Result<T, Trouble> {
        // If the call is given up meanwhile, it is the store's doing.
        self.waits = true;
        let answer = asked.await;
        self.waits = false;
        if let Err(error) = &answer {
            self.failure = Some(service::error::Chain(error).to_string());
        }
        Ok(answer?)
    }

    /// Sees that a bucket is not full. What others set at the same time is not counted.
    async fn room_in_bucket(&mut self, grant: &Grant, spot: &Spot, len: usize) -> Result<(), Trouble> {
        // What takes no more room than before fits, however full it is: a counter that goes on asks for nothing.
        let growth = self.growth(&grant.bucket, spot, len);
        if growth.0 <= 0 && growth.1 <= 0 {
            return Ok(());
        }
        let usage = if let Some(usage) = self.usage.get(&grant.bucket) {
            *usage
        } else {
            let access = self.access()?.clone();
            let usage = access.store.kv_usage(&access.handler, &access.run, &grant.bucket.name);
            let usage = self.ask(Box::pin(usage)).await?;
            self.usage.insert(grant.bucket.clone(), usage);
            usage
        };
        let fits = |(keys, bytes): (i64, i64)| {
            (keys <= 0 || usage.keys.saturating_add_signed(keys) <= grant.max_keys)
                && (bytes <= 0 || usage.bytes.saturating_add_signed(bytes) <= grant.max_bytes)
        };
        if fits(growth) {
            return Ok(());
        }
        // What is changed may stand there already, and then gives its room back.
        self.weigh(&grant.bucket, spot).await?;
        if fits(self.growth(&grant.bucket, spot, len)) {
            return Ok(());
        }
        let (name, max_keys, max_bytes) = (&grant.bucket.name, grant.max_keys, grant.max_bytes);
        Err(refused(format!(
            "bucket `{name}` is full: it holds {} of {max_keys} keys (`max_keys`) and {} of {max_bytes} bytes (`max_bytes`)",
            usage.keys, usage.bytes
        )))
    }

    /// Looks how long the values are of keys that are to be changed and were not read. That is not to have read them.
    async fn weigh(&mut self, bucket: &Bucket, spot: &Spot) -> Result<(), Trouble> {
        let spots = self.changed.keys().filter(|other| other.bucket == *bucket).chain([spot]);
        let spots = spots.filter(|spot| !self.seen.contains_key(spot) && !self.weighed.contains_key(spot));
        for spot in spots.cloned().collect::<Vec<Spot>>() {
            let len = self.look(&spot).await?.value.map(|value| value.len());
            self.weighed.insert(spot, len);
        }
        Ok(())
    }

    /// Keys and bytes that a bucket gains by what this invocation changes of it, with a value of this length in one spot.
    fn growth(&self, bucket: &Bucket, spot: &Spot, len: usize) -> (i64, i64) {
        let size = |spot: &Spot, len: Option<usize>| len.map_or((0, 0), |len| (1, signed(spot.key.len() + len)));
        let before = |spot: &Spot| match self.seen.get(spot) {
            Some(seen) => size(spot, seen.value.as_ref().map(Bytes::len)),
            None => size(spot, self.weighed.get(spot).copied().flatten()),
        };
        let others = self.changed.iter().filter(|(other, _)| other.bucket == *bucket && *other != spot);
        let others = others.map(|(other, change)| (other, change.value.as_ref().map(Bytes::len)));
        others.chain([(spot, Some(len))]).fold((0, 0), |(keys, bytes), (spot, len)| {
            let ((new_keys, new_bytes), (old_keys, old_bytes)) = (size(spot, len), before(spot));
            (keys + new_keys - old_keys, bytes + new_bytes - old_bytes)
        })
    }

    fn change(&mut self, grant: &Grant, spot: Spot, value: Option<Bytes>) -> Result<(), Trouble> {
        if !self.changed.contains_key(&spot) {
            self.room_for_key()?;
        }
        let times = self.changed.get(&spot).map_or(0, |change| change.times) + 1;
        self.changed.insert(spot, Change { value, ttl_ms: grant.ttl_ms, times });
        Ok(())
    }
}

fn refused(why: String) -> Trouble {
    Trouble::Refused(why)
}

fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

/// A page of stored keys, of which so many were asked for, as changes leave them.
fn page(stored: Vec<String>, asked: usize, changes: &[(Arc<str>, bool)]) -> (Vec<String>, Option<String>) {
    // What comes after the last stored one that was told of belongs to a later page.
    let end = if stored.len() < asked { None } else { stored.last().cloned() };
    let mut keys: BTreeSet<String> = stored.into_iter().collect();
    for (key, there) in changes {
        if *there && end.as_ref().is_none_or(|end| **key <= **end) {
            keys.insert(key.to_string());
        } else {
            keys.remove(&**key);
        }
    }
    let more = keys.len() > PAGE || end.is_some();
    let keys: Vec<String> = keys.into_iter().take(PAGE).collect();
    let cursor = if more { keys.last().cloned() } else { None };
    (keys, cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| format!("{number:04}")).collect()
    }

    #[test]
    fn a_page_is_what_is_stored_with_what_was_changed() {
        let changes = [("0001".into(), false), ("0000a".into(), true), ("9".into(), true)];
        let (keys, cursor) = page(names(0..3), PAGE + 4, &changes);
        assert_eq!((keys, cursor), (["0000", "0000a", "0002", "9"].map(str::to_owned).to_vec(), None));
    }

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let asked = PAGE + 2;
        let (keys, cursor) = page(names(0..asked), asked, &[("9".into(), true)]);
        assert_eq!((keys.len(), cursor.as_deref()), (PAGE, Some("0255")));
        let (keys, cursor) = page(names(256..asked), asked, &[("9".into(), true)]);
        assert_eq!((keys, cursor), (["0256", "0257", "9"].map(str::to_owned).to_vec(), None));
    }
}
