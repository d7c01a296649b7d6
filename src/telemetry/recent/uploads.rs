//! Uploads under way: who sends what where, and how much of it has come.
//!
//! One lock of a worker's own is taken when an upload begins and when it ends; a frame costs one store.

use super::entry::shown;
use crate::clearml::Action;
use crate::domain::names::ServiceName;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One upload, as it is shown.
#[derive(Clone, Debug)]
pub struct UploadUnderWay {
    /// Of the request.
    pub id: String,
    /// Where it goes.
    pub service: Option<ServiceName>,
    /// What it asks for.
    pub action: Option<Action>,
    /// Who sends it.
    pub client: IpAddr,
    /// The ClearML worker it comes from; empty for none.
    pub worker: String,
    /// Path and query, secrets hidden, cut where it is long.
    pub path: String,
    /// When it began.
    pub begun: Instant,
    /// The length it announced.
    pub length: Option<u64>,
    /// Bytes that have come.
    pub bytes: u64,
}

/// What is written when an upload begins.
#[derive(Debug)]
pub(in super::super) struct Begun {
    pub(in super::super) id: Vec<u8>,
    pub(in super::super) service: Option<ServiceName>,
    pub(in super::super) action: Option<Action>,
    pub(in super::super) client: IpAddr,
    pub(in super::super) worker: Vec<u8>,
    pub(in super::super) path: Vec<u8>,
    pub(in super::super) begun: Instant,
    pub(in super::super) length: Option<u64>,
}

#[derive(Debug)]
struct UnderWay {
    begun: Begun,
    bytes: AtomicU64,
}

/// The uploads of one worker; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Uploads(Arc<Mutex<Vec<Arc<UnderWay>>>>);

impl Uploads {
    /// Shows an upload until the guard is dropped.
    pub(in super::super) fn begin(&self, begun: Begun) -> UploadGuard {
        let upload = Arc::new(UnderWay { begun, bytes: AtomicU64::new(0) });
        self.list().push(Arc::clone(&upload));
        UploadGuard { uploads: self.clone(), upload }
    }

    /// The uploads as they are shown.
    pub(super) fn view(&self) -> Vec<UploadUnderWay> {
        // Nothing is written as text while the lock is held.
        let all = self.list().clone();
        all.iter().map(|upload| upload.view()).collect()
    }

    fn list(&self) -> MutexGuard<'_, Vec<Arc<UnderWay>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    fn view(&self) -> UploadUnderWay {
        let Begun { id, service, action, client, worker, path, begun, length } = &self.begun;
        UploadUnderWay {
            id: shown(id),
            service: *service,
            action: *action,
            client: *client,
            worker: shown(worker),
            path: shown(path),
            begun: *begun,
            length: *length,
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// One upload that is shown; no longer once it is dropped.
#[derive(Debug)]
pub struct UploadGuard {
    uploads: Uploads,
    upload: Arc<UnderWay>,
}

impl UploadGuard {
    /// So many bytes have come by now.
    pub fn received(&self, bytes: u64) {
        self.upload.bytes.store(bytes, Ordering::Relaxed);
    }
}

impl Drop for UploadGuard {
    fn drop(&mut self) {
        let mut list = self.uploads.list();
        if let Some(place) = list.iter().position(|upload| Arc::ptr_eq(upload, &self.upload)) {
            list.swap_remove(place);
        }
    }
}
