//! Multipart bodies to stored files, part by part as they arrive.
//!
//! Owns: streaming each part to the disk; nothing is kept unless the whole body is good. Leaves: the parsing to
//! `multer`, which holds what arrived and was not yet written: at most what hyper hands over at once.
//! Limits: `PARTS_MAX` parts, as many as Werkzeug takes.

use super::store::{Draft, Store};
use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyDataStream;
use multer::Multipart;
use std::error::Error;
use std::fmt;
use std::io;

const PARTS_MAX: usize = 1_000;

/// Why an upload was not stored.
#[derive(Debug)]
pub(super) enum UploadError {
    /// No multipart body, or a broken or cut one.
    Body(multer::Error),
    /// More parts than `PARTS_MAX`.
    Parts,
    /// A name that leads outside the folder.
    Name,
    /// The disk.
    Disk(io::Error),
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(_) => f.write_str("cannot read the multipart body"),
            Self::Parts => write!(f, "more than {PARTS_MAX} parts in one upload"),
            Self::Name => f.write_str("a part's name leads outside the folder"),
            Self::Disk(_) => f.write_str("cannot store the upload"),
        }
    }
}

impl Error for UploadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Body(error) => Some(error),
            Self::Disk(error) => Some(error),
            Self::Parts | Self::Name => None,
        }
    }
}

impl From<multer::Error> for UploadError {
    fn from(error: multer::Error) -> Self {
        Self::Body(error)
    }
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Stores each part of `body` that has a file name under the part's own name; returns the names.
///
/// # Errors
/// `UploadError`; then nothing was stored, except where the disk failed between two files.
///
/// # Cancel safety
/// Dropping it stores nothing, or, while the files are being renamed, some.
pub(super) async fn store<B>(store: &Store, content_type: &str, body: B) -> Result<Vec<String>, UploadError>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut parts = Multipart::new(BodyDataStream::new(body), multer::parse_boundary(content_type)?);
    let mut drafts: Vec<Draft> = Vec::new();
    let mut names = Vec::new();
    let mut count = 0;
    while let Some(mut part) = parts.next_field().await? {
        count += 1;
        if count > PARTS_MAX {
            return Err(UploadError::Parts);
        }
        let Some(name) = part.name().filter(|name| !name.is_empty()).map(unquoted) else { continue };
        if part.file_name().is_none() {
            continue;
        }
        let mut draft = store.draft(&name).await?.ok_or(UploadError::Name)?;
        while let Some(bytes) = part.chunk().await? {
            draft.write(&bytes).await?;
        }
        draft.finish().await?;
        drafts.push(draft);
        names.push(name);
    }
    for draft in drafts {
        draft.keep().await?;
    }
    Ok(names)
}

/// Browsers and `requests` write a quotation mark in a part's name as `%22`; nothing else is encoded.
fn unquoted(name: &str) -> String {
    name.trim_start_matches('/').replace("%22", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    async fn upload(folder: &std::path::Path, body: &str) -> Result<Vec<String>, UploadError> {
        let body = Full::new(Bytes::from(body.replace('\n', "\r\n").into_bytes()));
        store(&Store::new(folder.into()), "multipart/form-data; boundary=B", body).await
    }

    fn file(name: &str, content: &str) -> String {
        format!(
            "--B\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\nContent-Type: a/b\n\n{content}\n"
        )
    }

    #[tokio::test]
    async fn stores_each_file_under_its_part_name() {
        let folder = tempfile::tempdir().unwrap();
        let text = "--B\nContent-Disposition: form-data; name=\"no file\"\n\nskipped\n";
        let body = format!("{}{text}{}--B--\n", file("a/b ü 1.bin", "one\n--xB"), file("/c%20%22", ""));
        assert_eq!(upload(folder.path(), &body).await.unwrap(), ["a/b ü 1.bin", "c%20\""]);
        assert_eq!(std::fs::read(folder.path().join("a/b ü 1.bin")).unwrap(), b"one\r\n--xB");
        assert_eq!(std::fs::read(folder.path().join("c%20\"")).unwrap(), b"");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_stores_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for body in [String::new(), file("a", "x"), format!("{}{}", file("a", "x"), "--B\nContent-Dis")] {
            assert!(matches!(upload(folder.path(), &body).await, Err(UploadError::Body(_))), "{body}");
            assert!(!folder.path().join("a").exists());
        }
    }

    #[tokio::test]
    async fn refuses_names_that_lead_outside_and_too_many_parts() {
        let folder = tempfile::tempdir().unwrap();
        let outside = format!("{}--B--\n", file("../../evil", "x"));
        assert!(matches!(upload(folder.path(), &outside).await, Err(UploadError::Name)));
        let many = format!("{}--B--\n", "--B\nContent-Disposition: form-data; name=\"a\"\n\nx\n".repeat(PARTS_MAX + 1));
        assert!(matches!(upload(folder.path(), &many).await, Err(UploadError::Parts)));
    }
}
