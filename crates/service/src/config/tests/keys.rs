//! Secrets: read when they are needed, refused when they are weak, never shown.

use super::*;

const LONG: &str = "0123456789abcdef0123456789abcdef";

fn resolve(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>, String> {
    let keys = read(text).livekit.resolve_keys(env).map_err(|error| error.to_string())?;
    Ok(keys.names().map(str::to_owned).collect())
}

#[test]
fn without_keys_livekits_dev_keys_hold() {
    assert_eq!(resolve("", &|_| None).unwrap(), ["devkey"]);
    let (name, _) = read("").livekit.resolve_first(&|_| None).unwrap().unwrap();
    assert_eq!(name, "devkey");
}

#[test]
fn a_secret_is_text_or_a_variable_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), format!("{LONG}\n")).unwrap();
    let text = format!(
        "livekit:\n  keys:\n    A: {LONG}\n    B: ${{SECRET}}\n    C: {{ file: secret }}\n    D: 12345678901234567890123456789012\n"
    );
    let config = parse(&text, &folder.path().join("roomwire.yaml")).unwrap();
    let keys = config.livekit.resolve_keys(&|name| (name == "SECRET").then(|| LONG.to_owned())).unwrap();
    assert_eq!(keys.names().collect::<Vec<_>>(), ["A", "B", "C", "D"]);
}

#[test]
fn an_undefined_variable_is_an_error_only_for_who_needs_the_secret() {
    let text = "livekit:\n  keys:\n    APIabc: ${LIVEKIT_API_SECRET}\n";
    assert_eq!(read(text).livekit.key_names(), ["APIabc"]);
    assert_eq!(
        resolve(text, &|_| None).unwrap_err(),
        "conf/roomwire.yaml:3:13: the secret of key `APIabc` needs the environment variable LIVEKIT_API_SECRET, which is \
         not set\n  set LIVEKIT_API_SECRET, or write `{ file: /run/secrets/livekit }` instead"
    );
}

#[test]
fn an_empty_or_short_secret_is_refused_and_not_shown() {
    let text = "livekit:\n  keys:\n    APIabc: ${S}\n";
    let short = resolve(text, &|_| Some("hush".to_owned())).unwrap_err();
    assert_eq!(
        short,
        "conf/roomwire.yaml:3:13: the secret of key `APIabc` has 4 characters; it must have at least 32\n  \
         make one with `openssl rand -base64 36` and give LiveKit the same"
    );
    assert!(resolve(text, &|_| Some(String::new())).unwrap_err().contains("`APIabc` is empty"));
    assert_eq!(
        refused("livekit:\n  keys:\n    devkey: secret\n"),
        "conf/roomwire.yaml:3:13: the secret of key `devkey` has 6 characters; it must have at least 32\n  \
         make one with `openssl rand -base64 36` and give LiveKit the same; for LiveKit's dev keys remove `keys`"
    );
}

#[test]
fn a_secret_file_that_cannot_be_read_is_named() {
    let words = resolve("livekit:\n  keys:\n    A: { file: /nowhere/secret }\n", &|_| None).unwrap_err();
    assert!(
        words.starts_with("conf/roomwire.yaml:3:8: the secret of key `A` cannot be read from /nowhere/secret: "),
        "{words}"
    );
}

#[test]
fn debug_output_of_a_configuration_holds_no_secret() {
    let config = read(&format!("livekit: {{ keys: {{ A: {LONG} }} }}\nnats: {{ url: nats://me:hush@host }}\n"));
    let shown = format!("{config:?}");
    assert!(!shown.contains(LONG) && !shown.contains("hush"), "{shown}");
}

#[test]
fn keys_of_a_wrong_shape_are_refused_with_the_right_one() {
    assert_eq!(
        refused("livekit:\n  keys: [a]\n"),
        "conf/roomwire.yaml:2:9: `keys` is a list, not a map\n  write a line for each key: `APIabc: ${LIVEKIT_API_SECRET}`"
    );
    assert_eq!(
        refused("livekit:\n  keys:\n    A: { path: x }\n"),
        "conf/roomwire.yaml:3:8: `file` is missing\n  write it as `file: /run/secrets/livekit`\n\
         conf/roomwire.yaml:3:10: unknown key `path`\n  a secret may hold `file`"
    );
    assert_eq!(
        refused("livekit:\n  keys:\n    A: ${A-B}\n"),
        "conf/roomwire.yaml:3:8: the secret of key `A`: `${` must be followed by the name of an environment variable and \
         `}`\n  write `${LIVEKIT_API_SECRET}`"
    );
}
