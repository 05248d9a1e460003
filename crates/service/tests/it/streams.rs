//! Streams on a real server.

use std::num::NonZeroU16;

use async_nats::jetstream;
use event::topology::{StreamsConfig, dead_stream, events_streams};
use service::nats::{StreamError, apply_streams, ensure_stream, ensure_streams};
use testkit::NatsServer;

fn shards(number: u16) -> StreamsConfig {
    StreamsConfig { shards: NonZeroU16::new(number).unwrap(), max_bytes: 64 << 20, ..StreamsConfig::default() }
}

#[tokio::test]
async fn absent_streams_are_made_and_present_ones_accepted() {
    let server = NatsServer::start().await.unwrap();
    let context = server.jetstream().await.unwrap();
    let mut specs = events_streams(&shards(2));
    specs.push(dead_stream(&shards(2)));
    ensure_streams(&context, &specs).await.unwrap();
    ensure_streams(&context, &specs).await.unwrap();
    let info = ensure_stream(&context, &specs[1]).await.unwrap();
    assert_eq!(info.config.name, "RW_EVENTS_1");
    assert_eq!(info.config.subjects, ["rw.ev.1.>"]);
    assert_eq!(info.config.max_bytes, 32 << 20);
    assert_eq!(info.config.discard, jetstream::stream::DiscardPolicy::New);
    assert_eq!(info.config.metadata["roomwire.shards"], "2");
}

#[tokio::test]
async fn processes_that_start_together_all_find_the_streams() {
    let server = NatsServer::start().await.unwrap();
    let specs = events_streams(&shards(4));
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (context, specs) = (server.jetstream().await.unwrap(), specs.clone());
        starting.spawn(async move { ensure_streams(&context, &specs).await });
    }
    for result in starting.join_all().await {
        result.unwrap();
    }
}

#[tokio::test]
async fn another_number_of_shards_is_refused_with_the_way_back() {
    let server = NatsServer::start().await.unwrap();
    let context = server.jetstream().await.unwrap();
    ensure_streams(&context, &events_streams(&shards(4))).await.unwrap();
    for other in [2, 8] {
        let error = ensure_streams(&context, &events_streams(&shards(other))).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the stream RW_EVENTS_0 is one of 4 shards, and the configuration says {other}; set `streams.shards: 4` \
                 again, because `roomwire nats reshard`, which would move the events, is not there yet"
            )
        );
    }
}

#[tokio::test]
async fn a_stream_of_somebody_else_is_refused() {
    let server = NatsServer::start().await.unwrap();
    let context = server.jetstream().await.unwrap();
    let config = jetstream::stream::Config {
        name: "RW_EVENTS_0".into(),
        subjects: vec!["theirs.>".into()],
        ..jetstream::stream::Config::default()
    };
    context.create_stream(config).await.unwrap();
    let error = ensure_streams(&context, &events_streams(&shards(1))).await.unwrap_err();
    assert!(matches!(error, StreamError::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn limits_are_changed_only_by_who_applies_them() {
    let server = NatsServer::start().await.unwrap();
    let context = server.jetstream().await.unwrap();
    ensure_streams(&context, &events_streams(&shards(1))).await.unwrap();
    let larger = events_streams(&StreamsConfig { max_bytes: 128 << 20, ..shards(1) });
    let info = ensure_stream(&context, &larger[0]).await.unwrap();
    assert_eq!(info.config.max_bytes, 64 << 20);
    apply_streams(&context, &larger).await.unwrap();
    let info = ensure_stream(&context, &larger[0]).await.unwrap();
    assert_eq!(info.config.max_bytes, 128 << 20);
}
