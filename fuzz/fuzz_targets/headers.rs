//! Any event and any refused request as headers: no value can break a line, and all of them come back.
#![no_main]

use std::collections::HashMap;

use event::quarantine::{Claimed, Class, Kept, Quarantined};
use event::{BodyHash, Envelope, EventId, OrderingKey, Project, header};
use libfuzzer_sys::fuzz_target;

type Texts = [String; 6];

fn checked(headers: Vec<(&'static str, String)>) -> HashMap<&'static str, String> {
    let mut bytes = 0;
    for (name, value) in &headers {
        assert!(value.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{name}: {value:?}");
        bytes += name.len() + value.len() + 4;
    }
    assert!(bytes <= header::ROOM, "{bytes}");
    let count = headers.len();
    let headers: HashMap<_, _> = headers.into_iter().collect();
    assert_eq!(headers.len(), count, "no header twice");
    headers
}

fuzz_target!(|data: (Texts, [Option<String>; 4], i64, u64, Option<[u8; 32]>, bool, u8)| {
    let (texts, optional, created_at, received_at_ms, hash, spooled, class) = data;
    let [id, kind, key, api_key, project, words] = texts.clone();
    let [content_type, user_agent, traceparent, token] = optional;
    let cut = |mut text: String, most: usize| {
        while text.len() > most {
            text.pop();
        }
        text
    };
    if let (Ok(id), Ok(key)) = (EventId::try_from(id.as_str()), OrderingKey::try_from(key.as_str())) {
        let envelope = Envelope {
            id,
            kind: cut(kind.clone(), event::envelope::MAX_KIND_BYTES),
            project: Project::try_from(project.as_str()).unwrap_or_default(),
            key,
            created_at,
            received_at_ms,
            api_key: cut(api_key.clone(), 512),
            content_type: content_type.clone(),
            user_agent: user_agent.clone(),
            traceparent: traceparent.clone(),
            spooled,
            body_sha256: hash.map(BodyHash),
        };
        let headers = checked(envelope.headers());
        let found = Envelope::from_headers(|name| headers.get(name).map(String::as_str)).unwrap();
        assert_eq!(
            (&found.id, &found.kind, &found.project, &found.key, &found.api_key, found.spooled, found.body_sha256),
            (&envelope.id, &envelope.kind, &envelope.project, &envelope.key, &envelope.api_key, spooled, hash.map(BodyHash)),
        );
        // The rest may be cut, and is then its beginning.
        assert!(envelope.user_agent.unwrap_or_default().starts_with(&found.user_agent.unwrap_or_default()));
    }
    let kept = match (hash, spooled) {
        (Some(hash), _) => Kept::WithoutFields { sha256: BodyHash(hash) },
        (None, true) => Kept::Cut { bytes: Some(received_at_ms) },
        (None, false) => Kept::Whole,
    };
    let refused = Quarantined {
        class: Class::ALL[usize::from(class) % 3],
        reason: api_key,
        words,
        received_at_ms,
        peer: project,
        path: kind.clone(),
        token,
        content_type,
        user_agent,
        traceparent,
        claimed: Claimed { id: Some(id), kind: Some(kind), key: Some(key), api_key: None },
        kept,
    };
    let headers = checked(refused.headers());
    let found = Quarantined::from_headers(|name| headers.get(name).map(String::as_str)).unwrap();
    assert_eq!((found.class, found.kept), (refused.class, refused.kept));
    assert!(refused.words.starts_with(&found.words) && refused.path.starts_with(&found.path));
});
