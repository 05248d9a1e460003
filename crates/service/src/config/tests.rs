//! What a configuration says, and what is said about a wrong one.

use std::path::Path;

use super::*;

const FILE: &str = "conf/roomwire.yaml";

fn read(text: &str) -> Config {
    parse(text, Path::new(FILE)).unwrap_or_else(|error| panic!("{error}"))
}

/// The words of a refusal.
fn refused(text: &str) -> String {
    parse(text, Path::new(FILE)).unwrap_err().to_string()
}

fn handler(lines: &str) -> String {
    let mut text = "handlers:\n  - name: meter\n    plugin: ./meter.wasm\n    on: [participant_joined]\n".to_owned();
    for line in lines.lines() {
        text.extend(["    ", line, "\n"]);
    }
    text
}

mod errors;
mod grants;
mod keys;
mod schema;
mod values;
