//! throwaway
use std::{sync::Arc, time::Instant};
use bytes::Bytes;
use lanes::*;
use store::*;
fn ev(seq: u64, sh: u16) -> Arc<Event> {
    Arc::new(Event { seq, project: "default".into(), kind: "room_started".into(), headers: r#"{"Nats-Msg-Id":"EV_aaaaaaaaaaaa","ce-id":"EV_aaaaaaaaaaaa","Rw-Key":"room"}"#.into(), body: Bytes::from(vec![b'x'; 530]),
        identity: Identity { project: "default".into(), created: 1_700_000_000 + (seq / 100) as i64, id: format!("EV_{:x}_{sh}", seq.wrapping_mul(0x9E37_79B9_7F4A_7C15)).into() }, key: "room".into(), received_at_ms: 5 })
}
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let batch: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let total: u64 = std::env::args().nth(3).unwrap().parse().unwrap();
    let mode = std::env::args().nth(4).unwrap();
    let store = Store::open(&format!("sqlite:{dir}/s.db"), &event::Prefix::default()).await.unwrap();
    let digest: Arc<str> = "sha256:0123456789012345678901234567890123456789012345678901234567890123".into();
    let t = Instant::now();
    let mut tasks = vec![];
    for sh in 0..4u16 {
        let store = store.clone(); let digest = digest.clone(); let mode = mode.clone();
        tasks.push(tokio::spawn(async move {
            let c = store.claim(Claiming { handler: "h", run: LIVE, shard: sh, claimer: "x", stream: StreamIdentity { created: "c".into(), first_seq: 1, last_seq: 1<<40 }, begin_floor: 0 }).await.unwrap();
            let base = c.claimed.progress.floor;
            let owner = Owner::live("h", sh, c.claimed.epoch);
            let mut lat = vec![];
            for b in 0..total / 4 / batch {
                let effects: Arc<[Effect]> = if mode == "fx" { Arc::from([Effect { subject: "usage.x".into(), headers: vec![("a".into(), "b".into())], body: Bytes::from(vec![b'y'; 300]) }]) } else { Arc::from([]) };
                let rows: Vec<Row> = (1..=batch).map(|i| { let seq = base + b * batch + i; let e = ev(seq, sh); lanes::Row { seq, identity: e.identity.clone(), key: e.key.clone(), origin: Origin::Stream,
                    change: if mode == "park" { Change::Parked { attempts: AttemptState::default(), redriven: false, report: None } } else { Change::Settled { state: Settled::Done, attempt: 1, report: Some(Arc::new(Report { started_at: 1, duration_us: 12, digest: digest.clone(), peak_memory: 1 << 17, outcome: "done".into(), effects: effects.clone(), ..Report::default() })) } }, event: e } }).collect();
                let asked: Vec<_> = rows.iter().map(|r| (r.seq, r.identity.clone())).collect();
                if mode != "nolook" { store.look_up("h", LIVE, &asked).await.unwrap(); }
                store.mark(&owner, &asked.iter().map(|a| a.0).collect::<Vec<_>>()).await;
                let l = Instant::now();
                let r = store.commit(&owner, Commit { commit: b, shard: sh, epoch: owner.epoch, progress: Progress { floor: base + (b + 1) * batch, ..Progress::default() }, rows, lanes: vec![] }).await;
                assert_eq!(r, CommitReply::Done);
                lat.push(l.elapsed());
            }
            lat.sort(); (lat[lat.len() / 2], lat[lat.len() * 99 / 100])
        }));
    }
    let mut lats = vec![];
    for t in tasks { lats.push(t.await.unwrap()); }
    let e = t.elapsed();
    println!("{mode} batch {batch}: {:.0}/s {lats:?}", total as f64 / e.as_secs_f64());
    store.close().await;
}
