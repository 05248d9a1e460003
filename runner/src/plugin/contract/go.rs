//! Programs of Go. The adapter asks the program for memory before it is started, when Go's runtime has no stack yet and
//! would call that a mistake; so the function that lends memory is given a stack for as long as it has none.

use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasm_encoder::{BlockType, CodeSection, ExportSection, Function, FunctionSection, Module, RawSection, ValType};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

use super::NoCommand;

/// What the package plugins/sdk/go/command exports.
pub(super) const LEND: &str = "cabi_realloc";

/// Where its stack ends that early: Go keeps the first 12 KiB of memory free, for arguments that come by other ways here.
const STACK: i32 = 8 << 10;

/// Go's stack pointer.
const SP: u32 = 0;

/// The function that lends memory, by index and type, and how many functions there are before it gets another one in front.
struct Lender {
    index: u32,
    kind: u32,
    functions: u32,
}

/// The module with another function under the name of the one that lends memory: it sees to the stack and calls that one.
///
/// # Errors
/// If the module is not as Go makes them.
pub(super) fn with_stack(module: &[u8]) -> Result<Vec<u8>, NoCommand> {
    let lender = find(module)?;
    let mut rewritten = Module::new();
    let mut code = CodeSection::new();
    let mut bodies = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(NoCommand::Parse)? {
            Payload::FunctionSection(functions) => {
                let mut section = FunctionSection::new();
                for kind in functions {
                    section.function(kind.map_err(NoCommand::Parse)?);
                }
                rewritten.section(section.function(lender.kind));
            }
            Payload::ExportSection(exports) => {
                let mut section = ExportSection::new();
                for export in exports {
                    let export = export.map_err(NoCommand::Parse)?;
                    let index = if export.name == LEND { lender.functions } else { export.index };
                    let kind = RoundtripReencoder.export_kind(export.kind).map_err(strange)?;
                    section.export(export.name, kind, index);
                }
                rewritten.section(&section);
            }
            Payload::CodeSectionStart { count, .. } => bodies = count,
            Payload::CodeSectionEntry(body) => {
                code.raw(body.as_bytes());
                if code.len() == bodies {
                    rewritten.section(code.function(&lend(&lender)));
                }
            }
            payload => {
                if let Some((id, range)) = payload.as_section() {
                    rewritten.section(&RawSection { id, data: module.get(range).unwrap_or_default() });
                }
            }
        }
    }
    Ok(rewritten.finish())
}

/// `if SP { lend(…) } else { SP = STACK; lend(…); SP = 0 }`
fn lend(lender: &Lender) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    let call = |code: &mut wasm_encoder::InstructionSink<'_>| {
        code.local_get(0).local_get(1).local_get(2).local_get(3).call(lender.index);
    };
    code.global_get(SP).if_(BlockType::Result(ValType::I32));
    call(&mut code);
    code.else_().i32_const(STACK).global_set(SP);
    call(&mut code);
    code.i32_const(0).global_set(SP).end().end();
    function
}

fn find(module: &[u8]) -> Result<Lender, NoCommand> {
    let (mut imported, mut kinds, mut index, mut stack) = (0, Vec::new(), None, false);
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(NoCommand::Parse)? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += u32::from(matches!(import.map_err(NoCommand::Parse)?.ty, TypeRef::Func(_)));
                }
            }
            Payload::FunctionSection(functions) => {
                kinds = functions.into_iter().collect::<Result<Vec<u32>, _>>().map_err(NoCommand::Parse)?;
            }
            Payload::GlobalSection(globals) => {
                let first = globals.into_iter().next().transpose().map_err(NoCommand::Parse)?;
                stack = first.is_some_and(|it| it.ty.mutable && it.ty.content_type == wasmparser::ValType::I32);
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export.map_err(NoCommand::Parse)?;
                    if export.name == LEND && export.kind == ExternalKind::Func {
                        index = Some(export.index);
                    }
                }
            }
            _ => {}
        }
    }
    let own = index.and_then(|index| index.checked_sub(imported)).and_then(|own| usize::try_from(own).ok());
    let kind = own.and_then(|own| kinds.get(own).copied());
    let functions = u32::try_from(kinds.len()).ok().map(|own| own.saturating_add(imported));
    match (index, kind, functions) {
        (Some(index), Some(kind), Some(functions)) if stack => Ok(Lender { index, kind, functions }),
        _ => Err(strange("its stack pointer is not where Go has it")),
    }
}

fn strange(error: impl std::fmt::Display) -> NoCommand {
    NoCommand::Wrap(error.to_string())
}

#[cfg(test)]
mod tests {
    use wasm_encoder::ExportKind;

    use super::*;

    /// A module with one function, which takes and gives as the one that lends does.
    fn module(stack: bool) -> Vec<u8> {
        let mut types = wasm_encoder::TypeSection::new();
        types.ty().function([ValType::I32; 4], [ValType::I32]);
        let mut globals = wasm_encoder::GlobalSection::new();
        if stack {
            let kind = wasm_encoder::GlobalType { val_type: ValType::I32, mutable: true, shared: false };
            globals.global(kind, &wasm_encoder::ConstExpr::i32_const(0));
        }
        let mut body = Function::new([]);
        body.instructions().local_get(3).end();
        let mut module = Module::new();
        module.section(&types).section(FunctionSection::new().function(0)).section(&globals);
        module.section(ExportSection::new().export(LEND, ExportKind::Func, 0));
        module.section(CodeSection::new().function(&body));
        module.finish()
    }

    #[test]
    fn the_function_that_lends_memory_is_called_through_one_that_sees_to_the_stack() {
        let rewritten = with_stack(&module(true)).unwrap();
        let (mut bodies, mut exported) = (0, None);
        for payload in Parser::new(0).parse_all(&rewritten) {
            match payload.unwrap() {
                Payload::CodeSectionEntry(_) => bodies += 1,
                Payload::ExportSection(exports) => exported = exports.into_iter().next().map(|it| it.unwrap().index),
                _ => {}
            }
        }
        assert_eq!((bodies, exported), (2, Some(1)));
    }

    #[test]
    fn a_module_that_has_no_stack_pointer_where_go_has_it_is_refused() {
        let error = with_stack(&module(false)).unwrap_err().to_string();
        assert!(error.contains("its stack pointer is not where Go has it"), "{error}");
    }
}
