//! Two scenarios for handlers in every language, run unchanged against a guest of each: only the guest differs.
//!
//! What goes in and what must come out is in `e2e/conformance`. `greeter.json` is what every handler does, and runs against
//! the examples; `roll-call.json` uses each capability of the host, and runs against the guests of `plugins/conformance`.

mod greeter;
mod place;
mod roll_call;
mod scenario;
mod system;

use anyhow::Result;

use greeter::{Greeter, Language};
use roll_call::Guest;
use scenario::Scenario;

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_rust_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "rust", source: "src/lib.rs" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_go_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "go", source: "greeter.go" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_typescript_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "typescript", source: "src/greeter.ts" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_javascript_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "javascript", source: "greeter.js" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_python_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "python", source: "greeter.py" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_c_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "c", source: "greeter.c" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_in_rust_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "command-rust", source: "src/main.rs" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_in_go_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "command-go", source: "greeter.go" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_in_c_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "command-c", source: "greeter.c" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_in_javascript_does_what_a_handler_in_every_language_does() -> Result<()> {
    conforms(Language { folder: "command-javascript", source: "greeter.js" }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_in_compiled_languages_have_each_capability_of_the_host() -> Result<()> {
    roll_call::answer(&[
        Guest::component("rust", "src/lib.rs"),
        Guest::component("go", "roll_call.go"),
        Guest::component("c", "roll_call.c"),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_in_scripting_languages_have_each_capability_of_the_host() -> Result<()> {
    roll_call::answer(&[
        Guest::component("typescript", "src/roll-call.ts"),
        Guest::component("javascript", "roll-call.js"),
        Guest::component("python", "roll_call.py"),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_have_each_capability_that_needs_no_answer_while_they_run() -> Result<()> {
    roll_call::answer(&[
        Guest::command("command-rust", "src/main.rs"),
        Guest::command("command-go", "roll_call.go"),
        Guest::command("command-c", "roll_call.c"),
        Guest::command("command-javascript", "roll-call.js"),
    ])
    .await
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
