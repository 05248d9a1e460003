//! What the binary says of itself, and how it ends.

use crate::call::Place;

#[test]
fn help_names_every_command_and_what_all_of_them_take() {
    let called = Place::new().call(&["--help"]);
    assert_eq!((called.code, called.stderr.as_str()), (0, ""));
    for word in [
        "up",
        "config",
        "events",
        "dlq",
        "handler",
        "spool",
        "quarantine",
        "plugin",
        "deploy",
        "rollback",
        "status",
        "sim",
        "--config",
        "--nats",
        "--data",
        "--output",
        "--log-format",
    ] {
        assert!(called.stdout.lines().any(|line| line.trim_start().starts_with(word)), "{word}: {}", called.stdout);
    }
}

#[test]
fn up_says_what_its_flags_do() {
    let called = Place::new().call(&["up", "--help"]);
    assert_eq!(called.code, 0);
    for flag in ["--config", "--data", "--listen", "--admin", "--nats", "--demo", "--exit-after-demo", "--ready-file"] {
        assert!(called.stdout.contains(flag), "{flag}: {}", called.stdout);
    }
}

#[test]
fn a_wrong_command_line_ends_with_64_and_words_on_stderr() {
    for arguments in [&["upp"][..], &[], &["up", "--listen", "here"], &["dlq", "redrive"]] {
        let called = Place::new().call(arguments);
        assert_eq!((called.code, called.stdout.as_str()), (64, ""), "{arguments:?}");
        assert!(!called.stderr.is_empty());
    }
}

#[test]
fn the_version_is_told() {
    let called = Place::new().call(&["--version"]);
    assert_eq!((called.code, called.stdout), (0, format!("roomwire {}\n", env!("CARGO_PKG_VERSION"))));
}
