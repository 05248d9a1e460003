//! A program for WASI 0.1 as a component. The standard adapter makes of every exit code but 0 a mere "failed", so the exit goes
//! past it: straight to an import of our own.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasm_encoder::{ImportSection, Module, RawSection};
use wasmparser::{ImportSectionReader, Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use super::NoCommand;

/// Where a program's exit goes.
pub(crate) const EXIT: &str = "roomwire:command/exit@0.1.0";
pub(crate) const EXIT_WITH_CODE: &str = "exit-with-code";

const WIT: &str = "
    package roomwire:command@0.1.0;
    interface exit { exit-with-code: func(code: u32); }
    world program { import exit; }
";

/// Makes a component of a module that exports `_start`.
///
/// # Errors
/// If it imports what WASI 0.1 does not have.
pub(super) fn wrap(module: &[u8]) -> Result<Vec<u8>, NoCommand> {
    let module = redirected(module)?;
    ComponentEncoder::default()
        .module(&module)
        .and_then(|it| it.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER))
        .and_then(|mut it| it.encode())
        .map_err(|error| NoCommand::Wrap(format!("{error:#}")))
}

/// The module with its import of `proc_exit` under the new name: both have the same type. Nothing else of it moves, as debug
/// information counts from the start of the code.
fn redirected(module: &[u8]) -> Result<Vec<u8>, NoCommand> {
    let (mut rewritten, mut exits) = (Module::new(), false);
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(NoCommand::Parse)? {
            Payload::ImportSection(imports) => {
                rewritten.section(&renamed(imports, &mut exits)?);
            }
            payload => {
                if let Some((id, range)) = payload.as_section() {
                    rewritten.section(&RawSection { id, data: module.get(range).unwrap_or_default() });
                }
            }
        }
    }
    let mut rewritten = rewritten.finish();
    if exits {
        let typed = |error| NoCommand::Wrap(format!("{error:#}"));
        let mut resolve = Resolve::default();
        let package = resolve.push_str("exit.wit", WIT).map_err(typed)?;
        let world = resolve.select_world(&[package], Some("program")).map_err(typed)?;
        wit_component::embed_component_metadata(&mut rewritten, &resolve, world, StringEncoding::UTF8)
            .map_err(typed)?;
    }
    Ok(rewritten)
}

fn renamed(imports: ImportSectionReader<'_>, exits: &mut bool) -> Result<ImportSection, NoCommand> {
    let mut section = ImportSection::new();
    for import in imports.into_imports() {
        let import = import.map_err(NoCommand::Parse)?;
        let kind = RoundtripReencoder.entity_type(import.ty).map_err(|error| NoCommand::Wrap(error.to_string()))?;
        if (import.module, import.name) == (WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, "proc_exit") {
            *exits = true;
            section.import(EXIT, EXIT_WITH_CODE, kind);
        } else {
            section.import(import.module, import.name, kind);
        }
    }
    Ok(section)
}
