//! Maintenance: services that an operator has closed for a while.
//!
//! ClearML's SDK waits for ever on 503, and browsers get a page that loads itself again. Only an upload is not tried
//! again by Python's `requests`, so a new one may be held until the service is back; its body is not read meanwhile.
//! What runs already is not touched.
//! Limits: `maintenance.held`, `maintenance.hold`.

use super::guard::Checked;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::names::{PerService, ServiceName};
use crate::domain::settings::MaintenanceSettings;
use crate::runtime::{Deadline, Place, Places};
use crate::telemetry::{Counter, WorkerMetrics};
use arc_swap::ArcSwapOption;
use http::Method;
use http_body::Body;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;
use tokio::sync::watch;

/// What is said of a closed service.
#[derive(Clone, Debug)]
pub struct Notice {
    /// When it was closed.
    pub since: SystemTime,
    /// When it opens by itself: by the clock of waits, and by that of people.
    pub until: Option<(Deadline, SystemTime)>,
    /// A sentence for those who wait.
    pub reason: Option<String>,
}

/// Which services are closed; one for the whole process, kept over reloads, cheap to clone.
#[derive(Clone, Debug)]
pub struct Maintenance(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    notices: PerService<ArcSwapOption<Notice>>,
    /// Told of every change.
    changed: watch::Sender<()>,
    places: Places,
    held: PerService<AtomicUsize>,
}

/// One upload that waits.
struct Held<'a> {
    count: &'a AtomicUsize,
    _place: Place,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Maintenance {
    /// Every service is open; `held` uploads may wait at once.
    #[must_use]
    pub fn new(held: usize) -> Self {
        Self(Arc::new(Inner {
            notices: PerService::default(),
            changed: watch::Sender::new(()),
            places: Places::new(held),
            held: PerService::default(),
        }))
    }

    /// Changes how many uploads may wait.
    pub fn resize(&self, held: usize) {
        self.0.places.resize(held);
    }

    /// Closes `service`, or opens it again.
    pub fn set(&self, service: ServiceName, notice: Option<Notice>) {
        self.0.notices.get(service).store(notice.map(Arc::new));
        self.0.changed.send_replace(());
    }

    /// What is said of `service`, if it is closed.
    #[must_use]
    pub fn notice(&self, service: ServiceName) -> Option<Arc<Notice>> {
        self.0.notices.get(service).load_full()
    }

    /// Uploads that wait for `service`.
    #[must_use]
    pub fn held(&self, service: ServiceName) -> usize {
        self.0.held.get(service).load(Ordering::Relaxed)
    }

    /// Lets a request to `service` pass; an upload at once or when the service is open again.
    ///
    /// # Errors
    /// `Maintenance` (503) for everything else while the service is closed, and for uploads that cannot be held.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub(super) async fn pass(
        &self,
        service: ServiceName,
        checked: &Checked,
        settings: &MaintenanceSettings,
        metrics: &WorkerMetrics,
    ) -> Result<(), Fault> {
        if self.0.notices.get(service).load().is_none() {
            return Ok(());
        }
        if is_upload(service, checked) && settings.hold_uploads {
            return self.hold(service, settings, metrics).await;
        }
        Err(self.closed(service))
    }

    async fn hold(
        &self,
        service: ServiceName,
        settings: &MaintenanceSettings,
        metrics: &WorkerMetrics,
    ) -> Result<(), Fault> {
        let Some(place) = self.0.places.try_take() else {
            metrics.add(Counter::MaintenanceFull, 1);
            return Err(self.closed(service));
        };
        let count = self.0.held.get(service);
        count.fetch_add(1, Ordering::Relaxed);
        let _held = Held { count, _place: place };
        let mut changed = self.0.changed.subscribe();
        let opened = changed.wait_for(|()| self.0.notices.get(service).load().is_none());
        if Deadline::after(settings.hold).bound(opened).await.is_none() {
            metrics.add(Counter::MaintenanceTimeouts, 1);
            return Err(self.closed(service));
        }
        Ok(())
    }

    fn closed(&self, service: ServiceName) -> Fault {
        let reason = self.notice(service).and_then(|notice| notice.reason.clone()).unwrap_or_default();
        Fault::new(FaultKind::Maintenance, reason)
    }
}

/// A file on its way to the file server: its sender does not try again.
fn is_upload(service: ServiceName, checked: &Checked) -> bool {
    let request = checked.request();
    service == ServiceName::Files
        && matches!(*request.method(), Method::POST | Method::PUT)
        && !request.body().is_end_stream()
}
