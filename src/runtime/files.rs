//! Files that others put down: opened without a wait, and only where they are files.

use rustix::fs::{Access, OFlags, access};
use std::fs::{File, FileType};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Opens `path` for reading. A pipe that nobody writes to is no reason to wait, nor a device one to read for ever.
///
/// # Errors
/// The operating system's; `InvalidInput` for what is no file.
pub fn open_file(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() { Ok(file) } else { Err(io::Error::new(ErrorKind::InvalidInput, what(kind))) }
}

/// Whether this process can make files in `folder`, which is there.
///
/// # Errors
/// The operating system's; `ReadOnlyFilesystem` where nobody can.
pub fn may_write(folder: &Path) -> io::Result<()> {
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

fn what(kind: FileType) -> &'static str {
    match () {
        () if kind.is_dir() => "it is a folder",
        () if kind.is_fifo() => "it is a pipe",
        () if kind.is_socket() => "it is a socket",
        () => "it is a device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, mkfifoat};

    #[test]
    fn files_are_opened_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let [file, pipe] = ["file", "pipe"].map(|name| folder.path().join(name));
        std::fs::write(&file, "text").unwrap();
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        assert_eq!(io::read_to_string(open_file(&file).unwrap()).unwrap(), "text");
        for (path, said) in [(pipe.as_path(), "pipe"), (folder.path(), "folder"), (Path::new("/dev/zero"), "device")] {
            let error = open_file(path).unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains(said), "{said}: {error}");
        }
        assert_eq!(open_file(&folder.path().join("missing")).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(may_write(folder.path()).is_ok());
        assert_eq!(may_write(&file).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
}
