//! What LiveKit's sender waits for, gives up and drops, the simulated one does too.

use std::time::Duration;

use anyhow::Result;

use super::parity::agree;
use super::rooms::{Event, room_started};
use super::senders::{End, Step, both};
use crate::rig::{Reply, Script};

/// How many events wait in a queue.
const DEPTH: usize = 200;

fn script(answers: &[(&Event, &[Reply])]) -> Script {
    answers.iter().map(|(event, replies)| (event.id.clone(), replies.iter().copied().collect())).collect()
}

#[tokio::test]
async fn both_obey_retry_after_where_it_counts_and_give_up_on_an_answer_after_10_s() -> Result<()> {
    let cases = [
        (vec![Reply::After(503, 3), Reply::After(429, 3)], vec![3.0, 3.0], End::Sent(200)),
        (vec![Reply::After(500, 4)], vec![1.0], End::Sent(200)),
        (vec![Reply::After(501, 2)], vec![], End::Sent(501)),
        (vec![Reply::Status(404)], vec![], End::Sent(404)),
        // Ten seconds for the answer, and one until the next attempt.
        (vec![Reply::Hang], vec![11.0], End::Sent(200)),
    ];
    let mut events = Vec::new();
    for number in 0..cases.len() {
        events.push(room_started(&format!("case-{number}"))?);
    }
    let answers: Vec<(&Event, &[Reply])> =
        events.iter().zip(&cases).map(|(event, (replies, ..))| (event, replies.as_slice())).collect();
    let steps: Vec<Step> = events.iter().cloned().map(Step::Hand).collect();
    for run in both(&script(&answers), &steps).await? {
        for (event, (replies, waits, end)) in events.iter().zip(&cases) {
            let found = run.waits(&event.id);
            let same = found.len() == waits.len() && found.iter().zip(waits).all(|(found, wait)| agree(*found, *wait));
            assert!(same, "after {replies:?} it waited {found:?} s");
            assert_eq!(run.ends.get(&event.id), Some(end), "after {replies:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn both_keep_200_events_behind_the_one_that_is_under_way_and_drop_the_next() -> Result<()> {
    let mut events = Vec::new();
    for _ in 0..DEPTH + 3 {
        events.push(room_started("full")?);
    }
    let (first, [rest @ .., one_more, another]) = (&events[0], &events[1..]) else { anyhow::bail!("too few") };
    let mut steps = vec![Step::Hand(first.clone()), Step::Attempts(1)];
    steps.extend(events[1..].iter().cloned().map(Step::Hand));
    for run in both(&script(&[(first, &[Reply::Hang])]), &steps).await? {
        assert!(rest.len() == DEPTH && rest.iter().all(|event| run.ends.get(&event.id) == Some(&End::Sent(200))));
        assert_eq!([one_more, another].map(|event| run.ends.get(&event.id)), [Some(&End::Dropped); 2]);
        let tried: Vec<&str> = run.attempts.iter().map(|attempt| attempt.id.as_str()).collect();
        let wanted: Vec<&str> = [first, first].into_iter().chain(rest).map(|event| event.id.as_str()).collect();
        assert_eq!(tried, wanted);
    }
    Ok(())
}

#[tokio::test]
async fn both_drop_what_waited_more_than_30_s_and_send_what_waited_less() -> Result<()> {
    let events = [room_started("old")?, room_started("old")?, room_started("old")?, room_started("old")?];
    let [first, second, old, young] = events.clone();
    // Each of the first two takes 15 s until it is given up.
    let answers = script(&[(&first, &[Reply::Status(503); 5]), (&second, &[Reply::Close; 5])]);
    let steps = [
        Step::Hand(first),
        Step::Hand(second),
        Step::Hand(old),
        Step::Pause(Duration::from_secs(3)),
        Step::Hand(young),
    ];
    for run in both(&answers, &steps).await? {
        let ends: Vec<_> = events.iter().map(|event| run.ends.get(&event.id)).collect();
        assert_eq!(ends, [&End::GaveUp, &End::GaveUp, &End::Dropped, &End::Sent(200)].map(Some));
    }
    Ok(())
}
