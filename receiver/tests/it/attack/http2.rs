//! HTTP/2 frames that no client means well with, written by hand.

use anyhow::Result;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::io::AsyncWriteExt as _;

use super::target::{Limits, Target, drain};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// How much one connection writes at most.
const FLOOD: usize = 8 << 20;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat()
}

/// `POST /livekit` in HPACK: indexed method and scheme, literal path and authority.
fn post() -> Vec<u8> {
    [&b"\x83\x86\x04\x08/livekit\x01\x01x"[..]].concat()
}

/// A header field that is not indexed.
fn field(name: &str, value: &str) -> Vec<u8> {
    let short = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], short(name), short(value)].concat()
}

/// The bytes of one connection after its preface.
type Flood = fn(u32) -> Vec<u8>;

/// Each connection writes a flood, reads whatever comes, and goes on until it is closed or has written enough.
///
/// Returns how many bytes they got rid of.
async fn floods(target: &Target, connections: usize, flood: Flood) -> Result<usize> {
    let one = |_| async move {
        let (mut read, mut write) = target.connect().await?.into_split();
        let writing = async {
            let mut written = write.write_all(&preface()).await;
            let (mut turn, mut bytes) = (0, 0);
            while written.is_ok() && bytes < FLOOD {
                let piece = flood(turn);
                (turn, bytes) = (turn + 1, bytes + piece.len());
                written = write.write_all(&piece).await;
            }
            let _closed = write.shutdown().await;
            bytes
        };
        let (bytes, ()) = tokio::join!(writing, drain(&mut read));
        anyhow::Ok(bytes)
    };
    Ok(stream::iter(0..connections).map(one).buffer_unordered(20).try_collect::<Vec<usize>>().await?.into_iter().sum())
}

/// The number of the `n`th stream of a client.
fn stream_of(n: u32) -> u32 {
    2 * n + 1
}

async fn survived(attack: &str, flood: Flood) -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let attacking = async {
        let bytes = floods(&target, 60, flood).await?;
        let broken = target.closed("broken").await?;
        anyhow::ensure!(
            broken > 0 || bytes > 20 * FLOOD,
            "{bytes} bytes are no flood, and no connection was ended for it"
        );
        Ok(())
    };
    target.survives(attack, 96, attacking).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_end_the_connection() -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let attack = async {
        floods(&target, 60, |turn| {
            let streams = (turn * 100..(turn + 1) * 100).map(stream_of);
            let reset = |stream| {
                let headers = frame(HEADERS, END_HEADERS, stream, &post());
                [headers, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
            };
            streams.flat_map(reset).collect()
        })
        .await?;
        assert_eq!(target.closed("broken").await?, 60, "each is ended, whatever it would still send");
        Ok(())
    };
    target.survives("HTTP/2 rapid reset", 64, attack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_go_on_for_ever_end_the_connection() -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let attack = async {
        // With fields, and with nothing in them.
        floods(&target, 30, |turn| {
            let fields = field("x-flood", &"x".repeat(100)).repeat(100);
            if turn == 0 { frame(HEADERS, 0, 1, &post()) } else { frame(CONTINUATION, 0, 1, &fields) }
        })
        .await?;
        floods(&target, 30, |turn| {
            if turn == 0 { frame(HEADERS, 0, 1, &post()) } else { frame(CONTINUATION, 0, 1, &[]).repeat(1000) }
        })
        .await?;
        assert_eq!(target.closed("broken").await?, 60);
        Ok(())
    };
    target.survives("HTTP/2 continuation flood", 64, attack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_settings_and_pings_are_answered_no_faster_than_they_are_read() -> Result<()> {
    survived("HTTP/2 settings and ping flood", |turn| {
        let setting = [0, 4, 0, 0, u8::try_from(turn % 255).unwrap(), 0];
        [frame(SETTINGS, 0, 0, &setting), frame(PING, 0, 0, &[7; 8])].concat().repeat(500)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_mean_nothing_are_no_burden() -> Result<()> {
    survived("HTTP/2 empty data, priority and window updates", |turn| {
        let begin = if turn == 0 { frame(HEADERS, END_HEADERS, 1, &post()) } else { Vec::new() };
        let priority = frame(PRIORITY, 0, stream_of(turn % 1000 + 1), &[0, 0, 0, 0, 7]);
        let update = frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
        [begin, [frame(DATA, 0, 1, &[]), priority, update].concat().repeat(300)].concat()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_whose_answers_may_not_be_sent_are_not_collected() -> Result<()> {
    // A window of 0 for the answers, and bodies that are begun on as many streams as there may be and more.
    survived("HTTP/2 streams that are begun and left", |turn| {
        let no_window = if turn == 0 { frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]) } else { Vec::new() };
        let streams = (turn * 100..(turn + 1) * 100).map(stream_of);
        let begun = streams.flat_map(|stream| {
            let headers = [post(), field("x-large", &"x".repeat(120)).repeat(20)].concat();
            [frame(HEADERS, END_HEADERS, stream, &headers), frame(DATA, 0, stream, &[b'x'; 200])].concat()
        });
        no_window.into_iter().chain(begun).collect()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_grows_when_it_is_unpacked_is_refused() -> Result<()> {
    // A field of 4 KB goes into the table once and is named by one byte after that.
    let target = Target::start(Limits::default()).await?;
    let attack = async {
        floods(&target, 60, |turn| {
            let value = "x".repeat(3900);
            // A length of 3900 in seven bits: 127, then the rest in groups of seven.
            let indexed = [&b"\x40\x01y\x7f\xbd\x1d"[..], value.as_bytes()].concat();
            let bomb = [post(), indexed, vec![0xbe; 12_000]].concat();
            frame(HEADERS, END_HEADERS | END_STREAM, stream_of(turn), &bomb)
        })
        .await?;
        assert_eq!(target.answered(401, "no_header").await?, 0);
        Ok(())
    };
    target.survives("HTTP/2 header bomb", 64, attack).await
}
