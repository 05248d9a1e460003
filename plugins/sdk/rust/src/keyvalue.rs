//! Keys that `allow.keyvalue` grants. What a call changes is committed with the end of its event; of a call that fails
//! nothing is changed. Each room sees keys of its own, unless the bucket's `scope` is `shared`.

use std::fmt;

use crate::bindings::wasi::keyvalue::{atomics, store};

/// An open bucket.
#[derive(Debug)]
pub struct Bucket {
    bucket: store::Bucket,
    name: String,
}

/// Opens a bucket.
///
/// # Errors
/// If it is not granted.
pub fn open(name: &str) -> Result<Bucket, KeysError> {
    let bucket = store::open(name).map_err(|error| KeysError::new(name, error))?;
    Ok(Bucket { bucket, name: name.to_owned() })
}

impl Bucket {
    /// The value of a key, if it is there.
    ///
    /// # Errors
    /// If the host refuses the key.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeysError> {
        self.bucket.get(key).map_err(|error| self.error(error))
    }

    /// Sets a key, over whatever it held.
    ///
    /// # Errors
    /// If key or value is too large, or the bucket is full.
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), KeysError> {
        self.bucket.set(key, value.as_ref()).map_err(|error| self.error(error))
    }

    /// Removes a key; one that is not there is no error.
    ///
    /// # Errors
    /// If the host refuses the key.
    pub fn delete(&self, key: &str) -> Result<(), KeysError> {
        self.bucket.delete(key).map_err(|error| self.error(error))
    }

    /// Whether a key is there.
    ///
    /// # Errors
    /// If the host refuses the key.
    pub fn exists(&self, key: &str) -> Result<bool, KeysError> {
        self.bucket.exists(key).map_err(|error| self.error(error))
    }

    /// Adds to the decimal number in a key, 0 where it is not there, and gives the sum.
    ///
    /// # Errors
    /// If the key holds something else, or the sum is more than 64 bits can hold.
    pub fn add(&self, key: &str, delta: i64) -> Result<i64, KeysError> {
        atomics::increment(&self.bucket, key, delta).map_err(|error| self.error(error))
    }

    /// All keys, in order.
    ///
    /// # Errors
    /// If the host refuses.
    pub fn keys(&self) -> Result<Vec<String>, KeysError> {
        let (mut keys, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.bucket.list_keys(cursor.as_deref()).map_err(|error| self.error(error))?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }

    fn error(&self, error: store::Error) -> KeysError {
        KeysError::new(&self.name, error)
    }
}

/// What the host refused. With `?` it becomes a permanent failure of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysError {
    text: String,
}

impl KeysError {
    fn new(bucket: &str, error: store::Error) -> Self {
        let text = match error {
            store::Error::NoSuchStore => format!("there is no bucket `{bucket}`"),
            store::Error::AccessDenied => {
                format!("bucket `{bucket}` is not granted; add it to the handler's `allow.keyvalue`")
            }
            store::Error::Other(text) => text,
        };
        Self { text }
    }
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for KeysError {}
