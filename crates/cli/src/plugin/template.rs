//! The templates of `roomwire plugin new`: the examples, as they were when this binary was built.

use clap::builder::PossibleValuesParser;

/// The examples' name for their handler, in texts and paths; a new one has its own in its place.
pub(super) const NAME: &str = "greeter";

/// One language.
pub(super) struct Template {
    /// What `--lang` calls it.
    pub(super) language: &'static str,
    /// What people call it.
    pub(super) title: &'static str,
    /// What must be installed to build it.
    pub(super) needs: &'static str,
    files: &'static [(&'static str, &'static str)],
}

macro_rules! example {
    ($path:literal) => {
        include_str!(concat!("../../../../examples/", $path))
    };
}

const TEMPLATES: [Template; 3] = [
    Template {
        language: "rust",
        title: "Rust",
        needs: "Rust by rustup with the target wasm32-wasip2",
        files: &[
            ("Cargo.toml", example!("command-rust/Cargo.toml")),
            ("Cargo.lock", example!("command-rust/Cargo.lock")),
            ("src/main.rs", example!("command-rust/src/main.rs")),
            ("build", example!("command-rust/build")),
            (".gitignore", "/target\n/greeter.wasm\n"),
        ],
    },
    Template {
        language: "c",
        title: "C",
        needs: "zig as the compiler: pip install ziglang==0.17.1",
        files: &[
            ("greeter.c", example!("command-c/greeter.c")),
            ("json.c", include_str!("../../../../plugins/sdk/c/json.c")),
            ("json.h", include_str!("../../../../plugins/sdk/c/json.h")),
            ("build", example!("command-c/build")),
            (".gitignore", "/greeter.wasm\n"),
        ],
    },
    Template {
        language: "javascript",
        title: "JavaScript",
        needs: "Python 3 with pip, and zig: pip install ziglang==0.17.1",
        files: &[
            ("greeter.js", example!("command-javascript/greeter.js")),
            ("runtime.c", example!("command-javascript/runtime.c")),
            ("quickjs.txt", example!("command-javascript/quickjs.txt")),
            ("build", example!("command-javascript/build")),
            (".gitignore", "/obj\n/greeter.wasm\n"),
        ],
    },
];

/// The tests that every template comes with: their handlers do the same.
const TESTS: [(&str, &str); 2] = [
    ("tests/joined.json", include_str!("../../templates/tests/joined.json")),
    ("tests/room-started.json", include_str!("../../templates/tests/room-started.json")),
];

/// What `--lang` takes.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(TEMPLATES.iter().map(|template| template.language))
}

pub(super) fn find(language: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|template| template.language == language)
}

impl Template {
    /// Paths and texts. What an example takes from elsewhere in a clone is beside it here.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, String)> {
        let files = self.files.iter().chain(&TESTS);
        files.map(|(path, text)| (*path, if *path == "build" { alone(text) } else { (*text).to_owned() }))
    }
}

/// A build script of an example without what it finds in a clone.
fn alone(script: &str) -> String {
    let lines = script.lines().filter(|line| !line.contains("/.tools/"));
    let mut script = lines.collect::<Vec<_>>().join("\n").replace("../../plugins/sdk/c", ".");
    script.push('\n');
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_template_needs_a_clone_around_it() {
        for template in &TEMPLATES {
            let files: Vec<_> = template.files().collect();
            assert!(files.iter().any(|(path, _)| *path == "build"), "{}", template.language);
            for (path, text) in files {
                assert!(!text.contains("../.."), "{}: {path}", template.language);
            }
        }
    }
}
