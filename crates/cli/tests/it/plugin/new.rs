//! `roomwire plugin new`: each template is built outside of a clone, fits, and passes its own tests.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::SystemTime;

use testkit::workspace;

use crate::call::Place;

/// Where `scripts/languages` has put the compilers, and what is to be had of the machine.
pub(super) fn path() -> String {
    let own = workspace().join(".tools/languages/python/bin");
    let go = workspace().join(".tools/go/bin");
    format!("{}:{}:{}", own.display(), std::env::var("PATH").unwrap(), go.display())
}

/// Makes one by these flags, builds and tests it.
fn works(flags: &[&str], contract: &str, prepare: impl FnOnce(&Path)) {
    let place = Place::new();
    let called = place.call(&[&["plugin", "new"], flags, &["my-greeter"]].concat());
    assert_eq!(called.code, 0, "{}", called.stderr);
    assert!(called.stdout.contains("roomwire plugin build ./my-greeter"), "{}", called.stdout);
    prepare(&place.path().join("my-greeter"));
    let built = place
        .command(&["plugin", "build", "my-greeter"])
        .env("PATH", path())
        // As scripts/languages leaves it: neither is fetched or compiled again.
        .env("ROOMWIRE_QUICKJS", workspace().join(".tools/languages/quickjs"))
        .env("CARGO_TARGET_DIR", place.path().join("target"))
        .env("GOTOOLCHAIN", "local")
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&built.stdout), String::from_utf8_lossy(&built.stderr));
    let fits = format!("my-greeter.wasm is a {contract} and fits");
    assert!(built.status.success() && stdout.contains(&fits), "{stdout}{stderr}");
    let tested = place.call(&["plugin", "test", "my-greeter/my-greeter.wasm", "--tests", "my-greeter/tests"]);
    assert!(tested.code == 0 && tested.stdout.ends_with("2 passed, 0 failed\n"), "{}{}", tested.stdout, tested.stderr);
}

#[test]
fn a_new_command_in_rust_builds_fits_and_passes_its_tests() {
    works(&["--lang", "rust"], "command", |_| ());
}

#[test]
fn a_new_component_in_rust_builds_fits_and_passes_its_tests() {
    works(&["--lang", "rust", "--contract", "component"], "component", |_| ());
}

#[test]
fn a_new_handler_in_go_builds_fits_and_passes_its_tests() {
    works(&["--lang", "go"], "component", |_| ());
}

#[test]
fn a_new_command_in_go_builds_fits_and_passes_its_tests() {
    works(&["--lang", "go", "--contract", "command"], "command", |_| ());
}

#[test]
fn a_new_handler_in_typescript_builds_fits_and_passes_its_tests() {
    works(&["--lang", "typescript"], "component", installed);
}

#[test]
fn a_new_handler_in_python_builds_fits_and_passes_its_tests() {
    works(&["--lang", "python"], "component", |_| ());
}

#[test]
fn a_new_command_in_c_builds_fits_and_passes_its_tests() {
    works(&["--lang", "c"], "command", |_| ());
}

#[test]
fn a_new_component_in_c_builds_fits_and_passes_its_tests() {
    works(&["--lang", "c", "--contract", "component"], "component", |_| ());
}

#[test]
fn a_new_handler_in_javascript_builds_fits_and_passes_its_tests() {
    works(&["--lang", "javascript"], "command", |_| ());
}

#[test]
fn a_new_component_in_javascript_builds_fits_and_passes_its_tests() {
    works(&["--lang", "javascript", "--contract", "component"], "component", installed);
}

/// Leaves a folder as `npm ci` does, with the packages that scripts/languages got for the example.
fn installed(folder: &Path) {
    let (own, example) = (folder.join("node_modules"), workspace().join("examples/typescript/node_modules"));
    std::fs::create_dir_all(own.join(".bin")).unwrap();
    for package in ["typescript", "@typescript"] {
        symlink(example.join(package), own.join(package)).unwrap();
    }
    symlink("../sdk/typescript", own.join("roomwire")).unwrap();
    symlink("../typescript/bin/tsc", own.join(".bin/tsc")).unwrap();
    symlink("../roomwire/build.mjs", own.join(".bin/roomwire-build")).unwrap();
    let library = folder.join("sdk/typescript");
    symlink(workspace().join("plugins/sdk/typescript/node_modules"), library.join("node_modules")).unwrap();
    let lock = File::options().write(true).open(folder.join("package-lock.json")).unwrap();
    lock.set_modified(SystemTime::UNIX_EPOCH).unwrap();
}

#[test]
fn a_missing_compiler_is_named_with_the_way_to_get_it() {
    let place = Place::new();
    assert_eq!(place.call(&["plugin", "new", "--lang", "go", "mine"]).code, 0);
    let bin = place.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for program in ["bash", "dirname", "mkdir"] {
        symlink(Path::new("/usr/bin").join(program), bin.join(program)).unwrap();
    }
    let built = place.command(&["plugin", "build", "mine"]).env("PATH", &bin).output().unwrap();
    let stderr = String::from_utf8_lossy(&built.stderr);
    assert!(!built.status.success() && stderr.contains("it needs Go 1.26 or newer"), "{stderr}");
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("mine")).unwrap();
    let called = place.call(&["plugin", "new", "--lang", "c", "mine"]);
    assert!(called.code == 64 && called.stderr.contains("is there already"), "{}", called.stderr);
    assert_eq!(place.call(&["plugin", "new", "--lang", "c", "No Name"]).code, 64);
    assert_eq!(place.call(&["plugin", "new", "--lang", "cobol", "mine-2"]).code, 64);
    let called = place.call(&["plugin", "new", "--lang", "python", "--contract", "command", "mine-3"]);
    assert!(called.code == 64 && called.stderr.contains("it has `--contract component`"), "{}", called.stderr);
}
