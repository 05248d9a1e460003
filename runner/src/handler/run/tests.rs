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

#[tokio::test]
async fn what_comes_after_an_event_that_waits_shares_one_task() {
    let (reports, mut inbox) = mpsc::channel(8);
    let (answer, upstream) = oneshot::channel();
    let tasks = Tasks::default();
    let runs = vec![
        (1, Duration::ZERO, Some(upstream), tasks.clone()),
        (2, Duration::ZERO, None, tasks.clone()),
        (3, Duration::ZERO, None, tasks.clone()),
    ];
    let task = tokio::spawn(together(Marked::default(), runs, run, reports));
    assert_eq!(next(&mut inbox, 2).await, [2, 3]);
    answer.send(()).unwrap();
    task.await.unwrap();
    let tasks: BTreeSet<_> = tasks.lock().unwrap().iter().map(|(_, task)| task.to_string()).collect();
    assert_eq!(tasks.len(), 2, "{tasks:?}");
}

#[tokio::test]
async fn an_event_that_waits_goes_on_while_the_inbox_is_full() {
    let (reports, mut inbox) = mpsc::channel(1);
    reports.send(Message::Ended(vec![ended(0)])).await.unwrap();
    let (answer, upstream) = oneshot::channel();
    let (first, second) = (Tasks::default(), Tasks::default());
    let runs = vec![(1, Duration::ZERO, None, first), (2, Duration::ZERO, Some(upstream), second.clone())];
    let task = tokio::spawn(together(Marked::default(), runs, run, reports));
    while second.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    answer.send(()).unwrap();
    // It drops its own at its end.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(Arc::strong_count(&second), 1, "the second is over, and nobody was told of the first");
    assert_eq!(next(&mut inbox, 3).await, [0, 1, 2]);
    task.await.unwrap();
}
