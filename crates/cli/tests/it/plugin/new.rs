//! `roomwire plugin new`: each template is built outside of a clone, fits, and passes its own tests.

use testkit::workspace;

use crate::call::Place;

/// Where `scripts/languages` has put the compilers, and what is to be had of the machine.
fn path() -> String {
    let own = workspace().join(".tools/languages/python/bin");
    format!("{}:{}", own.display(), std::env::var("PATH").unwrap())
}

fn works(language: &str) {
    let place = Place::new();
    let called = place.call(&["plugin", "new", "--lang", language, "my-greeter"]);
    assert_eq!(called.code, 0, "{}", called.stderr);
    assert!(called.stdout.contains("roomwire plugin build ./my-greeter"), "{}", called.stdout);
    let built = place
        .command(&["plugin", "build", "my-greeter"])
        .env("PATH", path())
        // As scripts/languages leaves it: neither is fetched or compiled again.
        .env("ROOMWIRE_QUICKJS", workspace().join(".tools/languages/quickjs"))
        .env("CARGO_TARGET_DIR", place.path().join("target"))
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&built.stdout), String::from_utf8_lossy(&built.stderr));
    assert!(built.status.success() && stdout.contains("my-greeter.wasm is a command and fits"), "{stdout}{stderr}");
    let tested = place.call(&["plugin", "test", "my-greeter/my-greeter.wasm", "--tests", "my-greeter/tests"]);
    assert!(tested.code == 0 && tested.stdout.ends_with("2 passed, 0 failed\n"), "{}{}", tested.stdout, tested.stderr);
}

#[test]
fn a_new_handler_in_rust_builds_fits_and_passes_its_tests() {
    works("rust");
}

#[test]
fn a_new_handler_in_c_builds_fits_and_passes_its_tests() {
    works("c");
}

#[test]
fn a_new_handler_in_javascript_builds_fits_and_passes_its_tests() {
    works("javascript");
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("mine")).unwrap();
    let called = place.call(&["plugin", "new", "--lang", "c", "mine"]);
    assert!(called.code == 64 && called.stderr.contains("is there already"), "{}", called.stderr);
    assert_eq!(place.call(&["plugin", "new", "--lang", "c", "No Name"]).code, 64);
    assert_eq!(place.call(&["plugin", "new", "--lang", "cobol", "mine-2"]).code, 64);
}
