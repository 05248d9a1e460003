//! Work that goes on when whoever waits for it goes away.
//!
//! As long as somebody waits it costs no task of its own: it runs in the task of the one who waits.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Work that becomes a task of `tracker` when this is dropped before it is done. It yields nothing when the work ended in
/// a panic.
#[derive(Debug)]
pub(crate) struct CarriedOn<W: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<W>>>,
    tracker: TaskTracker,
}

impl<W: Future<Output: Send> + Send + 'static> CarriedOn<W> {
    pub(crate) fn new(work: Pin<Box<W>>, tracker: TaskTracker) -> CarriedOn<W> {
        CarriedOn { work: Some(work), tracker }
    }
}

impl<W: Future<Output: Send> + Send + 'static> Future for CarriedOn<W> {
    type Output = Option<W::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Taken out, so that what is done, or has panicked, is not carried on.
        let Some(mut work) = self.work.take() else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Pending) => {
                self.work = Some(work);
                Poll::Pending
            }
            Ok(Poll::Ready(done)) => Poll::Ready(Some(done)),
            Err(_panic) => Poll::Ready(None),
        }
    }
}

impl<W: Future<Output: Send> + Send + 'static> Drop for CarriedOn<W> {
    fn drop(&mut self) {
        // Without a runtime nothing goes on anyway.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            self.tracker.spawn_on(work, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn who_waits_gets_what_was_done_and_no_task_is_made() {
        let tracker = TaskTracker::new();
        let (sender, receiver) = oneshot::channel();
        let work = CarriedOn::new(Box::pin(async { receiver.await.unwrap() }), tracker.clone());
        let waiting = tokio::spawn(work);
        tokio::task::yield_now().await;
        sender.send(7).unwrap();
        assert_eq!(waiting.await.unwrap(), Some(7));
        assert!(tracker.is_empty());
    }

    #[tokio::test]
    async fn it_goes_on_when_nobody_waits_any_more() {
        let tracker = TaskTracker::new();
        let ((sender, receiver), (done, is_done)) = (oneshot::channel(), oneshot::channel());
        let work = CarriedOn::new(Box::pin(async { done.send(receiver.await).unwrap() }), tracker.clone());
        let waiting = tokio::spawn(work);
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(tracker.len(), 1);
        sender.send("stored").unwrap();
        assert_eq!(is_done.await.unwrap(), Ok("stored"));
        tracker.close();
        tracker.wait().await;
    }

    #[tokio::test]
    async fn a_panic_is_told_and_not_run_again() {
        let tracker = TaskTracker::new();
        let work = CarriedOn::new(Box::pin(async { panic!("a bug") }), tracker.clone());
        assert_eq!(work.await, None::<()>);
        assert!(tracker.is_empty());
    }
}
