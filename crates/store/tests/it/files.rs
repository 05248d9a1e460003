//! SQLite alone: its files, and who may open them.

use event::Prefix;
use lanes::{Origin, Suspect};
use store::{Error, OpenError, Sending, Store};
use tempfile::TempDir;

use crate::world::{HANDLER, done, done_with, effect, identity, open, owner_of, parked, row, url};

type World = crate::world::World<false>;

#[tokio::test]
async fn a_second_opener_is_refused_in_words_with_the_pid_of_the_first() {
    let world = World::new().await;
    let error = Store::open(&url(&world.folder), &Prefix::default()).await.unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, OpenError::Held { pid: Some(pid), .. } if pid == std::process::id()), "{words}");
    assert!(words.starts_with("another runner holds `") && words.contains("state.db.lock"), "{words}");
    assert!(words.contains(&format!("(pid {})", std::process::id())), "{words}");
}

#[tokio::test]
async fn the_lock_is_free_once_the_store_is_closed() {
    let world = World::new().await;
    let other_handle = world.store.clone();
    world.store.close().await;
    let again = open(&world.folder).await;
    assert!(matches!(other_handle.books().await, Err(Error::Closed)));
    assert!(matches!(other_handle.outbox_sent(&[1]).await, Err(Error::Closed)));
    assert!(again.books().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_lock_is_free_once_the_last_handle_is_gone() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    drop(store);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        match Store::open(&url(&folder), &Prefix::default()).await {
            Ok(_) => break,
            Err(error) => assert!(std::time::Instant::now() < until, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_made_and_what_was_written_is_there_the_next_time() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("deep/er/state.db").display());
    let store = Store::open(&url, &Prefix::default()).await.unwrap();
    store.close().await;
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, done())]).await;
    let world = world.restart().await;
    assert_eq!(world.look_up(HANDLER, store::LIVE, &[(9, identity("EV_1"))]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_refused() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("state.db"), vec![7; 8192]).unwrap();
    let error = Store::open(&url(&folder), &Prefix::default()).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot open the database `"), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let world = World::new().await;
    let mut raw = world.file().await;
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (999, 'later', true, x'00', 0)",
    )
    .execute(&mut raw)
    .await
    .unwrap();
    world.store.close().await;
    let error = Store::open(&url(&world.folder), &Prefix::default()).await.unwrap_err();
    assert!(error.to_string().contains("it may have been written by a newer version"), "{error}");
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_everything_that_was_answered() {
    let world = World::new().await;
    let owner = world.own().await;
    let effects = done_with(vec![effect("a", "1"), effect("a", "2")]);
    world.put_done(&owner, vec![row(1, Origin::Stream, effects), row(2, Origin::Stream, parked(1))]).await;
    let id = world.outbox_waiting(0, 1).await.unwrap().rows[0].id;
    world.outbox_sending(&[Sending { id, stream: "A".into(), last_seq: 9 }], 5).await.unwrap();
    world.mark(&owner, &[3, 4]).written().await;
    // The files as they are in the middle of its life, as the next process finds them after a kill.
    let folder = TempDir::new().unwrap();
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let left = World::at(folder).await;
    let claim = left.claim_as("next", 0).await;
    assert_eq!(claim.claimed.progress.floor, 2);
    assert_eq!(claim.claimed.suspects.iter().map(|suspect| suspect.seq).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(left.load(HANDLER, store::LIVE, 0, "room", 0, 9).await.unwrap().len(), 1);
    let sent: Vec<bool> = left.outbox_waiting(0, 9).await.unwrap().rows.iter().map(|row| row.sent.is_some()).collect();
    assert_eq!(sent, [true, false]);
}

#[tokio::test]
async fn marks_that_cannot_be_read_are_made_anew() {
    let world = World::new().await;
    let owner = world.own().await;
    world.mark(&owner, &[1]).written().await;
    world.store.close().await;
    std::fs::write(
        world.path("state.db.marks"),
        b"this is no database, and long enough to look like one\n".repeat(200),
    )
    .unwrap();
    let world = World::at(world.folder).await;
    let claim = world.claim_as("b", 0).await;
    assert_eq!(claim.claimed.suspects, []);
    world.mark(&owner_of(&claim.claimed), &[2]).written().await;
    let world = world.restart().await;
    assert_eq!(world.claim_as("c", 0).await.claimed.suspects, [Suspect { seq: 2, deaths: 1, lone_deaths: 0 }]);
}
