//! The notifier against scripted answers, on a clock that only moves when everybody waits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, advance, sleep};

use super::*;
use crate::generate::{Names, event};
use crate::sender::RetryAfter;

/// What a scripted receiver does with one request.
#[derive(Clone, Copy)]
enum Turn {
    /// Answers at once.
    Status(u16),
    /// Answers and asks for a wait.
    After(u16, u64),
    /// Answers 200 after so many seconds.
    Slow(u64),
    /// Closes.
    Close,
}

#[derive(Clone)]
struct Scripted(Arc<Mutex<Script>>);

struct Script {
    start: Instant,
    /// By body; 200 when there is nothing left.
    turns: HashMap<Bytes, VecDeque<Turn>>,
    signed: usize,
    /// When each request came, in milliseconds from the start, with its body and token.
    seen: Vec<(u128, Bytes, String)>,
}

impl Scripted {
    fn new(turns: &[(&str, &[Turn])]) -> Scripted {
        let turns =
            turns.iter().map(|(body, turns)| (Bytes::from((*body).to_owned()), turns.iter().copied().collect()));
        let script = Script { start: Instant::now(), turns: turns.collect(), signed: 0, seen: Vec::new() };
        Scripted(Arc::new(Mutex::new(script)))
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When requests with this body came.
    fn times(&self, body: &str) -> Vec<u128> {
        self.script().seen.iter().filter(|(_, seen, _)| seen == body).map(|(at, ..)| *at).collect()
    }
}

impl Post for Scripted {
    fn sign(&self, _: &[u8]) -> String {
        let mut script = self.script();
        script.signed += 1;
        script.signed.to_string()
    }

    async fn post(&self, body: Bytes, token: &str) -> Result<Answer, SendError> {
        let turn = {
            let mut script = self.script();
            let at = script.start.elapsed().as_millis();
            script.seen.push((at, body.clone(), token.to_owned()));
            script.turns.get_mut(&body).and_then(VecDeque::pop_front).unwrap_or(Turn::Status(200))
        };
        let answer = |status, retry_after| Ok(Answer { status, retry_after });
        match turn {
            Turn::Status(status) => answer(status, None),
            Turn::After(status, seconds) => answer(status, Some(RetryAfter::In(Duration::from_secs(seconds)))),
            Turn::Slow(seconds) => {
                sleep(Duration::from_secs(seconds)).await;
                answer(200, None)
            }
            Turn::Close => Err(SendError::Timeout { within: Duration::ZERO }),
        }
    }
}

fn room(room: &str) -> String {
    event("room_started", &Names::new(room, ""))
}

#[tokio::test(start_paused = true)]
async fn attempts_are_at_0_1_3_7_and_15_s_with_one_token_and_then_the_event_is_given_up() {
    let body = room("a");
    let post =
        Scripted::new(&[(&body, &[Turn::Status(503), Turn::Close, Turn::Status(429), Turn::Close, Turn::Close])]);
    let delivery = Notifier::new(post.clone(), Rules::default()).notify(body.clone()).await.unwrap();
    assert_eq!((delivery.fate, delivery.attempts.len()), (Fate::GaveUp, 5));
    assert_eq!(post.times(&body), [0, 1000, 3000, 7000, 15_000]);
    assert!(post.script().seen.iter().all(|(_, _, token)| token == "1"));
    assert_eq!(delivery.id, crate::body::inspect(body.as_bytes()).unwrap().id.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_refused_event_is_sent_for_livekit_and_never_tried_again() {
    let body = room("a");
    let post = Scripted::new(&[(&body, &[Turn::Status(400)])]);
    let delivery = Notifier::new(post.clone(), Rules::default()).notify(body.clone()).await.unwrap();
    assert_eq!((delivery.fate, delivery.accepted()), (Fate::Sent { status: 400 }, false));
    advance(Duration::from_mins(1)).await;
    assert_eq!(post.times(&body), [0]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_moves_the_next_attempt_and_only_that() {
    let body = room("a");
    let post = Scripted::new(&[(&body, &[Turn::After(503, 20), Turn::After(500, 20), Turn::Close])]);
    Notifier::new(post.clone(), Rules::default()).notify(body.clone()).await.unwrap();
    assert_eq!(post.times(&body), [0, 20_000, 22_000, 26_000]);
}

#[tokio::test(start_paused = true)]
async fn the_next_event_of_a_key_waits_until_the_one_before_has_ended_and_other_keys_do_not() {
    let names = Names::new("a", "somebody");
    let (first, second, other) = (event("room_started", &names), event("participant_joined", &names), room("b"));
    let egress = event("egress_started", &names);
    let post = Scripted::new(&[(&first, &[Turn::Close; 5])]);
    let notifier = Notifier::new(post.clone(), Rules::default());
    let waiting = [&first, &second, &other, &egress].map(|body| notifier.notify(body.clone()));
    let [_, second_ended, ..] = waiting;
    second_ended.await.unwrap();
    assert_eq!((post.times(&second), post.times(&other), post.times(&egress)), (vec![15_000], vec![0], vec![0]));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waited_more_than_30_s_is_dropped_unsent() {
    let names = Names::new("a", "somebody");
    let [slow, old, young] = ["room_started", "participant_joined", "participant_left"].map(|kind| event(kind, &names));
    let post = Scripted::new(&[(&slow, &[Turn::Slow(31)])]);
    let notifier = Notifier::new(post.clone(), Rules::default());
    let (slow, old_end) = (notifier.notify(slow), notifier.notify(old.clone()));
    sleep(Duration::from_secs(2)).await;
    let young_end = notifier.notify(young.clone());
    assert!(slow.await.unwrap().accepted(), "without a limit an answer may take 31 s");
    let dropped = old_end.await.unwrap();
    assert_eq!((dropped.fate, dropped.attempts.len()), (Fate::DroppedOld, 0));
    assert!(young_end.await.unwrap().accepted());
    assert_eq!((post.times(&old), post.times(&young)), (vec![], vec![31_000]));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_the_new_event_and_its_extra_webhooks() {
    let names = Names::new("a", "somebody");
    let slow = event("room_started", &names);
    let post = Scripted::new(&[(&slow, &[Turn::Slow(5)])]);
    let ends: Arc<Mutex<Vec<Fate>>> = Arc::default();
    let heard = ends.clone();
    let hook: Hook = Arc::new(move |delivery| heard.lock().unwrap().push(delivery.fate));
    let notifier = Notifier::with_hook(post.clone(), Rules::default(), hook);
    let first = notifier.notify(slow);
    // Once it is on its way it does not count.
    sleep(Duration::from_secs(1)).await;
    let mut waiting: Vec<_> = (0..200).map(|_| notifier.notify(event("participant_joined", &names))).collect();
    let mut refused = notifier.notify_with(event("participant_joined", &names), std::slice::from_ref(&post));
    assert_eq!(refused.len(), 1, "the extra webhook is not sent either");
    let delivery = refused.pop().unwrap().await.unwrap();
    assert_eq!((delivery.fate, delivery.ended_at), (Fate::DroppedFull, delivery.queued_at));
    first.await.unwrap();
    assert!(waiting.pop().unwrap().await.unwrap().accepted());
    let ends = ends.lock().unwrap();
    assert_eq!((ends.len(), ends[0]), (202, Fate::DroppedFull));
    assert_eq!(ends.iter().filter(|fate| **fate == Fate::Sent { status: 200 }).count(), 201);
}

#[tokio::test(start_paused = true)]
async fn an_extra_webhook_has_a_queue_and_a_token_of_its_own() {
    let names = Names::new("a", "");
    let (first, second) = (event("egress_started", &names), event("egress_ended", &names));
    let (post, extra) = (Scripted::new(&[(&first, &[Turn::Slow(9)])]), Scripted::new(&[]));
    let notifier = Notifier::new(post.clone(), Rules::default());
    let mut ends = notifier.notify_with(first.clone(), std::slice::from_ref(&extra));
    ends.extend(notifier.notify_with(second.clone(), std::slice::from_ref(&extra)));
    let mut deliveries = Vec::new();
    for end in ends {
        deliveries.push(end.await.unwrap());
    }
    assert_eq!(deliveries.iter().map(|delivery| delivery.extra).collect::<Vec<_>>(), [false, true, false, true]);
    assert_eq!((post.times(&first), post.times(&second)), (vec![0], vec![9000]));
    assert_eq!((extra.times(&first), extra.times(&second)), (vec![0], vec![0]));
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_as_long_as_the_rules_say() {
    let body = room("a");
    let post = Scripted::new(&[(&body, &[Turn::Slow(11), Turn::Slow(9)])]);
    let delivery = Notifier::new(post.clone(), Rules::protocol_1_54()).notify(body.clone()).await.unwrap();
    assert_eq!(post.times(&body), [0, 11_000]);
    assert!(delivery.accepted());
    assert!(matches!(delivery.attempts[0].answer, Err(SendError::Timeout { within }) if within.as_secs() == 10));
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_forgotten_5_minutes_after_its_last_event_and_what_is_in_it_is_still_sent() {
    let names = Names::new("a", "somebody");
    let [hung, behind, late] =
        ["room_started", "participant_joined", "participant_left"].map(|kind| event(kind, &names));
    let post = Scripted::new(&[(&hung, &[Turn::Slow(400)])]);
    let notifier = Notifier::new(post.clone(), Rules { max_age: Duration::from_hours(1), ..Rules::default() });
    let behind_end = { (notifier.notify(hung.clone()), notifier.notify(behind.clone())).1 };
    for other in ["b", "c"] {
        notifier.notify(room(other)).await.unwrap();
    }
    assert_eq!(notifier.main.len(), 3);
    sleep(Duration::from_secs(301)).await;
    notifier.notify(late.clone()).await.unwrap();
    assert_eq!(notifier.main.len(), 1);
    assert_eq!((post.times(&late), post.times(&behind)), (vec![301_000], vec![]), "as LiveKit has it: out of order");
    assert!(behind_end.await.unwrap().accepted());
}
