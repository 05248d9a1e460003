//! Compiled plugins on disk, so that a start compiles nothing that was compiled before. Only what this user's own runners
//! wrote is read, and of it only what is whole and was made by this very engine.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::kept::{own_folder, replace, surplus, touch};

/// Compiled plugins that are kept, and their bytes; those that were used least recently go first.
const MOST: usize = 64;
const MOST_BYTES: u64 = 1 << 30;

/// Bytes of the checksum that a file begins with.
const CHECKSUM: usize = 32;

/// The folder, for one engine.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// Version and settings of the engine. What another one compiled has another name.
    engine: u64,
}

impl Cache {
    /// Uses a folder, which is made if it is absent.
    ///
    /// # Errors
    /// When it cannot be made, or is not this user's alone: what is in it is executed.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> io::Result<Self> {
        own_folder(folder)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { folder: folder.to_owned(), engine: hasher.finish() })
    }

    /// What was compiled of these bytes, by this engine.
    pub(crate) fn get(&self, engine: &Engine, wasm: &[u8]) -> Option<Component> {
        let path = self.path(wasm);
        let file = fs::read(&path).ok()?;
        let component = whole(&file).and_then(|code| load(engine, code));
        if component.is_none() {
            tracing::warn!(path = %path.display(), "a compiled plugin is damaged; it is compiled anew");
            let _ = fs::remove_file(&path);
            return None;
        }
        touch(&path);
        component
    }

    /// Keeps what was compiled. A disk that is full costs the next start a compilation.
    pub(crate) fn put(&self, wasm: &[u8], component: &Component) {
        let written = component.serialize().map_err(io::Error::other).and_then(|code| {
            let mut file = Sha256::digest(&code).to_vec();
            file.extend(code);
            replace(&self.path(wasm), &file)
        });
        if let Err(error) = written {
            tracing::warn!(%error, folder = %self.folder.display(), "cannot keep a compiled plugin");
        }
        for path in surplus(&self.folder, |_| true, MOST, MOST_BYTES) {
            let _ = fs::remove_file(path);
        }
    }

    fn path(&self, wasm: &[u8]) -> PathBuf {
        self.folder.join(format!("{}-{:016x}", hex::encode(Sha256::digest(wasm)), self.engine))
    }
}

/// The code of a file, if it is what was written.
fn whole(file: &[u8]) -> Option<&[u8]> {
    let (checksum, code) = file.split_at_checked(CHECKSUM)?;
    (Sha256::digest(code).as_slice() == checksum).then_some(code)
}

/// None where the engine finds that another one made it.
fn load(engine: &Engine, code: &[u8]) -> Option<Component> {
    Engine::detect_precompiled(code)?;
    #[expect(
        unsafe_code,
        reason = "the bytes are what `Component::serialize` gave to a runner of this user: they are in a folder that nobody \
                  else may enter, and have the checksum that was written with them"
    )]
    // SAFETY: see the reason above; nothing that came over the network gets here.
    let loaded = unsafe { Component::deserialize(engine, code) };
    loaded.inspect_err(|error| tracing::debug!(%error, "a compiled plugin was refused")).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const WASM: &[u8] = b"\0asm\x0d\0\x01\0";

    fn engine() -> Engine {
        crate::engine::Engine::new().unwrap().wasm
    }

    fn only_file(folder: &Path) -> PathBuf {
        let [file] = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect::<Vec<_>>().try_into().unwrap();
        file
    }

    #[test]
    fn what_was_compiled_is_found_again_by_the_same_engine_only() {
        let (folder, engine) = (tempfile::tempdir().unwrap(), engine());
        let folder = folder.path().join("compiled");
        let cache = Cache::open(&folder, &engine).unwrap();
        assert!(cache.get(&engine, WASM).is_none());
        cache.put(WASM, &Component::new(&engine, WASM).unwrap());
        assert!(cache.get(&engine, WASM).is_some());
        assert!(cache.get(&engine, b"\0asm\x0d\0\x01\0\0").is_none(), "other bytes");
        let mut other = wasmtime::Config::new();
        other.epoch_interruption(false);
        let other = Engine::new(&other).unwrap();
        let cache_of_other = Cache::open(&folder, &other).unwrap();
        assert!(cache_of_other.get(&other, WASM).is_none());
        // Even if it had the right name, and a right checksum.
        fs::rename(only_file(&folder), cache_of_other.path(WASM)).unwrap();
        assert!(cache_of_other.get(&other, WASM).is_none());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "it is removed");
    }

    #[test]
    fn a_file_that_is_damaged_anywhere_is_ignored_and_removed() {
        let (folder, engine) = (tempfile::tempdir().unwrap(), engine());
        let folder = folder.path().join("compiled");
        let cache = Cache::open(&folder, &engine).unwrap();
        let component = Component::new(&engine, WASM).unwrap();
        for damage in [0, CHECKSUM, 1_000, usize::MAX] {
            cache.put(WASM, &component);
            let path = only_file(&folder);
            let mut file = fs::read(&path).unwrap();
            match file.get_mut(damage) {
                Some(byte) => *byte ^= 1,
                None => file.truncate(file.len() / 2),
            }
            fs::write(&path, file).unwrap();
            assert!(cache.get(&engine, WASM).is_none() && !path.exists(), "{damage}");
        }
        fs::write(cache.path(WASM), b"").unwrap();
        assert!(cache.get(&engine, WASM).is_none());
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_used() {
        let (folder, engine) = (tempfile::tempdir().unwrap(), engine());
        let path = folder.path().join("compiled");
        Cache::open(&path, &engine).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
        let refused = Cache::open(&path, &engine).unwrap_err().to_string();
        assert!(refused.contains("chmod 700"), "{refused}");
    }

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        for (name, age) in [("a", 30), ("b", 10), ("c", 20)] {
            let path = folder.path().join(name);
            fs::write(&path, [0; 100]).unwrap();
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
            fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        let names = |most, bytes| -> Vec<String> {
            let surplus = surplus(folder.path(), |_| true, most, bytes);
            surplus.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(3, 300), [""; 0]);
        assert_eq!(names(1, 300), ["c", "a"]);
        assert_eq!(names(3, 299), ["a"]);
    }
}
