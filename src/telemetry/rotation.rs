//! When an access log is set aside for a new file, and when it is opened anew because somebody else moved it.
//!
//! Owns: the decision, and the file that lines go to. Leaves: renaming and pruning old files to `file-rotate`; writing
//! and what becomes of lines that cannot be written to `writer`. A rotation that fails changes nothing: lines go on into
//! the file that is there.

use super::writer::{AccessLogError, Target, append_options, open};
use crate::domain::settings::{LogFile, Rotation};
use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Between two attempts to rotate, while they fail.
const PATIENCE: Duration = Duration::from_secs(60);

/// The file that lines go to.
#[derive(Debug)]
pub(super) struct LogTarget {
    place: LogFile,
    rotation: Rotation,
    clock: fn() -> SystemTime,
    file: File,
    bytes: u64,
    begun: SystemTime,
    /// A rotation failed; none is tried before this.
    not_before: Option<SystemTime>,
}

impl LogTarget {
    /// Opens `place`; `clock` tells when it is time for a new file.
    ///
    /// # Errors
    /// `AccessLogError` when it cannot be written to.
    pub(super) fn open(place: LogFile, rotation: Rotation, clock: fn() -> SystemTime) -> Result<Self, AccessLogError> {
        let file = open(&place)?;
        let (bytes, begun) = state_of(&file, clock());
        Ok(Self { place, rotation, clock, file, bytes, begun, not_before: None })
    }

    fn take(&mut self, file: File) {
        (self.bytes, self.begun) = state_of(&file, (self.clock)());
        (self.file, self.not_before) = (file, None);
    }
}

impl Target for LogTarget {
    fn reopen(&mut self) {
        match open(&self.place) {
            Ok(file) => self.take(file),
            Err(error) => tracing::error!(%error, "the access log cannot be opened again; the old file is written on"),
        }
    }

    fn rotate_if_due(&mut self) {
        let LogFile::Path(path) = &self.place else { return };
        let now = (self.clock)();
        let large = self.rotation.size.is_some_and(|limit| self.bytes >= limit.get());
        let age = now.duration_since(self.begun).unwrap_or_default();
        let old = self.rotation.age.is_some_and(|limit| age >= limit) && self.bytes > 0;
        if !(large || old) || self.not_before.is_some_and(|time| now < time) {
            return;
        }
        // Another process, as during an upgrade, has set it aside already: its new file is not to be set aside too.
        if !is_at(&self.file, path) {
            return self.reopen();
        }
        match set_aside(path, self.rotation.keep.get()).and_then(|()| open(&self.place).map_err(io::Error::other)) {
            Ok(file) => {
                tracing::info!(file = %path.display(), "a new access log was begun");
                self.take(file);
            }
            Err(error) => {
                self.not_before = Some(now + PATIENCE);
                tracing::error!(file = %path.display(), %error, "the access log cannot be rotated; it is written on");
            }
        }
    }
}

impl Write for LogTarget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.bytes = self.bytes.saturating_add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Its size, and when it was made; a file system that does not know that begins it now.
fn state_of(file: &File, now: SystemTime) -> (u64, SystemTime) {
    file.metadata().map_or((0, now), |about| (about.len(), about.created().unwrap_or(now)))
}

/// Whether `file` is what is found at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let same = |ours: Metadata, theirs: Metadata| (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino());
    file.metadata().ok().zip(fs::metadata(path).ok()).is_some_and(|(ours, theirs)| same(ours, theirs))
}

/// Renames `path` to `path.1`, that to `path.2` and so on; `keep` of them stay.
fn set_aside(path: &Path, keep: usize) -> io::Result<()> {
    // The file itself and not a link to it; the crate wants to see its folder.
    let path = fs::canonicalize(path)?;
    // Its assertions hold unless somebody else renames files at the same moment; that must not end the log.
    catch_unwind(AssertUnwindSafe(|| {
        let options = Some(append_options());
        FileRotate::new(&path, AppendCount::new(keep), ContentLimit::None, Compression::None, options).rotate()
    }))
    .unwrap_or_else(|_| Err(io::Error::other("its old files were changed at the same time")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::units::ByteSize;
    use std::cell::Cell;
    use std::os::unix::fs::{PermissionsExt, symlink};

    thread_local! {
        static LATER: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    #[allow(clippy::disallowed_methods, reason = "the age of a file is measured by the system's clock")]
    fn clock() -> SystemTime {
        SystemTime::now() + LATER.get()
    }

    fn target(path: &Path, size: Option<ByteSize>, age: Option<Duration>) -> LogTarget {
        let rotation = Rotation { size, age, keep: 2.try_into().unwrap() };
        LogTarget::open(LogFile::Path(path.to_owned()), rotation, clock).unwrap()
    }

    fn line(target: &mut LogTarget, text: &str) {
        target.rotate_if_due();
        target.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_full_file_is_set_aside_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut target = target(&path, Some(ByteSize::kib(1)), None);
        for name in ["a", "b", "c", "d"] {
            line(&mut target, &format!("{}\n", name.repeat(1_024)));
        }
        let first = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap()[..1].to_owned();
        assert_eq!([first("access.log"), first("access.log.1"), first("access.log.2")], ["d", "c", "b"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "the oldest is gone");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o007, 0);
    }

    #[test]
    fn two_processes_set_one_file_aside_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut both = [(); 2].map(|()| target(&path, Some(ByteSize::kib(1)), None));
        for target in &mut both {
            line(target, &"a".repeat(1_024));
        }
        for target in &mut both {
            line(target, "b");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "bb");
        assert_eq!(fs::read_to_string(folder.path().join("access.log.1")).unwrap().len(), 2_048);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_link_to_a_log_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("real"), folder.path().join("access.log"));
        fs::write(&path, "").unwrap();
        symlink("real", &link).unwrap();
        let mut target = target(&link, Some(ByteSize::kib(1)), None);
        line(&mut target, &"a".repeat(1_024));
        line(&mut target, "b");
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("real"));
        assert_eq!(fs::read_to_string(&link).unwrap(), "b");
        assert_eq!(fs::read_to_string(folder.path().join("real.1")).unwrap().len(), 1_024);
    }

    #[test]
    fn an_old_file_is_set_aside_unless_it_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut target = target(&path, None, Some(Duration::from_secs(3_600)));
        LATER.set(Duration::from_secs(3_601));
        line(&mut target, "one\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        line(&mut target, "two\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!(fs::read_to_string(folder.path().join("access.log.1")).unwrap(), "one\n");
    }

    #[test]
    fn a_rotation_that_fails_loses_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut target = target(&path, Some(ByteSize::kib(1)), None);
        line(&mut target, &"a".repeat(2_000));
        // The old name is taken by a folder, which no file can replace.
        fs::create_dir(folder.path().join("access.log.1")).unwrap();
        fs::write(folder.path().join("access.log.1/x"), "").unwrap();
        line(&mut target, "b");
        line(&mut target, "c");
        assert_eq!(fs::read_to_string(&path).unwrap().len(), 2_002);
    }

    #[test]
    fn a_moved_file_is_left_behind_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut target = target(&path, None, None);
        line(&mut target, "one\n");
        fs::rename(&path, folder.path().join("moved")).unwrap();
        line(&mut target, "two\n");
        target.reopen();
        line(&mut target, "three\n");
        assert_eq!(fs::read_to_string(folder.path().join("moved")).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }
}
