//! With trusted keys in the configuration nothing unsigned runs, from wherever it comes.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::fixtures;

use super::super::site::{Site, WINDOW};
use super::{greet, sha256, smuggle, wait_standing};
use crate::rig::{Rig, handler};

/// The key that signed `echo.wasm.minisig` of the fixtures.
const KEY: &str = "RWRyd3Rlc3RzMYFYty2jPNP17OAAxXGC3Jbb+dkxU2LYtBoUquSTghkL";

/// A program that writes the value of its one config key to stdout.
fn echo(subject: &str) -> String {
    json!({ "publish": { "subject": subject, "data": "hello" } }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_trusted_key_has_signed_runs_from_a_file_and_from_the_registry() -> Result<()> {
    let rig = Rig::new(json!({}))?;
    let file = rig.path("echo.wasm");
    let wasm = fs::read(fixtures::path("guests/echo.wasm"))?;
    let signature = fixtures::path("guests/echo.wasm.minisig");
    fs::write(&file, &wasm)?;
    let of_file = handler("file", "behave", json!({ "k": echo("out.file") }), json!({ "plugin": "./echo.wasm" }))?;
    let mut of_registry = greet(json!({}))?;
    of_registry["config"] = json!({ "k": echo("out.registry") });
    let more = json!({ "plugins": { "trusted_keys": [KEY] } });
    let site = Site::start_with(rig, WINDOW, &[of_file, of_registry], more, "").await?;

    site.wait_activations("file", "refused", 1.0).await?;
    fs::copy(fixtures::path("guests/exit.wasm.minisig"), site.path("echo.wasm.minisig"))?;
    site.wait_activations("file", "refused", 2.0).await?;
    fs::copy(&signature, site.path("echo.wasm.minisig"))?;
    site.wait_activations("file", "taken", 1.0).await?;
    site.post("track_published", "blue", "EV_1").await?;
    site.wait_out("out.file", 1).await?;
    fs::remove_file(site.path("echo.wasm.minisig"))?;

    let path = file.display().to_string();
    let unsigned = site.refusal(&["plugin", "push", &path, "--name", "greet"]).await?;
    ensure!(unsigned.contains("runners would refuse") && unsigned.contains("it is not signed"), "{unsigned}");
    let wrong = fixtures::path("guests/exit.wasm.minisig").display().to_string();
    let wrong = site.refusal(&["plugin", "push", &path, "--name", "greet", "--signature", &wrong]).await?;
    ensure!(wrong.contains("of no key in `plugins.trusted_keys`, or of another file"), "{wrong}");
    // Somebody goes round the command line.
    wait_standing(&site, "greet", "waiting").await?;
    site.ask(&["plugin", "list"]).await?;
    let plugin = smuggle(&site, &sha256(&wasm), &wasm).await?;
    let refused = site.refusal(&["deploy", "greet", "--plugin", &plugin]).await?;
    ensure!(refused.contains("is not trusted: it is not signed"), "{refused}");
    ensure!(site.count(crate::rig::OUT, "out.registry").await? == 0, "an unsigned plugin ran");
    // The signature is added, and the same version may run.
    let signature = signature.display().to_string();
    let pushed = site.ask_one(&["plugin", "push", &path, "--name", "greet", "--signature", &signature]).await?;
    ensure!(pushed["plugin"] == plugin && pushed["signed"] == true, "{pushed}");
    site.ask_one(&["deploy", "greet", "--plugin", &plugin]).await?;
    site.wait_out("out.registry", 1).await?;
    site.end().await?;
    Ok(())
}
