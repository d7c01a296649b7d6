//! Files that are there whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Replaces `file` whole: readers see the old text or the new one, also after a crash.
///
/// # Errors
/// The operating system's; the old text is still there then, unless the disk failed at the very last.
pub fn replace_file(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let opened = File::open(folder)?;
    let permissions = Permissions::from_mode(mode);
    let mut new = tempfile::Builder::new().prefix(".new-").permissions(permissions).tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    // The name is safe only once the folder is written as well.
    opened.sync_all()
}
