//! Files below one folder, under the names that uploads give them.
//!
//! Owns: that no name leads outside the folder, and that a file appears whole or not at all. Leaves: who may do it,
//! and how it is asked for, to `files`.
//! Limits: the disk's.

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;
use tempfile::TempPath;
use tokio::fs;
use tokio::io::AsyncWriteExt as _;

/// The folder of files that are still being written; no name reaches it.
const INCOMING: &str = ".incoming";

/// Written to the disk at once.
const WRITE_BUFFER: usize = 512 * 1024;

/// Files by name.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

/// A file that is being written; dropping it removes it.
#[derive(Debug)]
pub(super) struct Draft {
    file: fs::File,
    path: TempPath,
    target: PathBuf,
}

/// A stored file, open for reading.
#[derive(Debug)]
pub(super) struct Stored {
    /// Its content.
    pub(super) file: fs::File,
    /// Its length in bytes.
    pub(super) length: u64,
    /// When it was written.
    pub(super) modified: SystemTime,
}

impl Store {
    /// Files below `folder`, which is made when the first one comes.
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Starts a new file that is to be called `name`; `None` where the name is none of ours.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) async fn draft(&self, name: &str) -> io::Result<Option<Draft>> {
        let Some(target) = self.path(name) else { return Ok(None) };
        let incoming = self.folder.join(INCOMING);
        fs::create_dir_all(&incoming).await?;
        let (file, path) = tempfile::NamedTempFile::new_in(incoming)?.into_parts();
        let mut file = fs::File::from_std(file);
        file.set_max_buf_size(WRITE_BUFFER);
        Ok(Some(Draft { file, path, target }))
    }

    /// Opens the file `name`; `None` where there is none.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) async fn open(&self, name: &str) -> io::Result<Option<Stored>> {
        let Some(path) = self.path(name) else { return Ok(None) };
        let file = match fs::File::open(path).await {
            Err(error) if is_absent(&error) => return Ok(None),
            opened => opened?,
        };
        let about = file.metadata().await?;
        if !about.is_file() {
            return Ok(None);
        }
        Ok(Some(Stored { file, length: about.len(), modified: about.modified()? }))
    }

    /// Removes the file `name`; `false` where there is none.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) async fn remove(&self, name: &str) -> io::Result<bool> {
        match self.path(name) {
            Some(path) if fs::metadata(&path).await.is_ok_and(|about| about.is_file()) => {
                fs::remove_file(path).await.map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// Removes the file or the whole folder `name`; `false` where there is neither.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) async fn remove_all(&self, name: &str) -> io::Result<bool> {
        match self.path(name) {
            Some(path) if fs::metadata(&path).await.is_ok_and(|about| about.is_dir()) => {
                fs::remove_dir_all(path).await.map(|()| true)
            }
            _ => self.remove(name).await,
        }
    }

    /// Where `name` lies; `None` for a name that is empty, leads outside or to unfinished files.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let parts = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>();
        let ours = parts.first().is_some_and(|first| *first != INCOMING)
            && parts.iter().all(|part| *part != ".." && !part.contains(['\0', '\\']));
        ours.then(|| parts.iter().fold(self.folder.clone(), |path, part| path.join(part)))
    }
}

impl Draft {
    /// Adds `bytes`.
    ///
    /// # Errors
    /// The operating system's.
    ///
    /// # Cancel safety
    /// Some of `bytes` may have been written; drop the draft.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await
    }

    /// Waits until the operating system has all bytes.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        self.file.flush().await
    }

    /// Gives the file its name, in place of what was there.
    ///
    /// # Errors
    /// The operating system's, also when a folder stands there or a file stands in the way of one.
    pub(super) async fn keep(self) -> io::Result<()> {
        if let Some(parent) = self.target.parent() {
            fs::create_dir_all(parent).await?;
        }
        fs::rename(&self.path, &self.target).await
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    async fn stored(store: &Store, name: &str, text: &str) -> bool {
        let Some(mut draft) = store.draft(name).await.unwrap() else { return false };
        draft.write(text.as_bytes()).await.unwrap();
        draft.finish().await.unwrap();
        draft.keep().await.unwrap();
        true
    }

    async fn content(store: &Store, name: &str) -> Option<String> {
        let mut text = String::new();
        store.open(name).await.unwrap()?.file.read_to_string(&mut text).await.unwrap();
        Some(text)
    }

    #[tokio::test]
    async fn keeps_opens_replaces_and_removes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("made later"));
        assert!(stored(&store, "/a/b ü/c.bin", "one").await);
        assert_eq!(content(&store, "a//b ü/./c.bin").await.as_deref(), Some("one"));
        assert!(stored(&store, "a/b ü/c.bin", "two").await);
        assert_eq!(content(&store, "a/b ü/c.bin").await.as_deref(), Some("two"));
        assert_eq!(content(&store, "a/b ü").await, None);
        assert_eq!(content(&store, "a/b ü/c.bin/d").await, None);
        assert!(store.remove("a/b ü/c.bin").await.unwrap());
        assert!(!store.remove("a/b ü/c.bin").await.unwrap());
        assert!(!store.remove("a").await.unwrap());
        assert!(store.remove_all("a").await.unwrap());
        assert!(!store.remove_all("a").await.unwrap());
    }

    #[tokio::test]
    async fn no_name_leads_outside_or_to_unfinished_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("outside"), "secret").unwrap();
        let store = Store::new(folder.path().join("inside"));
        assert!(stored(&store, "x", "").await);
        for name in [
            "",
            "/",
            "..",
            "../outside",
            "x/../../outside",
            "/../outside",
            ".incoming/x",
            "./.incoming",
            "a\0b",
            "..\\x",
        ] {
            assert!(!stored(&store, name, "evil").await, "{name:?}");
            assert_eq!(content(&store, name).await, None, "{name:?}");
            assert!(!store.remove_all(name).await.unwrap(), "{name:?}");
        }
        assert_eq!(std::fs::read_to_string(folder.path().join("outside")).unwrap(), "secret");
    }

    #[tokio::test]
    async fn an_abandoned_draft_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().into());
        let mut draft = store.draft("x").await.unwrap().unwrap();
        draft.write(b"half").await.unwrap();
        drop(draft);
        assert_eq!(std::fs::read_dir(folder.path().join(INCOMING)).unwrap().count(), 0);
    }
}
