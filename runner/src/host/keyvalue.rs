//! `wasi:keyvalue`: buckets of keys that are changed in the commit that settles the event, or not at all.

mod grant;
mod session;
mod uncommitted;

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::Resource;

use crate::bindings::wasi::keyvalue::{atomics, store};

use super::Host;

pub(crate) use grant::Grant;
pub(crate) use session::{Access, Session};
pub(crate) use uncommitted::Uncommitted;

use session::Trouble;

/// An open bucket.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct Bucket(Arc<Grant>);

/// A compare-and-swap: a key, what it held, and how often this invocation had changed it.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct Cas {
    grant: Arc<Grant>,
    key: String,
    current: Option<Bytes>,
    changes: u64,
}

type Answer<T> = wasmtime::Result<Result<T, store::Error>>;

/// What the guest is told; a failure of the store ends the call, so that the event runs again.
fn told<T>(result: Result<T, Trouble>) -> Answer<T> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Trouble::Refused(why)) => Ok(Err(store::Error::Other(why))),
        Err(Trouble::Failed(error)) => Err(error.into()),
    }
}

impl store::Host for Host {
    fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        let Some(grant) = self.grants.keyvalue.get(&identifier).cloned() else {
            let name: String = identifier.chars().take(80).collect();
            let name = name.escape_debug();
            self.calls.note(format!("bucket `{name}` is not granted; add it to the handler's `allow.keyvalue`"));
            return Ok(Err(store::Error::AccessDenied));
        };
        Ok(Ok(self.table.push(Bucket(grant))?))
    }
}

impl store::HostBucket for Host {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let grant = self.granted(&bucket)?;
        told(self.keyvalue.get(&grant, &key).await.map(|value| value.map(Vec::from)))
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let grant = self.granted(&bucket)?;
        told(self.keyvalue.set(&grant, &key, value.into()).await)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        let grant = self.granted(&bucket)?;
        told(self.keyvalue.delete(&grant, &key))
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        let grant = self.granted(&bucket)?;
        told(self.keyvalue.get(&grant, &key).await.map(|value| value.is_some()))
    }

    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<String>) -> Answer<store::KeyResponse> {
        let grant = self.granted(&bucket)?;
        let page = self.keyvalue.keys(&grant, cursor.as_deref().unwrap_or_default()).await;
        told(page.map(|(keys, cursor)| store::KeyResponse { keys, cursor }))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Host {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: i64) -> Answer<i64> {
        let grant = self.granted(&bucket)?;
        told(self.keyvalue.increment(&grant, &key, delta).await)
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let Cas { grant, key, changes, .. } = self.table.delete(cas)?;
        if self.keyvalue.changes(&grant, &key) != changes {
            let again = self.compare(grant, key).await;
            return match told(again)? {
                Ok(cas) => Ok(Err(atomics::CasError::CasFailed(self.table.push(cas)?))),
                Err(error) => Ok(Err(atomics::CasError::StoreError(error))),
            };
        }
        let set = told(self.keyvalue.set(&grant, &key, value.into()).await)?;
        Ok(set.map_err(atomics::CasError::StoreError))
    }
}

impl atomics::HostCas for Host {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Resource<Cas>> {
        let grant = self.granted(&bucket)?;
        match told(self.compare(grant, key).await)? {
            Ok(cas) => Ok(Ok(self.table.push(cas)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn current(&mut self, cas: Resource<Cas>) -> Answer<Option<Vec<u8>>> {
        Ok(Ok(self.table.get(&cas)?.current.clone().map(Vec::from)))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}

impl Host {
    fn granted(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<Arc<Grant>> {
        Ok(self.table.get(bucket)?.0.clone())
    }

    async fn compare(&mut self, grant: Arc<Grant>, key: String) -> Result<Cas, Trouble> {
        let current = self.keyvalue.get(&grant, &key).await?;
        let changes = self.keyvalue.changes(&grant, &key);
        Ok(Cas { grant, key, current, changes })
    }
}
