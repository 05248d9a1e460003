//! Which files give keys and which are refused.

use std::fs;

use super::*;

const LONG: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn keys_and_the_files_of_their_secrets_follow_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roomwire.yaml");
    let source = Source { path: path.clone(), secrets: Vec::new(), has_keys: false };
    fs::write(&path, format!("livekit: {{ keys: {{ A: {LONG}, B: {{ file: b }} }} }}\n")).unwrap();
    assert!(read(&source).unwrap_err().contains("the secret of key `B` cannot be read"));
    fs::write(folder.path().join("b"), LONG).unwrap();
    let (keys, from) = read(&source).unwrap();
    assert_eq!(keys.names().collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!((from.secrets, from.has_keys), (vec![folder.path().join("b")], true));
}

#[test]
fn a_file_that_is_wrong_anywhere_is_refused_and_one_without_keys_does_not_open_the_door() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roomwire.yaml");
    let source = Source { path: path.clone(), secrets: Vec::new(), has_keys: true };
    for (text, words) in [
        ("", "names no keys any more; write `livekit.keys`, or restart to use LiveKit's dev keys"),
        ("livekit:\n  keys:\n    A: short\n", "the secret of key `A` has 5 characters"),
        ("livekit: { keys: { A: 0123456789abcdef0123456789abcdef } }\nwrong: 1\n", "unknown key `wrong`"),
        ("livekit: [", "unclosed bracket"),
    ] {
        fs::write(&path, text).unwrap();
        let why = read(&source).unwrap_err();
        assert!(why.contains(words), "{why}");
    }
    fs::remove_file(&path).unwrap();
    assert!(read(&source).unwrap_err().contains("cannot read the configuration"));
    fs::write(&path, "").unwrap();
    assert!(read(&Source { has_keys: false, ..source }).is_ok(), "dev keys may stay dev keys");
}
