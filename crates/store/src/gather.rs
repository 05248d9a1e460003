//! What is asked at the same time is done together: whoever is about to ask comes first, then the queue is read.

use tokio::{sync::mpsc, task::yield_now};

/// Waits until something is in the queue and takes it, with what else comes until those who are ready to run had their
/// turn: `most` at most. Answers how much was taken; nothing when nobody can send any more.
///
/// On a busy machine that is what many shards ask, on an idle one it takes no time. Without it the first one who asks
/// wakes the reader, which then does that alone while the others have to wait for it.
pub(crate) async fn gather<T>(queue: &mut mpsc::Receiver<T>, taken: &mut Vec<T>, most: usize) -> usize {
    if queue.recv_many(taken, most).await > 0 {
        yield_now().await;
    }
    while taken.len() < most
        && let Ok(next) = queue.try_recv()
    {
        taken.push(next);
    }
    taken.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_about_to_ask_is_taken_along_with_who_asked() {
        let (sender, mut queue) = mpsc::channel(8);
        for number in 0..5 {
            let sender = sender.clone();
            tokio::spawn(async move {
                if number > 0 {
                    // It is ready when the first one asks, and asks after it.
                    yield_now().await;
                }
                sender.send(number).await
            });
        }
        drop(sender);
        let mut counts = Vec::new();
        for _ in 0..3 {
            counts.push(gather(&mut queue, &mut Vec::new(), 4).await);
        }
        assert_eq!(counts, [4, 1, 0]);
    }
}
