//! What a component imports and exports, which contract that is, and what of it does not fit.

use wasmtime::Engine;
use wasmtime::component::Component;

use super::{Contract, EXIT};

/// What a plugin of the first contract exports.
const HANDLER: &str = "roomwire:plugin/handler@0.1.0";

/// What a command exports; any release of WASI 0.2 will do.
const RUN: &str = "wasi:cli/run@0.2.";

/// Interfaces of WASI 0.2 that every plugin may import, in whatever release.
const WASI: [&str; 7] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];

/// All else that a plugin may import.
const OTHERS: [&str; 9] = [
    EXIT,
    "roomwire:plugin/event-types@0.1.0",
    "roomwire:plugin/effects@0.1.0",
    "roomwire:plugin/secrets@0.1.0",
    "roomwire:plugin/livekit@0.1.0",
    "wasi:logging/logging@0.1.0-draft",
    "wasi:config/store@0.2.0-rc.1",
    "wasi:keyvalue/store@0.2.0-draft2",
    "wasi:keyvalue/atomics@0.2.0-draft2",
];

/// The names that a component imports and exports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

impl Shape {
    pub(crate) fn of(component: &Component, engine: &Engine) -> Self {
        let kind = component.component_type();
        Self {
            imports: kind.imports(engine).map(|(name, _)| name.to_owned()).collect(),
            exports: kind.exports(engine).map(|(name, _)| name.to_owned()).collect(),
        }
    }

    /// The contract that the exports name. One that has both is a component: it was built against wit/.
    pub(crate) fn contract(&self) -> Option<Contract> {
        if self.exports.iter().any(|name| name == HANDLER) {
            return Some(Contract::Component);
        }
        self.exports.iter().any(|name| name.starts_with(RUN)).then_some(Contract::Command)
    }

    /// What does not fit, each in a line of words, as far as names tell.
    pub(crate) fn differences(&self) -> Vec<String> {
        let mut differences = Vec::new();
        if self.contract().is_none() {
            let exports = if self.exports.is_empty() { "nothing".to_owned() } else { listed(&self.exports) };
            differences.push(format!(
                "it exports {exports}, and neither `{HANDLER}` (a component) nor `wasi:cli/run@0.2` (a command)"
            ));
        }
        for name in self.imports.iter().filter(|name| !is_known(name)) {
            let hint = near(name).map(|near| format!("; there is `{near}`")).unwrap_or_default();
            differences.push(format!("it imports `{name}`, which no runner has{hint}"));
        }
        differences
    }

    /// What in a handler's YAML the imports may need. Some toolchains import all that there is, used or not.
    pub(crate) fn grants(&self) -> Vec<&'static str> {
        const GRANTS: [(&str, &str); 5] = [
            ("roomwire:plugin/effects@", "allow.publish"),
            ("roomwire:plugin/secrets@", "secrets"),
            ("roomwire:plugin/livekit@", "allow.livekit"),
            ("wasi:http/outgoing-handler@", "allow.http"),
            ("wasi:keyvalue/", "allow.keyvalue"),
        ];
        let imported = |start: &str| self.imports.iter().any(|name| name.starts_with(start));
        GRANTS.into_iter().filter(|(start, _)| imported(start)).map(|(_, grant)| grant).collect()
    }
}

fn is_known(import: &str) -> bool {
    let of_wasi = || {
        let (package, version) = import.strip_prefix("wasi:")?.split_once('/')?;
        Some(WASI.contains(&package) && version.split_once('@')?.1.starts_with("0.2."))
    };
    OTHERS.contains(&import) || of_wasi().unwrap_or(false)
}

/// The interface that is meant, in the version that there is.
fn near(import: &str) -> Option<&'static str> {
    let bare = |name: &str| name.split_once('@').map_or(name, |(bare, _)| bare).to_owned();
    OTHERS.into_iter().find(|known| bare(known) == bare(import))
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(imports: &[&str], exports: &[&str]) -> Shape {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Shape { imports: owned(imports), exports: owned(exports) }
    }

    #[test]
    fn the_exports_tell_the_contract_and_the_handler_goes_before_the_program() {
        assert_eq!(shape(&[], &[HANDLER]).contract(), Some(Contract::Component));
        assert_eq!(shape(&[], &["wasi:cli/run@0.2.6"]).contract(), Some(Contract::Command));
        assert_eq!(shape(&[], &["wasi:cli/run@0.2.0", HANDLER]).contract(), Some(Contract::Component));
        assert_eq!(shape(&[], &["wasi:cli/run@0.3.0"]).contract(), None);
        assert_eq!(shape(&[], &["roomwire:plugin/handler@0.2.0"]).contract(), None);
    }

    #[test]
    fn what_does_not_fit_is_said_by_name_with_what_there_is_instead() {
        let fits = shape(&["wasi:io/streams@0.2.6", "roomwire:plugin/effects@0.1.0"], &[HANDLER]);
        assert_eq!(fits.differences(), [""; 0]);
        let imports = ["wasi:http/types@0.3.0", "wasi:config/store@0.2.0-draft", "acme:db/query@1.0.0"];
        assert_eq!(
            shape(&imports, &[]).differences(),
            [
                "it exports nothing, and neither `roomwire:plugin/handler@0.1.0` (a component) nor `wasi:cli/run@0.2` (a command)",
                "it imports `wasi:http/types@0.3.0`, which no runner has",
                "it imports `wasi:config/store@0.2.0-draft`, which no runner has; there is `wasi:config/store@0.2.0-rc.1`",
                "it imports `acme:db/query@1.0.0`, which no runner has",
            ]
        );
    }

    #[test]
    fn the_imports_tell_the_grants() {
        let imports = [
            "wasi:keyvalue/store@0.2.0-draft2",
            "wasi:keyvalue/atomics@0.2.0-draft2",
            "wasi:http/outgoing-handler@0.2.12",
        ];
        assert_eq!(shape(&imports, &[HANDLER]).grants(), ["allow.http", "allow.keyvalue"]);
        assert_eq!(shape(&["wasi:http/types@0.2.12"], &[HANDLER]).grants(), [""; 0]);
    }
}
