//! Keys of a command: those that the handler's `stdin_keys` names go into its document, those of its lines are changed. Both
//! by what components call.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use wasmtime::component::Resource;

use super::Broken;
use super::lines::Change;
use crate::bindings::roomwire::plugin::event_types as wit;
use crate::bindings::wasi::keyvalue::{atomics, store};
use crate::host::Host;
use crate::host::keyvalue::Bucket;

/// By bucket and key what stands there.
pub(super) type Values = BTreeMap<String, BTreeMap<String, Content>>;

/// The value of a key as the document has it: null where there is none, a text, or bytes that are none as `{"base64": …}`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content(pub(super) Option<Vec<u8>>);

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.as_deref().map(|bytes| (std::str::from_utf8(bytes), bytes)) {
            None => to.serialize_none(),
            Some((Ok(text), _)) => to.serialize_str(text),
            Some((Err(_), bytes)) => to.collect_map([("base64", STANDARD.encode(bytes))]),
        }
    }
}

/// Reads the keys that the handler names for an event; those that name what the event has not are left out.
pub(super) async fn read(host: &mut Host, event: &wit::Event) -> Result<Result<Values, wit::Failure>, Broken> {
    let mut values = Values::new();
    for (name, patterns) in &host.grants.clone().stdin_keys {
        let of_bucket = values.entry(name.clone()).or_default();
        let keys = patterns.iter().filter_map(|it| it.key(event.room.as_deref(), event.participant.as_deref()));
        for key in keys {
            let asked = key.clone();
            let got = in_bucket(host, name, async |host, bucket| store::HostBucket::get(host, bucket, asked).await);
            match got.await? {
                Ok(value) => of_bucket.insert(key, Content(value)),
                Err(failure) => return Ok(Err(failure)),
            };
        }
    }
    Ok(Ok(values))
}

/// Changes a key.
pub(super) async fn put(
    host: &mut Host,
    name: &str,
    key: String,
    change: Change,
) -> Result<Result<(), wit::Failure>, Broken> {
    let changed = in_bucket(host, name, async |host, bucket| match change {
        Change::Set(value) => store::HostBucket::set(host, bucket, key, value).await,
        Change::Add(delta) => atomics::Host::increment(host, bucket, key, delta).await.map(|result| result.map(|_| ())),
        Change::Delete => store::HostBucket::delete(host, bucket, key).await,
    });
    changed.await
}

/// Opens a bucket for one call. What is refused will be so the next time, too.
async fn in_bucket<T>(
    host: &mut Host,
    name: &str,
    call: impl AsyncFnOnce(&mut Host, Resource<Bucket>) -> wasmtime::Result<Result<T, store::Error>>,
) -> Result<Result<T, wit::Failure>, Broken> {
    let opened = store::Host::open(host, name.to_owned()).map_err(Broken::Trap)?;
    let done = match opened {
        Err(error) => Err(error),
        Ok(bucket) => {
            let place = bucket.rep();
            let done = call(host, bucket).await;
            store::HostBucket::drop(host, Resource::new_own(place)).await.map_err(Broken::Trap)?;
            done.map_err(Broken::Trap)?
        }
    };
    Ok(done.map_err(|error| {
        wit::Failure::Permanent(match error {
            store::Error::Other(why) => why,
            store::Error::NoSuchStore | store::Error::AccessDenied => {
                format!("bucket `{}` is not granted; add it to the handler's `allow.keyvalue`", name.escape_debug())
            }
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::Content;

    #[test]
    fn a_value_is_text_where_it_can_be_and_base64_where_it_cannot() {
        let written = |value: Option<&[u8]>| serde_json::to_string(&Content(value.map(<[u8]>::to_vec))).unwrap();
        assert_eq!(written(None), "null");
        assert_eq!(written(Some(b"")), "\"\"");
        assert_eq!(written(Some("7 \"h\u{e9}\"".as_bytes())), "\"7 \\\"h\u{e9}\\\"\"");
        assert_eq!(written(Some(&[0xff, 0])), r#"{"base64":"/wA="}"#);
    }
}
