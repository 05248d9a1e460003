//! `wasi:keyvalue`: denied as long as no handler can be granted a bucket, so no bucket is ever opened.

use wasmtime::component::Resource;

use crate::bindings::wasi::keyvalue::{atomics, store};

use super::Host;

/// An open bucket. There is none: opening is denied.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub enum Bucket {}

/// A compare-and-swap handle. There is none, as there is no bucket.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub enum Cas {}

type Denied<T> = wasmtime::Result<Result<T, store::Error>>;

impl store::Host for Host {
    fn open(&mut self, _identifier: String) -> Denied<Resource<Bucket>> {
        Ok(Err(store::Error::AccessDenied))
    }
}

impl store::HostBucket for Host {
    fn get(&mut self, _bucket: Resource<Bucket>, _key: String) -> Denied<Option<Vec<u8>>> {
        Ok(Err(store::Error::AccessDenied))
    }

    fn set(&mut self, _bucket: Resource<Bucket>, _key: String, _value: Vec<u8>) -> Denied<()> {
        Ok(Err(store::Error::AccessDenied))
    }

    fn delete(&mut self, _bucket: Resource<Bucket>, _key: String) -> Denied<()> {
        Ok(Err(store::Error::AccessDenied))
    }

    fn exists(&mut self, _bucket: Resource<Bucket>, _key: String) -> Denied<bool> {
        Ok(Err(store::Error::AccessDenied))
    }

    fn list_keys(&mut self, _bucket: Resource<Bucket>, _cursor: Option<String>) -> Denied<store::KeyResponse> {
        Ok(Err(store::Error::AccessDenied))
    }

    fn drop(&mut self, _bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl atomics::Host for Host {
    fn increment(&mut self, _bucket: Resource<Bucket>, _key: String, _delta: i64) -> Denied<i64> {
        Ok(Err(store::Error::AccessDenied))
    }

    fn swap(&mut self, _cas: Resource<Cas>, _value: Vec<u8>) -> wasmtime::Result<Result<(), atomics::CasError>> {
        Ok(Err(atomics::CasError::StoreError(store::Error::AccessDenied)))
    }
}

impl atomics::HostCas for Host {
    fn new(&mut self, _bucket: Resource<Bucket>, _key: String) -> Denied<Resource<Cas>> {
        Ok(Err(store::Error::AccessDenied))
    }

    fn current(&mut self, _cas: Resource<Cas>) -> Denied<Option<Vec<u8>>> {
        Ok(Err(store::Error::AccessDenied))
    }

    fn drop(&mut self, _cas: Resource<Cas>) -> wasmtime::Result<()> {
        Ok(())
    }
}
