//! One thread and one single-threaded executor per worker. A connection stays on its worker for life, so most
//! state is touched by one thread only (`docs/design/performance.md`).

use std::num::NonZeroUsize;
use std::thread::JoinHandle;

/// Number of a worker, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerId(pub usize);

/// The running workers.
#[derive(Debug)]
#[must_use = "workers must be joined"]
pub struct Workers(Vec<JoinHandle<()>>);

/// Starts `count` threads, each running what `main` makes of its id to the end.
///
/// # Errors
/// The operating system's, when a thread or its executor cannot be made; workers already started run on until
/// their `main` ends.
#[allow(clippy::disallowed_methods, reason = "the one place that starts threads")]
pub fn start_workers<M, F>(count: NonZeroUsize, mut main: M) -> std::io::Result<Workers>
where
    M: FnMut(WorkerId) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut workers = Vec::with_capacity(count.get());
    for id in 0..count.get() {
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = main(WorkerId(id));
        let thread = std::thread::Builder::new().name(format!("worker-{id}"));
        workers.push(thread.spawn(move || {
            executor.block_on(work);
            // Tasks past the drain deadline are dropped here; blocking name look-ups are not waited for.
            executor.shutdown_background();
        })?);
    }
    Ok(Workers(workers))
}

/// Runs `work` to its end on the current thread.
///
/// # Errors
/// The operating system's, when the executor cannot be made.
pub fn run_here<F: Future>(work: F) -> std::io::Result<F::Output> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = executor.block_on(work);
    // Name look-ups under way are not waited for.
    executor.shutdown_background();
    Ok(done)
}

impl Workers {
    /// Waits for all of them; returns how many ended by a panic.
    #[must_use]
    pub fn join(self) -> usize {
        self.0.into_iter().map(JoinHandle::join).filter(Result::is_err).count()
    }
}
