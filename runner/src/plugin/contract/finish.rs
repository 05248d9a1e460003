//! A component of a core module that was built against the contract: by compilers that know of WASI 0.1 alone.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{Resolve, SourceMap, UnresolvedPackageGroup};

macro_rules! wit {
    ($($path:literal),* $(,)?) => { [$(($path, include_str!(concat!("../../../../wit/", $path)))),*] };
}

/// The package of the contract.
const CONTRACT: [(&str, &str); 6] =
    wit!["effects.wit", "event-types.wit", "handler.wit", "livekit.wit", "secrets.wit", "world.wit"];

/// The packages that it takes from others, each in one file.
const DEPENDENCIES: [(&str, &str); 10] = wit![
    "deps/cli.wit",
    "deps/clocks.wit",
    "deps/config.wit",
    "deps/filesystem.wit",
    "deps/http.wit",
    "deps/io.wit",
    "deps/keyvalue.wit",
    "deps/logging.wit",
    "deps/random.wit",
    "deps/sockets.wit",
];

/// No component can be made of it. The text has the cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FinishError(String);

impl FinishError {
    fn new(error: &dyn std::fmt::Display) -> Self {
        Self(format!("{error:#}"))
    }
}

/// Makes a component of a core module for WASI 0.1 that has the exports of the contract.
///
/// # Errors
/// If it is no core module, or exports or imports anything else.
pub fn finish(module: &[u8]) -> Result<Vec<u8>, FinishError> {
    let mut resolve = Resolve::default();
    let dependencies = DEPENDENCIES.iter().map(|file| group(std::slice::from_ref(file))).collect::<Result<_, _>>()?;
    let contract = resolve.push_groups(group(&CONTRACT)?, dependencies).map_err(|error| FinishError::new(&error))?;
    let world = resolve.select_world(&[contract], Some("plugin")).map_err(|error| FinishError::new(&error))?;
    let mut module = module.to_vec();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| FinishError::new(&error))?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|it| it.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER))
        .and_then(|mut it| it.encode())
        .map_err(|error| FinishError::new(&error))
}

fn group(files: &[(&str, &str)]) -> Result<UnresolvedPackageGroup, FinishError> {
    let mut sources = SourceMap::default();
    for (path, text) in files {
        sources.push_str(path, *text);
    }
    sources.parse().map_err(|(_, error)| FinishError::new(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_without_the_exports_of_the_contract_is_told_which_one_is_missing() {
        let error = finish(b"\0asm\x01\0\0\0").unwrap_err().to_string();
        assert!(error.contains("roomwire:plugin/handler@0.1.0"), "{error}");
        assert!(finish(b"no module").is_err());
    }
}
