//! Key-value buckets in NATS: opened or made, and what stands in them.

use std::error::Error;

use async_nats::jetstream::stream::StorageType;
use async_nats::jetstream::{Context, kv};
use event::topology::BucketSpec;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

type Source = Box<dyn Error + Send + Sync>;

/// Opens a bucket; makes it if it is not there.
pub(crate) async fn open(js: &Context, spec: &BucketSpec) -> Result<kv::Store, Source> {
    if let Ok(store) = js.get_key_value(&spec.name).await {
        return Ok(store);
    }
    match js.create_key_value(config(spec)).await {
        Ok(store) => Ok(store),
        // Another one may have been quicker, with the same bucket or with one of another version.
        Err(error) => js.get_key_value(&spec.name).await.map_err(|_| error.into()),
    }
}

/// The values of all keys. One of another version that is not understood is as good as none.
pub(crate) async fn values<T: DeserializeOwned>(store: &kv::Store) -> Result<Vec<T>, Source> {
    let (mut keys, mut names) = (store.keys().await?, Vec::new());
    while let Some(name) = keys.next().await {
        names.push(name?);
    }
    let mut values = Vec::new();
    for name in names {
        // It may have gone meanwhile.
        let Some(value) = store.get(name.as_str()).await? else { continue };
        match serde_json::from_slice(&value) {
            Ok(value) => values.push(value),
            Err(error) => {
                tracing::warn!(bucket = store.name, key = name, %error, "not understood; is it of another version?");
            }
        }
    }
    Ok(values)
}

/// A runner's name with what a key may hold.
pub(crate) fn key_of(runner: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    runner.chars().map(|letter| if fits(letter) { letter } else { '_' }).collect()
}

pub(crate) fn storage(spec: &BucketSpec) -> StorageType {
    if spec.in_memory { StorageType::Memory } else { StorageType::File }
}

fn config(spec: &BucketSpec) -> kv::Config {
    kv::Config {
        bucket: spec.name.clone(),
        history: i64::from(spec.history),
        max_age: spec.max_age,
        max_bytes: spec.max_bytes,
        num_replicas: spec.replicas,
        storage: storage(spec),
        ..kv::Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_no_character_that_nats_refuses_or_takes_for_a_wildcard() {
        assert_eq!(key_of("db-1.eu pid 7 since *>(0a)"), "db-1_eu_pid_7_since____0a_");
    }
}
