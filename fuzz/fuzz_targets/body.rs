//! Any body: what is taken for an event can be stored, and is found again under what was read of it.
#![no_main]

use std::collections::HashMap;

use event::{Envelope, Prefix, Project, envelope, header, shard, subject};
use libfuzzer_sys::fuzz_target;
use livekit::body::inspect;

fuzz_target!(|body: &[u8]| {
    let facts = match inspect(body) {
        Ok(facts) => facts,
        Err(refusal) => {
            assert!(!refusal.reason().is_empty() && !refusal.to_string().is_empty());
            return;
        }
    };
    assert!(!facts.id.as_str().is_empty() && !facts.kind.is_empty() && !facts.key.as_str().is_empty());
    assert!(facts.kind.len() <= envelope::MAX_KIND_BYTES);
    let project = Project::default();
    assert!(shard::shard_of(&project, &facts.key, 4.try_into().unwrap()) < 4);
    let stored = Envelope {
        id: facts.id,
        kind: facts.kind,
        project,
        key: facts.key,
        created_at: facts.created_at,
        received_at_ms: 1_795_429_840_123,
        api_key: "devkey".to_owned(),
        content_type: None,
        user_agent: None,
        traceparent: None,
        spooled: false,
        body_sha256: None,
    };
    subject::validate_publish(&stored.subject(&Prefix::default(), 3)).unwrap();
    let headers: HashMap<&str, String> = stored.headers().into_iter().collect();
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    assert!(bytes <= header::ROOM, "{bytes}");
    let found = Envelope::from_headers(|name| headers.get(name).map(String::as_str)).unwrap();
    // A time before 1970, or beyond the year 9999, is none.
    assert!(found.created_at == stored.created_at || found.created_at == 0);
    assert_eq!(Envelope { created_at: stored.created_at, ..found }, stored);
});
