//! Every refusal in words: what is wrong, by how much, and what to do.

use super::*;

fn mismatch(reencoded: bool) -> Refusal {
    Refusal::HashMismatch { claimed: "aaa=".into(), computed: "bbb=".into(), bytes: 12, reencoded }
}

fn unknown(known: &[&str]) -> Refusal {
    Refusal::UnknownKey { key: "APIx".into(), known: known.iter().map(|&name| name.to_owned()).collect() }
}

#[test]
fn every_reason_has_words_with_its_numbers_and_what_to_do() {
    let table = [
        (Refusal::NoHeader, "no Authorization header: LiveKit sends its token there, check that no proxy removes it"),
        (Refusal::malformed("it has no exp"), "the token is malformed: it has no exp"),
        (
            unknown(&["APIa", "APIb"]),
            "unknown API key \"APIx\", known keys are APIa, APIb: add it to livekit.keys, or set the sender's \
             webhook.api_key to one that is there",
        ),
        (
            Refusal::BadSignature { key: "APIa".into() },
            "bad signature for API key \"APIa\": the secret here and the sender's differ",
        ),
        (
            Refusal::Expired { by_s: 12, leeway_s: 5 },
            "the token expired 12 s ago, with a leeway of 5 s: check the clocks of the sender and here",
        ),
        (
            Refusal::NotYetValid { by_s: 61, leeway_s: 60 },
            "the token is valid in 61 s only, with a leeway of 60 s: check the clocks of the sender and here",
        ),
        (
            mismatch(true),
            "the token's hash is aaa=, that of the 12 bytes received bbb=: the body was re-encoded on its way, let no proxy \
             or middleware parse and rewrite it",
        ),
        (
            Refusal::BodyTooLarge { bytes: Some(9000), limit: 4096 },
            "the body has 9000 bytes, more than 4096 bytes: raise receiver.max_body",
        ),
        (Refusal::BadJson { what: "EOF while parsing".into() }, "the body is not a JSON object: EOF while parsing"),
        (
            Refusal::NoId { what: "is missing".into() },
            "the event's id is missing: LiveKit sends a text of 1 to 512 bytes",
        ),
        (
            Refusal::NoEvent { what: "is empty".into() },
            "the event's name (field event) is empty: LiveKit sends a text of 1 to 1024 bytes",
        ),
    ];
    let reasons: Vec<_> = table.iter().map(|(refusal, _)| refusal.reason()).collect();
    assert_eq!(reasons, Refusal::REASONS, "every reason has its line");
    for (refusal, words) in table {
        assert_eq!(refusal.to_string(), words);
        assert!(!words.contains('\n'), "one line");
    }
}

#[test]
fn a_body_that_is_another_one_is_not_blamed_on_a_proxy() {
    assert!(mismatch(false).to_string().ends_with(": the body was changed on its way, or belongs to another token"));
}

#[test]
fn a_body_that_was_cut_while_it_was_read_has_no_size() {
    let words = Refusal::BodyTooLarge { bytes: None, limit: 4096 }.to_string();
    assert_eq!(words, "the body has more than 4096 bytes: raise receiver.max_body");
}

#[test]
fn many_known_keys_do_not_fill_the_line() {
    let names: Vec<String> = (0..10).map(|n| format!("K{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(unknown(&names).to_string().contains("known keys are K0, K1, K2, K3, K4, K5, K6, K7 and 2 more: add it"));
    assert!(unknown(&[]).to_string().contains("known keys are none: add it"));
}
