//! Files that a configuration was made of, looked at again and again.
//!
//! They are compared by content: bind mounts, ConfigMaps (a swapped symlink) and copies with old dates are all noticed,
//! and a file that was only touched is not. A few small files every few seconds, on no worker's thread.

use crate::runtime::open_file;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// More of a file is not looked at; loading it would refuse it for its size.
const BYTES_MAX: u64 = 4 << 20;

/// What one look at a file saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Content(u64),
    Unreadable(io::ErrorKind),
}

/// The files, and how they were seen last.
#[derive(Debug)]
pub(super) struct Watch {
    files: Vec<(PathBuf, Look)>,
    /// A change that was seen once. It counts when it is seen a second time: the first may have been half written.
    fresh: Option<Vec<Look>>,
}

impl Watch {
    /// Watches `paths` from how they are now.
    pub(super) fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut watch = Self { files: Vec::new(), fresh: None };
        watch.begin(paths);
        watch
    }

    /// Watches `paths`, and no others, from how they are now.
    pub(super) fn begin(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        self.files.clear();
        self.fresh = None;
        self.add(paths);
    }

    /// Watches `paths` too.
    pub(super) fn add(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        for path in paths {
            if !self.files.iter().any(|(known, _)| *known == path) {
                let seen = look(&path);
                self.files.push((path, seen));
            }
        }
    }

    /// Looks at all of them; true when they differ from what counted last, and did so at the last look already.
    pub(super) fn changed(&mut self) -> bool {
        let looks = self.files.iter().map(|(path, _)| look(path)).collect::<Vec<_>>();
        if self.files.iter().zip(&looks).all(|((_, before), now)| before == now) {
            self.fresh = None;
            return false;
        }
        if self.fresh.as_ref() != Some(&looks) {
            self.fresh = Some(looks);
            return false;
        }
        self.fresh = None;
        self.files.iter_mut().zip(looks).for_each(|((_, before), now)| *before = now);
        true
    }

    /// Whether a change waits for its second look.
    pub(super) fn suspicious(&self) -> bool {
        self.fresh.is_some()
    }
}

fn look(path: &Path) -> Look {
    let read = open_file(path).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    match read {
        Ok(bytes) => {
            let mut hasher = DefaultHasher::new();
            hasher.write(&bytes);
            Look::Content(hasher.finish())
        }
        Err(error) => Look::Unreadable(error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_change_counts_once_when_seen_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.conf");
        let mut watch = Watch::new([path.clone()]);
        let seen = |watch: &mut Watch| (watch.changed(), watch.changed(), watch.changed());
        assert_eq!(seen(&mut watch), (false, false, false), "a missing file is no change");
        for text in ["one", "two", "one"] {
            fs::write(&path, text).unwrap();
            assert_eq!(seen(&mut watch), (false, true, false), "{text}");
        }
        fs::write(&path, "one").unwrap();
        assert_eq!(seen(&mut watch), (false, false, false), "only touched");
        fs::write(&path, "half").unwrap();
        assert!(!watch.changed() && watch.suspicious());
        fs::write(&path, "half and half").unwrap();
        assert_eq!(seen(&mut watch), (false, true, false), "still being written at the first look");
        fs::write(&path, "typo").unwrap();
        assert!(!watch.changed());
        fs::write(&path, "half and half").unwrap();
        assert_eq!(seen(&mut watch), (false, false, false), "taken back");
        fs::remove_file(&path).unwrap();
        assert_eq!(seen(&mut watch), (false, true, false), "gone");
    }

    #[test]
    fn a_swapped_folder_of_links_is_a_change() {
        // As a ConfigMap is mounted: proxy.conf -> ..data/proxy.conf, ..data -> ..<date>
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("proxy.conf"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/proxy.conf", at("proxy.conf")).unwrap();
        let mut watch = Watch::new([at("proxy.conf")]);
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(!watch.changed() && watch.changed());
    }
}
