//! The thread that writes access-log lines: whole buffers in, one write each, nothing fed back but a count.
//!
//! Owns: the file, the queue, what happens when either is stuck. A worker never waits for it: past `QUEUE_MAX`
//! buffers the lines are dropped and counted. Leaves: filling buffers to `access`.

use super::metrics::{Counter, WorkerMetrics};
use crate::domain::settings::LogFile;
use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Buffers that wait for the disk, of about 32 KiB each: 4 MiB, or a third of a second at 20,000 requests a second.
pub(super) const QUEUE_MAX: usize = 128;

/// How long the end of the process waits for a log that is stuck.
const FINISH_WAIT: Duration = Duration::from_secs(5);

/// Readable by the group, so that a log shipper needs no more than that; never by everybody.
const FILE_MODE: u32 = 0o640;

/// Why the access log cannot start.
#[derive(Debug)]
pub enum AccessLogError {
    /// The file cannot be opened for appending.
    Open {
        /// As configured.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Standard output cannot be used.
    Stdout(io::Error),
    /// The writer's thread cannot be made.
    Thread(io::Error),
}

impl AccessLogError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Open { .. } => "make its folder writable for this user, or set access_log.file to \"-\"",
            Self::Stdout(_) => "set access_log.file to a path",
            Self::Thread(_) => "raise the limit of processes, or set access_log.enabled to false",
        }
    }
}

impl fmt::Display for AccessLogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, .. } => write!(f, "cannot append to the access log {}", path.display()),
            Self::Stdout(_) => f.write_str("cannot write the access log to standard output"),
            Self::Thread(_) => f.write_str("cannot start the thread of the access log"),
        }
    }
}

impl Error for AccessLogError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Open { source, .. } | Self::Stdout(source) | Self::Thread(source) => Some(source),
        }
    }
}

/// Whole lines of one worker.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) lines: Vec<u8>,
    /// Where lines are counted that cannot be written.
    pub(super) metrics: WorkerMetrics,
}

impl Batch {
    fn lost(&self, from: usize) {
        let rest = self.lines.get(from..).unwrap_or_default();
        let count = memchr::memchr_iter(b'\n', rest).count();
        self.metrics.add(Counter::AccessLinesDropped, u64::try_from(count).unwrap_or(u64::MAX));
    }
}

enum Message {
    Write(Batch),
    Reopen,
    /// What follows goes here.
    Switch(Box<dyn Target + Send>),
    End,
}

/// The way to the thread; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    sender: Sender<Message>,
    waiting: Arc<AtomicUsize>,
}

impl Queue {
    /// Hands `batch` over without waiting, or counts its lines as dropped.
    pub(super) fn offer(&self, batch: Batch) {
        // Taken back below where it was one too many, so that the count never stays above the limit.
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= QUEUE_MAX {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return batch.lost(0);
        }
        self.send(batch);
    }

    /// Sends what is handed over from now on to `target`.
    pub(super) fn switch(&self, target: Box<dyn Target + Send>) {
        // An error means that the thread is gone; `finish` says so.
        drop(self.sender.send(Message::Switch(target)));
    }

    /// Hands over what a worker had left; past the limit too, because nothing comes after it.
    fn offer_last(&self, batch: Batch) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.send(batch);
    }

    fn send(&self, batch: Batch) {
        if let Err(unsent) = self.sender.send(Message::Write(batch)) {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            if let Message::Write(batch) = unsent.0 {
                batch.lost(0);
            }
        }
    }
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Queue,
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

/// Opens where the lines go.
///
/// # Errors
/// `AccessLogError` when it cannot be written to.
pub(super) fn open(file: &LogFile) -> Result<File, AccessLogError> {
    match file {
        // A descriptor of its own: a stuck log must not hold the lock that printing takes.
        LogFile::Stdout => io::stdout().as_fd().try_clone_to_owned().map(File::from).map_err(AccessLogError::Stdout),
        LogFile::Path(path) => open_path(path).map_err(|source| AccessLogError::Open { path: path.clone(), source }),
    }
}

/// A pipe is opened for both directions, which does not wait for somebody who reads it; only writing may, on the thread
/// that is there for that.
fn open_path(path: &Path) -> io::Result<File> {
    let is_pipe = fs::metadata(path).is_ok_and(|about| about.file_type().is_fifo());
    if is_pipe { File::options().read(true).write(true).open(path) } else { append_options().open(path) }
}

/// How a file of log lines is opened.
pub(super) fn append_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(FILE_MODE);
    options
}

impl Writer {
    /// Starts the thread, which writes to `target`.
    ///
    /// # Errors
    /// `AccessLogError::Thread` when the operating system has none left.
    pub(super) fn start<T: Target + Send + 'static>(target: T) -> Result<Self, AccessLogError> {
        let target: Box<dyn Target + Send> = Box::new(target);
        let (sender, messages) = channel();
        let (end, ended) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let queue = Queue { sender, waiting: Arc::clone(&waiting) };
        let thread = std::thread::Builder::new()
            .name(String::from("access-log"))
            .spawn(move || {
                write_all(target, &messages, &waiting);
                drop(end);
            })
            .map_err(AccessLogError::Thread)?;
        Ok(Self { queue, ended, thread })
    }

    /// The way to it.
    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Opens the file anew, behind everything handed over so far; without waiting for it.
    pub(super) fn reopen(&self) {
        // An error means that the thread is gone; `finish` says so.
        drop(self.queue.sender.send(Message::Reopen));
    }

    /// Writes everything handed over so far and `last`, then ends the thread. Blocks, but not for ever: a log that is
    /// stuck is given up after `FINISH_WAIT`.
    pub(super) fn finish(self, last: impl Iterator<Item = Batch>) {
        last.for_each(|batch| self.queue.offer_last(batch));
        // An error means that the thread is gone already; joining it says how.
        let _ = self.queue.sender.send(Message::End);
        if self.ended.recv_timeout(FINISH_WAIT) == Err(RecvTimeoutError::Timeout) {
            let buffers = self.queue.waiting.load(Ordering::Acquire);
            tracing::error!(buffers, "the access log is stuck; its last lines are lost");
        } else if self.thread.join().is_err() {
            tracing::error!("the access log's thread panicked; its last lines are lost");
        }
    }
}

/// Where lines go; it may change between two lines.
pub(super) trait Target: Write {
    /// Called between two lines.
    fn rotate_if_due(&mut self) {}

    /// The file was moved away.
    fn reopen(&mut self) {}
}

impl Target for Box<dyn Target + Send> {
    fn rotate_if_due(&mut self) {
        self.as_mut().rotate_if_due();
    }

    fn reopen(&mut self) {
        self.as_mut().reopen();
    }
}

fn write_all(file: Box<dyn Target + Send>, messages: &Receiver<Message>, waiting: &AtomicUsize) {
    let mut output = Output { file, failing: false, torn: false };
    loop {
        match messages.recv() {
            Ok(Message::Write(batch)) => {
                if !output.torn {
                    output.file.rotate_if_due();
                }
                output.write(&batch);
                waiting.fetch_sub(1, Ordering::AcqRel);
            }
            Ok(Message::Reopen) => {
                output.file.reopen();
                // What was torn stays in the old file.
                output.torn = false;
            }
            Ok(Message::Switch(file)) => output = Output { file, failing: false, torn: false },
            Ok(Message::End) | Err(_) => return,
        }
    }
}

struct Output<W> {
    file: W,
    /// The last write failed.
    failing: bool,
    /// The last byte written is inside a line.
    torn: bool,
}

impl<W: Write> Output<W> {
    /// Writes `batch`, or counts the lines of it that were lost. Says so when that begins and when it is over.
    fn write(&mut self, batch: &Batch) {
        match self.try_write(&batch.lines) {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::warn!("the access log is written again; the count of lost lines is in the metrics");
            }
            Ok(()) => {}
            Err((written, error)) => {
                batch.lost(written);
                if !self.failing {
                    self.failing = true;
                    tracing::error!(%error, "the access log cannot be written; its lines are dropped until it can");
                }
            }
        }
    }

    fn try_write(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        if self.torn {
            // A full disk may take half a line; the next one must not be joined to it.
            self.file.write_all(b"\n").map_err(|error| (0, error))?;
            self.torn = false;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            let written = lines.len() - rest.len();
            let count = match self.file.write(rest) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err((written, error)),
            };
            let (done, left) = rest.split_at(count.min(rest.len()));
            self.torn = done.last() != Some(&b'\n');
            rest = left;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::metrics::Metrics;
    use super::*;
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::PermissionsExt;

    fn batch(metrics: &Metrics, lines: &[u8]) -> Batch {
        Batch { lines: lines.to_vec(), metrics: metrics.worker(0) }
    }

    fn dropped(metrics: &Metrics) -> u64 {
        metrics.total(Counter::AccessLinesDropped)
    }

    #[test]
    fn finish_writes_everything_handed_over() {
        let (mut reader, writer) = io::pipe().unwrap();
        let metrics = Metrics::new(1);
        let writer = Writer::start(File::from(OwnedFd::from(writer))).unwrap();
        let queue = writer.queue();
        for index in 0..100 {
            queue.offer(batch(&metrics, format!("{index}\n").as_bytes()));
        }
        writer.finish([batch(&metrics, b"last\n")].into_iter());
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let expected = (0..100).map(|index| format!("{index}\n")).collect::<String>() + "last\n";
        assert_eq!((text, dropped(&metrics)), (expected, 0));
        queue.offer(batch(&metrics, b"too\nlate\n"));
        assert_eq!(dropped(&metrics), 2);
    }

    #[test]
    fn lines_past_the_queue_are_dropped_and_counted_without_waiting() {
        let (mut reader, writer) = io::pipe().unwrap();
        let metrics = Metrics::new(1);
        let writer = Writer::start(File::from(OwnedFd::from(writer))).unwrap();
        // More than a pipe takes, so that the thread is stuck in its first write for as long as nobody reads.
        let long = [vec![b'x'; 1 << 20], vec![b'\n']].concat();
        writer.queue().offer(batch(&metrics, &long));
        for _ in 1..QUEUE_MAX {
            writer.queue().offer(batch(&metrics, b"kept\n"));
        }
        assert_eq!(dropped(&metrics), 0);
        writer.queue().offer(batch(&metrics, b"one\ntwo\nthree\n"));
        assert_eq!(dropped(&metrics), 3);
        let read = std::thread::spawn(move || {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).map(|_| text)
        });
        writer.finish(std::iter::empty());
        let text = read.join().unwrap().unwrap();
        assert_eq!(text.len(), long.len() + (QUEUE_MAX - 1) * "kept\n".len());
    }

    impl Target for File {}

    /// Takes `room` bytes, then fails once, then takes everything.
    struct FullOnce {
        room: usize,
        failed: bool,
        taken: Vec<u8>,
    }

    impl Write for FullOnce {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 && !self.failed {
                self.failed = true;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let count = if self.failed { bytes.len() } else { bytes.len().min(self.room) };
            self.room = self.room.saturating_sub(count);
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_loses_lines_but_joins_none() {
        let metrics = Metrics::new(1);
        for (room, taken, lost) in
            [(0, "third\n", 2), (3, "fir\nthird\n", 2), (6, "first\nthird\n", 1), (8, "first\nse\nthird\n", 1)]
        {
            let before = dropped(&metrics);
            let file = FullOnce { room, failed: false, taken: Vec::new() };
            let mut output = Output { file, failing: false, torn: false };
            output.write(&batch(&metrics, b"first\nsecond\n"));
            output.write(&batch(&metrics, b"third\n"));
            assert_eq!(String::from_utf8_lossy(&output.file.taken), taken, "{room}");
            assert_eq!(dropped(&metrics) - before, lost, "{room}");
        }
    }

    #[test]
    fn appends_to_a_file_that_others_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        for text in [b"one\n", b"two\n"] {
            open(&LogFile::Path(path.clone())).unwrap().write_all(text).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o007, 0);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let error = open(&LogFile::Path("/nonexistent/access.log".into())).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/access.log"));
        assert!(error.source().is_some());
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        let mut file = open(&LogFile::Path(path.clone())).unwrap();
        file.write_all(b"line\n").unwrap();
        let mut line = [0; 5];
        File::open(&path).unwrap().read_exact(&mut line).unwrap();
        assert_eq!(&line, b"line\n");
    }
}
