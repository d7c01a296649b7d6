//! The Unix socket: HTTP/1.1 for the user that the proxy runs as, and for root.
//!
//! The file is made under a name of its own and renamed into place, so that a proxy that takes over replaces it in one
//! step. Its mode lets nobody else in, and each connection's peer is asked for besides.

use super::command::Outcome;
use super::events::Feeds;
use super::pages::{self, Body};
use super::routes;
use crate::runtime::{Deadline, Places, Tasks};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};

/// Connections at once.
const CONNECTIONS_MAX: usize = 16;

/// Bytes of a request's body.
const BODY_MAX: usize = 64 * 1024;

/// From accept to the end of a request's head and body.
const HEAD_WAIT: Duration = Duration::from_secs(10);

/// Why there is no socket.
#[derive(Debug)]
pub enum SocketError {
    /// Another process answers there.
    InUse(PathBuf),
    /// The operating system's reason.
    System(PathBuf, io::Error),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(f, "another proxy has the admin socket {}", path.display()),
            Self::System(path, error) => write!(f, "cannot make the admin socket {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for SocketError {}

/// A socket in its place; gone from there when dropped, unless another process has taken the place.
#[derive(Debug)]
pub struct AdminSocket {
    path: PathBuf,
    inode: u64,
    owner: u32,
    listener: UnixListener,
}

impl AdminSocket {
    /// Opens the socket at `path`, in a folder that is made where it is missing. Where `take_over`, the process that
    /// answers there now is going to end.
    ///
    /// # Errors
    /// `SocketError`.
    pub fn open(path: &Path, take_over: bool) -> Result<Self, SocketError> {
        let system = |error| SocketError::System(path.to_owned(), error);
        if !take_over && std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(SocketError::InUse(path.to_owned()));
        }
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(system)?;
        }
        if fs::symlink_metadata(path).is_ok_and(|about| !about.file_type().is_socket()) {
            return Err(system(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "what is there is no socket; it is left alone",
            )));
        }
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}", std::process::id()));
        let fresh = PathBuf::from(fresh);
        // Left behind by a process of the same number.
        drop(fs::remove_file(&fresh));
        let place = || {
            let listener = UnixListener::bind(&fresh)?;
            fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
            let about = fs::metadata(&fresh)?;
            fs::rename(&fresh, path)?;
            Ok((listener, about))
        };
        let (listener, about) = place().map_err(system)?;
        Ok(Self { path: path.to_owned(), inode: about.ino(), owner: about.uid(), listener })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes requests for as long as it is polled, and asks by `feeds`.
    pub async fn serve(&self, feeds: &Feeds, tasks: &Tasks) {
        let places = Places::new(CONNECTIONS_MAX);
        loop {
            let place = places.take().await;
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the admin socket");
                    Deadline::after(Duration::from_secs(1)).wait().await;
                    continue;
                }
            };
            if !self.allows(&stream) {
                continue;
            }
            let feeds = feeds.clone();
            tasks.spawn("admin", async move {
                let _place = place;
                connection(stream, feeds).await;
            });
        }
    }

    fn allows(&self, stream: &UnixStream) -> bool {
        let user = stream.peer_cred().map(|peer| peer.uid());
        let allowed = user.as_ref().is_ok_and(|user| *user == 0 || *user == self.owner);
        if !allowed {
            tracing::warn!(user = user.ok(), "somebody else's connection to the admin socket was closed");
        }
        allowed
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|about| about.ino() == self.inode) {
            // Nobody minds a name that nothing answers to.
            drop(fs::remove_file(&self.path));
        }
    }
}

async fn connection(stream: UnixStream, feeds: Feeds) {
    let service = service_fn(move |request| {
        let feeds = feeds.clone();
        async move { Ok::<_, Infallible>(answer(request, &feeds).await) }
    });
    let serving = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = serving.await {
        tracing::debug!(%error, "an admin connection ended early");
    }
}

async fn answer(request: Request<Incoming>, feeds: &Feeds) -> Response<Body> {
    if request.method() == Method::GET && request.uri().path() == routes::EVENTS {
        return pages::events(feeds);
    }
    let (status, body) = match ask(request, feeds).await {
        Ok(outcome) => routes::answer(&outcome),
        Err((status, why)) => (status, routes::error(&why)),
    };
    pages::json(status, &body)
}

async fn ask(request: Request<Incoming>, feeds: &Feeds) -> Result<Outcome, (StatusCode, String)> {
    let (head, body) = request.into_parts();
    let body = Deadline::after(HEAD_WAIT).bound(Limited::new(body, BODY_MAX).collect()).await;
    let body = body.and_then(Result::ok).ok_or((StatusCode::BAD_REQUEST, String::from("the body did not arrive")))?;
    let command = routes::command(&head.method, &head.uri, &body.to_bytes())?;
    let stopping = || (StatusCode::SERVICE_UNAVAILABLE, String::from("the proxy is stopping"));
    feeds.ask(command).await.ok_or_else(stopping)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_living_socket_is_left_alone_and_a_dead_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below").join("admin.sock");
        let first = AdminSocket::open(&path, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(AdminSocket::open(&path, false), Err(SocketError::InUse(_))));
        let second = AdminSocket::open(&path, true).unwrap();
        drop(first);
        assert!(path.exists(), "it belongs to the second");
        drop(second);
        assert!(!path.exists());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left behind by a process that was killed");
        assert!(AdminSocket::open(&path, false).is_ok());
        let file = folder.path().join("proxy.conf");
        fs::write(&file, "text").unwrap();
        assert!(matches!(AdminSocket::open(&file, true), Err(SocketError::System(..))));
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    }
}
