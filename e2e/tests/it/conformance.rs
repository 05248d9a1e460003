//! One scenario for handlers in every language, run unchanged against the greeter of each: only the guest differs.
//!
//! What goes in and what must come out is in `e2e/conformance/greeter.json`; the greeters are in `examples/`.

mod greeter;
mod scenario;

use anyhow::Result;

use greeter::{Greeter, Language};
use scenario::Scenario;

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_rust_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "rust", source: "src/lib.rs", place: "src/lib.rs:" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_go_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "go", source: "greeter.go", place: "greeter.go:" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_typescript_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "typescript", source: "src/greeter.ts", place: "src/greeter.ts:" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_python_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "python", source: "greeter.py", place: "greeter.py\", line " }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_c_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "c", source: "greeter.c", place: "greeter.c:" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_in_rust_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "command-rust", source: "src/main.rs", place: "src/main.rs:" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_in_go_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "command-go", source: "greeter.go", place: "greeter.go:" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_in_c_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "command-c", source: "greeter.c", place: "greeter.c:" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_in_javascript_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "command-javascript", source: "greeter.js", place: "greeter.js:" }).await
}

async fn conforms(language: Language) -> Result<()> {
    let scenario = Scenario::read()?;
    let greeter = Greeter::start(language, &scenario).await?;
    for case in &scenario.cases {
        greeter.post(case).await?;
    }
    for case in &scenario.cases {
        greeter.wait_end(case).await?;
    }
    let ended = greeter.end(&scenario).await?;
    ended.check_refused(&scenario);
    for case in &scenario.cases {
        ended.check_log(case);
        ended.check_published(case);
        ended.check_dead(case)?;
    }
    ended.check_nothing_else(&scenario);
    Ok(())
}
