//! Bodies, keys and hashes that LiveKit's SDKs test their own receivers with, judged by the rule of this crate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use livekit::token::{Keys, Secret, sign, verify};
use livekit::{Refusal, body};
use sha2::{Digest as _, Sha256};

const NOW: u64 = 1_795_429_840;

/// livekit/node-sdks, `packages/livekit-server-sdk/src/WebhookReceiver.test.ts`.
const JS: &str = r#"{"event":"room_started", "room":{"sid":"RM_TkVjUvAqgzKz", "name":"mytestroom", "emptyTimeout":300, "creationTime":"1628545903", "turnPassword":"ICkSr2rEeslkN6e9bXL4Ji5zzMD5Z7zzr6ulOaxMj6N", "enabledCodecs":[{"mime":"audio/opus"}, {"mime":"video/VP8"}]}}"#;
const JS_HASH: &str = "CoEQz1chqJ9bnZRcORddjplkvpjmPujmLTR42DbefYI=";

/// livekit/server-sdk-kotlin, `WebhookReceiverTest.kt`: the same with line breaks after some commas.
const KOTLIN_BREAKS: [&str; 2] = [r#""mytestroom", "#, r#""ICkSr2rEeslkN6e9bXL4Ji5zzMD5Z7zzr6ulOaxMj6N", "#];
const KOTLIN_HASH: &str = "1renMMRYeCXsy6M9bjJ90XA3M1q1byhUGNoD91aPuhM=";

/// livekit/python-sdks, `tests/api/test_webhook.py` (server-sdk-dotnet uses the same).
const PYTHON: &str = r#"
{
  "event": "room_started",
  "room": {
    "sid": "RM_hycBMAjmt6Ub",
    "name": "Demo Room",
    "emptyTimeout": 300,
    "creationTime": "1692627281",
    "turnPassword": "2Pvdj+/WV1xV4EkB8klJ9xkXDWY=",
    "enabledCodecs": [
      {
        "mime": "audio/opus"
      },
      {
        "mime": "video/H264"
      },
      {
        "mime": "video/VP8"
      },
      {
        "mime": "video/AV1"
      },
      {
        "mime": "video/H264"
      },
      {
        "mime": "audio/red"
      },
      {
        "mime": "video/VP9"
      }
    ]
  },
  "id": "EV_eugWmGhovZmm",
  "createdAt": "1692985556"
}
"#;

fn kotlin() -> String {
    KOTLIN_BREAKS.into_iter().fold(JS.to_owned(), |body, before| body.replace(before, &format!("{before}\n")))
}

/// As the SDKs' tests do it: a token of this key over `signed`, received with `body`.
fn judge(key: &str, secret: &str, signed: &str, body: &str) -> Result<(), Refusal> {
    let secret = Secret::new(secret).unwrap();
    let token = sign(key, &secret, signed.as_bytes(), NOW);
    let keys: Keys = [(key.to_owned(), secret)].into_iter().collect();
    verify(&keys, Some(&token), body.as_bytes(), NOW, 60).map(drop)?;
    body::inspect(body.as_bytes()).map(drop)
}

fn reason(judged: Result<(), Refusal>) -> &'static str {
    judged.map_or_else(|refusal| refusal.reason(), |()| "accepted")
}

#[test]
fn the_hashes_in_the_sdks_tests_are_those_of_their_bodies() {
    let hash = |body: &str| STANDARD.encode(Sha256::digest(body.as_bytes()));
    assert_eq!(hash(JS), JS_HASH);
    assert_eq!(hash(&kotlin()), KOTLIN_HASH);
}

#[test]
fn each_vector_is_judged_by_the_rule_of_this_crate() {
    let (js, python) = (("abcdefg", "abababa"), ("myapikey", "thiskeyistotallyunsafe"));
    for (name, (key, secret), signed, body, expected) in [
        ("python: good", python, PYTHON, PYTHON, "accepted"),
        ("python: wrong hash", python, "wrong_hash", PYTHON, "hash_mismatch"),
        ("python: invalid body", python, "invalid body", "invalid body", "bad_json"),
        // These two have no id, which LiveKit sends since 2022 and without which a repeat could not be told.
        ("js: good but for the id", js, JS, JS, "no_id"),
        ("kotlin: good but for the id", js, &kotlin(), &kotlin(), "no_id"),
        ("js: hash of kotlin's body", js, &kotlin(), JS, "hash_mismatch"),
        ("an empty object", js, "{}", "{}", "no_id"),
        ("no name", js, r#"{"id":"EV_1"}"#, r#"{"id":"EV_1"}"#, "no_event"),
        ("an unknown name", js, r#"{"id":"EV_1","event":"new"}"#, r#"{"id":"EV_1","event":"new"}"#, "accepted"),
        ("an array", js, "[]", "[]", "bad_json"),
        ("nothing", js, "", "", "bad_json"),
    ] {
        assert_eq!(reason(judge(key, secret, signed, body)), expected, "{name}");
    }
}

#[test]
fn the_js_body_passes_verification_itself() {
    let secret = Secret::new("abababa").unwrap();
    let token = sign("abcdefg", &secret, JS.as_bytes(), NOW);
    let keys: Keys = [("abcdefg".to_owned(), secret)].into_iter().collect();
    assert_eq!(verify(&keys, Some(&token), JS.as_bytes(), NOW, 60).unwrap().api_key, "abcdefg");
}

/// livekit/protocol, `webhook/webhook_test.go`: the key and secret of the Go tests.
#[test]
fn a_token_of_the_go_tests_key_expires_with_the_leeway() {
    let secret = Secret::new("mysecret").unwrap();
    let token = sign("mykey", &secret, PYTHON.as_bytes(), NOW);
    let keys: Keys = [("mykey".to_owned(), secret)].into_iter().collect();
    let at = |now| verify(&keys, Some(&token), PYTHON.as_bytes(), now, 60).map(drop);
    for (after, expected) in
        [(0, "accepted"), (305, "accepted"), (355, "accepted"), (360, "accepted"), (365, "expired")]
    {
        assert_eq!(reason(at(NOW + after)), expected, "{after} s after signing");
    }
    assert_eq!(at(NOW + 365), Err(Refusal::Expired { by_s: 65, leeway_s: 60 }));
}
