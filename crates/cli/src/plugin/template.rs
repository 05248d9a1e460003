//! The templates of `roomwire plugin new`: the examples, as they were when this binary was built, with the library of their
//! language beside them.

mod languages;
mod library;

use clap::builder::PossibleValuesParser;

use languages::TEMPLATES;

/// The examples' name for their handler, in texts and paths; a new one has its own in its place.
pub(super) const NAME: &str = "greeter";

/// How a template's handler is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Contract {
    /// A component with the exports of wit/
    Component,
    /// A program: the event on stdin, lines on stdout
    Command,
}

impl Contract {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Command => "command",
        }
    }
}

/// One language, by one contract.
pub(super) struct Template {
    /// What `--lang` calls it.
    pub(super) language: &'static str,
    pub(super) contract: Contract,
    /// What people call it.
    pub(super) title: &'static str,
    /// What must be installed to build it.
    pub(super) needs: &'static str,
    /// Folders of the libraries that it is built with.
    library: &'static [&'static str],
    files: &'static [(&'static str, &'static str)],
}

/// What every template comes with: their handlers do the same.
const SHARED: [(&str, &str); 3] = [
    ("roomwire.yaml", include_str!("../../templates/roomwire.yaml")),
    ("tests/joined.json", include_str!("../../templates/tests/joined.json")),
    ("tests/room-started.json", include_str!("../../templates/tests/room-started.json")),
];

/// What `--lang` takes.
pub(super) fn names() -> PossibleValuesParser {
    let mut names: Vec<_> = TEMPLATES.iter().map(|template| template.language).collect();
    names.dedup();
    PossibleValuesParser::new(names)
}

/// The template of a language: that by this contract, or else the one that is proposed to beginners.
///
/// # Errors
/// If there is none, with what there is.
pub(super) fn find(language: &str, contract: Option<Contract>) -> Result<&'static Template, String> {
    let of_language = || TEMPLATES.iter().filter(move |template| template.language == language);
    let fits = |template: &&Template| contract.is_none_or(|contract| template.contract == contract);
    of_language().find(fits).ok_or_else(|| {
        let there: Vec<_> =
            of_language().map(|template| format!("`--contract {}`", template.contract.name())).collect();
        format!("there is no such template in {language}; it has {}", there.join(" and "))
    })
}

impl Template {
    /// Paths and texts under a handler's name. What an example takes from elsewhere in a clone is beside it here.
    pub(super) fn files(&self, name: &str) -> Vec<(String, String)> {
        let own = self.files.iter().chain(&SHARED).map(|(path, text)| {
            let text = if *path == "build" { self.script(text) } else { library::beside(text, self.language) };
            (path.replace(NAME, name), text.replace(NAME, name))
        });
        own.chain(library::files(self.library)).chain([("README.md".to_owned(), self.readme(name))]).collect()
    }

    /// A build script of an example without what it finds in a clone, and with what it needs.
    fn script(&self, script: &str) -> String {
        let mut lines: Vec<_> = script.lines().filter(|line| !line.contains("/.tools/")).map(str::to_owned).collect();
        let needs = format!("{}{}", super::build::NEEDS, self.needs);
        lines.insert(lines.len().min(1), needs);
        let script = lines.join("\n") + "\n";
        let finish = "\"${ROOMWIRE:-roomwire}\" plugin component";
        let script = script.replace("\"$sdk/component\"", finish).replace("../../plugins/sdk/component", finish);
        // A Python module cannot have every name that a handler can.
        let script = script.replace("componentize greeter", "componentize app");
        // What is installed for a handler that has the library in its folder is installed for both.
        let script = script.replace("in . ../../plugins/sdk/typescript", "in .");
        library::beside(&script, self.language)
    }

    fn readme(&self, name: &str) -> String {
        let Self { title, needs, contract, .. } = self;
        let contract = contract.name();
        format!(
            "# {name}\n\nA handler for Roomwire in {title}, a {contract}: it greets everybody who joins a room.\n\n\
             It is built with {needs}. What it uses of Roomwire is in this folder, too.\n\n    \
             roomwire plugin build .                       # {name}.wasm\n    \
             roomwire plugin test {name}.wasm              # the events in tests/, and what must become of them\n    \
             roomwire plugin run {name}.wasm --event participant_joined --set subject=greetings.all\n    \
             roomwire up --config roomwire.yaml            # live; each build is swapped in\n    \
             roomwire plugin dev --handler {name} .        # in another terminal: builds whenever a source changes\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_template_needs_a_clone_around_it() {
        for template in &TEMPLATES {
            let files = template.files("mine");
            assert!(files.iter().any(|(path, _)| path == "build"), "{}", template.language);
            for (path, text) in files {
                assert!(
                    !text.contains("../../plugins") && !text.contains("../../wit"),
                    "{}: {path}",
                    template.language
                );
            }
        }
    }

    #[test]
    fn the_lock_file_of_npm_has_the_packages_of_the_library_too() {
        let files = find("typescript", None).unwrap().files("mine");
        let text = |wanted: &str| files.iter().find(|(path, _)| path == wanted).map(|(_, text)| text.as_str());
        let lock: serde_json::Value = serde_json::from_str(text("package-lock.json").unwrap()).unwrap();
        for package in ["sdk/typescript", "node_modules/typescript", "sdk/typescript/node_modules/esbuild"] {
            assert!(lock["packages"][package]["version"].is_string(), "{package}");
        }
        assert!(text("build").unwrap().contains("for package in .; do"));
        assert_eq!(text("sdk/typescript/package-lock.json"), None);
    }

    #[test]
    fn a_language_without_the_contract_names_those_that_it_has() {
        assert_eq!(find("rust", None).unwrap().contract, Contract::Command);
        assert_eq!(find("rust", Some(Contract::Component)).unwrap().contract, Contract::Component);
        assert_eq!(find("go", None).unwrap().contract, Contract::Component);
        let refused = find("python", Some(Contract::Command)).err().unwrap();
        assert_eq!(refused, "there is no such template in python; it has `--contract component`");
    }
}
