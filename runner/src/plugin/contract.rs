//! Which of the two contracts a file is written for, and the component that is made of it.

mod finish;
mod go;
mod wrap;

pub use finish::{FinishError, finish};
pub(crate) use wrap::{EXIT, EXIT_WITH_CODE};

use std::borrow::Cow;

use wasmparser::{Parser, Payload};

/// How a plugin is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contract {
    /// A component with the exports of the world `plugin`.
    Component,
    /// A program: the event on stdin, effects on stdout, its end in the exit code.
    Command,
}

/// A core module that is no command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoCommand {
    /// It is what a component is made of.
    #[error(
        "it is the core of a component; finish it with `roomwire plugin component CORE GOAL`, or \
         build it for wasm32-wasip2"
    )]
    Core,
    /// The adapter has to grow the memory for itself, and Go's allocator takes what is grown for its own.
    #[error(
        "it is a Go program that leaves the adapter for WASI 0.1 no memory; add `import _ \"roomwire/command\"` to it, the package \
         in plugins/sdk/go/command"
    )]
    Go,
    /// It cannot be started.
    #[error("it exports no `_start`; build it as a program for WASI, or as a component against wit/")]
    NoStart,
    /// It imports what WASI 0.1 does not have.
    #[error("it is no program for WASI 0.1: {0}")]
    Wrap(String),
    /// It is no module.
    #[error("it cannot be read as wasm")]
    Parse(#[source] wasmparser::BinaryReaderError),
}

/// The component of a file: a program for WASI 0.1 is wrapped with the standard adapter, all else is as it is.
///
/// # Errors
/// If it is a core module that cannot be run as a program.
pub(crate) fn component(bytes: &[u8]) -> Result<Cow<'_, [u8]>, NoCommand> {
    // Bytes 4 to 8 are the version: 1 is a core module, the others are layers of the component model.
    if !bytes.starts_with(b"\0asm\x01\0\0\0") {
        return Ok(Cow::Borrowed(bytes));
    }
    match judge(bytes)? {
        Made::ByGo => wrap::wrap(&go::with_stack(bytes)?),
        Made::ByOthers => wrap::wrap(bytes),
    }
    .map(Cow::Owned)
}

/// Whose compiler made a program.
enum Made {
    ByGo,
    ByOthers,
}

/// Tells a program from other modules, as the wrapper's own words would not help an author.
fn judge(module: &[u8]) -> Result<Made, NoCommand> {
    let (mut starts, mut lends, mut by_go) = (false, false, false);
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(NoCommand::Parse)? {
            Payload::ExportSection(exports) => {
                for export in exports {
                    let name = export.map_err(NoCommand::Parse)?.name;
                    starts |= name == "_start";
                    lends |= name == go::LEND;
                }
            }
            Payload::CustomSection(section) if section.name().starts_with("component-type") => {
                return Err(NoCommand::Core);
            }
            Payload::CustomSection(section) => by_go |= section.name() == "go:buildid",
            _ => {}
        }
    }
    match (starts, by_go, lends) {
        (_, true, false) => Err(NoCommand::Go),
        (false, ..) => Err(NoCommand::NoStart),
        (true, true, true) => Ok(Made::ByGo),
        (true, false, _) => Ok(Made::ByOthers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty core module, with custom sections.
    fn module(sections: &[&str]) -> Vec<u8> {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        for name in sections {
            let length = u8::try_from(name.len()).unwrap();
            bytes.extend([0, length + 1, length]);
            bytes.extend(name.as_bytes());
        }
        bytes
    }

    #[test]
    fn a_core_module_that_cannot_be_run_is_refused_with_what_to_build_instead() {
        let refused = |bytes: &[u8]| component(bytes).unwrap_err().to_string();
        assert!(refused(&module(&[])).contains("exports no `_start`"));
        assert!(refused(&module(&["name", "component-type:plugin"])).contains("core of a component"));
        assert!(refused(&module(&["go:buildid"])).contains("a Go program"));
        assert!(refused(b"\0asm\x01\0\0\0\x07\x05").contains("cannot be read"));
    }

    #[test]
    fn what_is_no_core_module_is_left_as_it_is() {
        let layer = b"\0asm\x0d\0\x01\0";
        assert!(matches!(component(layer), Ok(Cow::Borrowed(bytes)) if bytes == layer));
    }
}
