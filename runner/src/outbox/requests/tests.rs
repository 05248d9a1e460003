//! What is chosen, and what becomes of a lane when its request ends.

use store::Destination;
use tempfile::TempDir;

use super::*;
use crate::outbox::tests::{claimed, leave};

/// Requests of one handler to one origin, one for each of these rooms, by someone who knows of no handler.
async fn left_by(rooms: &[&str]) -> (TempDir, Requests) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("state.db").display());
    let (owner, store) = claimed(&url, "me", 0).await;
    for (seq, room) in (1..).zip(rooms) {
        let (origin, method, path) = ("http://example.com".to_owned(), "POST".to_owned(), "/".to_owned());
        leave(&store, &owner, seq, room, vec![Destination::Endpoint { origin, method, path }]).await;
    }
    let metrics = Metrics::register(&service::admin::Metrics::default());
    (folder, Requests::new(store, Live::default(), metrics))
}

impl Requests {
    async fn look_again(&mut self) {
        self.heads.miss();
        while self.heads.due().is_some() {
            self.look().await.unwrap();
        }
    }

    async fn chosen(&mut self) -> Vec<RequestRow> {
        let ids: Vec<i64> = self.choose().iter().map(|head| head.id).collect();
        self.store.requests(&ids).await.unwrap()
    }
}

#[tokio::test]
async fn a_lane_goes_on_when_its_request_has_ended_and_not_before() {
    let (_folder, mut requests) = left_by(&["a", "a", "b"]).await;
    requests.look_again().await;
    let mut first = requests.chosen().await;
    assert_eq!(first.iter().map(|row| &*row.key).collect::<Vec<_>>(), ["a", "b"]);
    requests.look_again().await;
    assert!(requests.chosen().await.is_empty(), "both are under way");

    let (of_b, of_a) = (first.pop().unwrap(), first.pop().unwrap());
    requests.note(vec![(of_a.clone(), Answer::Taken)]).await.unwrap();
    let next = requests.chosen().await.pop().unwrap();
    assert!(&*next.key == "a" && next.id > of_a.id, "{next:?}");

    let later = Answer::Unavailable { error: "down".to_owned(), retry_after: Some(Duration::from_mins(1)) };
    requests.note(vec![(of_b, later)]).await.unwrap();
    let rested_at = requests.heads.rested_at();
    assert!(rested_at.is_some(), "it is tried again");
    requests.look_again().await;
    assert_eq!(requests.heads.rested_at(), rested_at, "and no sooner when all are looked for");
}

#[tokio::test]
async fn a_request_that_nobody_may_send_is_looked_at_again_later() {
    let (_folder, mut requests) = left_by(&["a"]).await;
    let free = requests.traffic.free();
    assert_eq!(requests.take_up().await.unwrap().len(), 0);
    assert_eq!(requests.traffic.free(), free);
    assert!(requests.heads.rested_at().is_some());
}
