//! Work side by side: as answers come, or in turns that somebody draws, so that a history replays exactly.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::future::{MaybeDone, join_all, maybe_done};

/// One piece of work goes on at a time, from request to request: at each, somebody draws whose turn is next.
pub struct Turns {
    over: AtomicBool,
    draw: Box<dyn Fn(usize) -> usize + Send + Sync>,
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

impl Turns {
    /// `draw` is told how many there are and says which of them goes on.
    pub fn new(draw: impl Fn(usize) -> usize + Send + Sync + 'static) -> Self {
        Self { over: AtomicBool::new(false), draw: Box::new(draw) }
    }

    /// A client calls this before each request: whatever else is under way may go first.
    pub async fn pass(&self) {
        let mut passed = false;
        poll_fn(|cx| {
            self.over.store(!passed, Ordering::Relaxed);
            if std::mem::replace(&mut passed, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn poll<F: Future>(&self, work: &mut [Pin<Box<MaybeDone<F>>>], whose: &mut Option<usize>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let left = work.iter_mut().filter_map(|work| work.as_mut().output_mut().is_none().then_some(work));
            let mut left: Vec<_> = left.collect();
            let now = whose.take().unwrap_or_else(|| (self.draw)(left.len()));
            let Some(its) = left.get_mut(now) else { return Poll::Ready(()) };
            self.over.store(false, Ordering::Relaxed);
            if its.as_mut().poll(cx).is_pending() {
                *whose = (!self.over.load(Ordering::Relaxed)).then_some(now);
                return Poll::Pending;
            }
        }
    }
}

/// Does all of it, and gives what came of each in the order given.
pub(super) async fn side_by_side<F: Future>(turns: Option<&Turns>, work: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let Some(turns) = turns else { return join_all(work).await };
    let mut work: Vec<_> = work.into_iter().map(|work| Box::pin(maybe_done(work))).collect();
    let mut whose = None;
    poll_fn(|cx| turns.poll(&mut work, &mut whose, cx)).await;
    work.iter_mut().filter_map(|work| work.as_mut().take_output()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    async fn three_requests(turns: Option<&Turns>, name: char, said: &Mutex<String>) -> char {
        for _ in 0..3 {
            if let Some(turns) = turns {
                turns.pass().await;
            }
            said.lock().unwrap().push(name);
        }
        name
    }

    fn said(turns: Option<&Turns>) -> (String, Vec<char>) {
        let said = Mutex::new(String::new());
        let work = ['a', 'b', 'c'].map(|name| three_requests(turns, name, &said));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let came = runtime.block_on(side_by_side(turns, work));
        (said.into_inner().unwrap(), came)
    }

    #[test]
    fn whoever_is_drawn_goes_on_to_the_next_request() {
        let all = vec!['a', 'b', 'c'];
        assert_eq!(said(None), ("aaabbbccc".to_owned(), all.clone()));
        assert_eq!(said(Some(&Turns::new(|_| 0))), ("aaabbbccc".to_owned(), all.clone()));
        assert_eq!(said(Some(&Turns::new(|of| of.saturating_sub(1)))), ("cccbbbaaa".to_owned(), all.clone()));
        let next = AtomicBool::new(false);
        let (order, came) =
            said(Some(&Turns::new(move |of| usize::from(next.fetch_xor(true, Ordering::Relaxed)).min(of - of.min(1)))));
        assert_eq!((order.len(), came), (9, all));
        assert!(order.contains("ab") && order.contains("ba"), "{order}: they take turns");
    }
}
