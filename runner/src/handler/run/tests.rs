//! What runs in one task, and what gets one of its own.

use std::collections::BTreeSet;
use std::sync::Mutex;

use tokio::sync::oneshot;

use super::*;

/// What runs in which task is told by these.
type Tasks = Arc<Mutex<Vec<(u64, tokio::task::Id)>>>;

fn ended(invocation: u64) -> MachineInput {
    Input::Finished { shard: 0, invocation, outcome: Outcome::Done, report: Arc::default() }
}

/// A number, for how long it computes, what it waits for after that, and who is told of its task.
type Planned = (u64, Duration, Option<oneshot::Receiver<()>>, Tasks);

/// A run of that.
async fn run((number, computes, first, tasks): Planned) -> Option<MachineInput> {
    tasks.lock().unwrap().push((number, tokio::task::id()));
    let began = Instant::now();
    while began.elapsed() < computes {
        std::hint::spin_loop();
    }
    if let Some(first) = first {
        first.await.unwrap();
    }
    Some(ended(number))
}

/// The numbers of the next ends, until there are so many.
async fn next(inbox: &mut mpsc::Receiver<Message>, many: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < many {
        let Some(Message::Ended(inputs)) = inbox.recv().await else { panic!("no end after {numbers:?}") };
        numbers.extend(inputs.iter().map(|input| match input {
            Input::Finished { invocation, .. } => *invocation,
            _ => 0,
        }));
    }
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn an_event_that_waits_holds_up_none_of_those_beside_it() {
    let (reports, mut inbox) = mpsc::channel(8);
    let (answer, upstream) = oneshot::channel();
    let tasks = Tasks::default();
    let runs = vec![
        (1, Duration::ZERO, None, tasks.clone()),
        (2, Duration::ZERO, Some(upstream), tasks.clone()),
        (3, Duration::ZERO, None, tasks.clone()),
    ];
    let task = tokio::spawn(together(Marked::default(), runs, run, reports));
    assert_eq!(next(&mut inbox, 2).await, [1, 3], "they are told of though the second waits");
    answer.send(()).unwrap();
    assert_eq!(next(&mut inbox, 1).await, [2]);
    task.await.unwrap();
}

#[tokio::test]
async fn what_comes_after_an_event_that_computed_for_long_gets_a_task_of_its_own() {
    let (reports, mut inbox) = mpsc::channel(8);
    let tasks = Tasks::default();
    let runs = vec![
        (1, SLICE, None, tasks.clone()),
        (2, Duration::ZERO, None, tasks.clone()),
        (3, Duration::ZERO, None, tasks.clone()),
    ];
    tokio::spawn(together(Marked::default(), runs, run, reports)).await.unwrap();
    assert_eq!(next(&mut inbox, 3).await, [1, 2, 3]);
    let tasks: BTreeSet<_> = tasks.lock().unwrap().iter().map(|(_, task)| task.to_string()).collect();
    assert_eq!(tasks.len(), 3, "{tasks:?}");
}

#[tokio::test]
async fn what_a_dropped_task_had_begun_is_dropped_with_it() {
    let (reports, mut inbox) = mpsc::channel(8);
    let (answer, upstream) = oneshot::channel();
    let tasks = Tasks::default();
    let runs = vec![(1, Duration::ZERO, Some(upstream), tasks.clone()), (2, Duration::ZERO, None, tasks.clone())];
    let mut jobs = JoinSet::new();
    jobs.spawn(together(Marked::default(), runs, run, reports));
    assert_eq!(next(&mut inbox, 1).await, [2]);
    jobs.shutdown().await;
    assert!(inbox.recv().await.is_none(), "nobody is left who could tell of the first");
    assert!(answer.is_closed(), "nobody waits for its upstream any more");
}
