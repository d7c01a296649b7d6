//! Status: the running parts as plain data for the admin socket.

use super::running::Running;
use crate::admin::{
    CertificateView, ChangeView, ListenerView, MaintenanceView, SERVING, STOPPING, ServiceView, StatusView,
    TargetStatus, timestamp,
};
use crate::domain::expiry::days_left;
use crate::domain::names::ServiceName;
use crate::request::Maintenance;
use crate::runtime::{memory_available, now, wall};
use crate::telemetry::Gauge;
use crate::tls::LoadedCertificate;
use crate::upstream::Change;
use std::time::SystemTime;

/// Addresses of failing clients that are named.
const FAILING_MAX: usize = 5;

impl Running {
    /// How things are.
    pub(super) fn status(&self) -> StatusView {
        let listeners = self.listeners.iter();
        let listeners = listeners.map(|listener| ListenerView {
            kind: listener.role.as_str().to_owned(),
            address: listener.addr.to_string(),
        });
        let store = self.picture.store();
        StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            state: String::from(if self.stopping { STOPPING } else { SERVING }),
            uptime_seconds: now().saturating_duration_since(self.started).as_secs(),
            workers: self.picture.settings.workers.get(),
            workers_standing: self.crew.standing(now()),
            listeners: listeners.collect(),
            services: ServiceName::ALL.map(|service| self.service(service)).to_vec(),
            connections: self.metrics.level(Gauge::Connections),
            requests: self.metrics.level(Gauge::Requests),
            tunnels: self.metrics.level(Gauge::Tunnels),
            pooled_connections: self.metrics.level(Gauge::PooledConnections),
            memory_limit: self.picture.settings.memory.limit_within(memory_available()),
            certificates: store
                .certificates()
                .iter()
                .map(|certificate| certificate_view(certificate, wall()))
                .collect(),
            last_reload: self.last_reload.clone(),
            alarms: self.alarms(),
        }
    }

    /// What somebody should look at, each in a sentence.
    fn alarms(&self) -> Vec<String> {
        let refused = self.last_reload.as_ref().filter(|reload| !reload.ok);
        let refused =
            refused.map(|reload| format!("the reload at {} was refused; the old configuration runs", reload.at));
        let store = self.picture.store();
        let expiring = store.certificates().iter().zip(self.endings()).filter(|(_, ending)| ending.is_urgent(wall()));
        let expiring = expiring.map(|(certificate, ending)| match days_left(wall(), ending.not_after) {
            past @ ..=-1 => format!("{} expired {} days ago", certificate.file().display(), -past),
            days => format!("{} expires in {days} days", certificate.file().display()),
        });
        let keys = self.keys.known();
        let keys = keys.alarming().then(|| {
            String::from(
                "ClearML's published default credentials open the API server; the log says which, and what to do",
            )
        });
        let lists = self.picture.client_rules.warnings(wall());
        let failing = self.failing_clients();
        refused.into_iter().chain(keys).chain(lists).chain(failing).chain(expiring.collect::<Vec<_>>()).collect()
    }

    /// Whose TLS handshakes keep failing, and what they likely have wrong.
    fn failing_clients(&self) -> Option<String> {
        let slowed = self.crew.handshakes().slowed(&self.picture.settings.tls.handshakes, FAILING_MAX);
        let (_, reason) = slowed.first()?;
        let clients = slowed.iter().map(|(ip, reason)| format!("{ip} ({})", reason.as_str()));
        let clients = clients.collect::<Vec<_>>().join(", ");
        Some(format!("TLS handshakes keep failing from {clients}: {}", reason.hint()))
    }

    fn service(&self, service: ServiceName) -> ServiceView {
        let group = self.picture.group(service);
        let pasts = group.targets().iter().map(|target| target.past().into_iter().map(change_view).collect());
        let targets = group.view().into_iter().zip(pasts).map(|(target, changes)| TargetStatus {
            address: target.address.to_string(),
            state: target.state.to_owned(),
            reason: (!target.reason.is_empty()).then_some(target.reason),
            since: wall().checked_sub(target.since).map(timestamp),
            outstanding: target.outstanding,
            queued: target.queued,
            changes,
        });
        ServiceView {
            name: service.as_str().to_owned(),
            maintenance: maintenance_view(&self.maintenance, service),
            waiting: group.held(),
            targets: targets.collect(),
        }
    }
}

fn change_view(change: Change) -> ChangeView {
    let Change { at, state, reason } = change;
    ChangeView { at: timestamp(at), state: state.to_owned(), reason: (!reason.is_empty()).then_some(reason) }
}

fn maintenance_view(maintenance: &Maintenance, service: ServiceName) -> Option<MaintenanceView> {
    let notice = maintenance.notice(service)?;
    Some(MaintenanceView {
        since: timestamp(notice.since),
        until: notice.until.map(|(_, until)| timestamp(until)),
        reason: notice.reason.clone(),
        held: maintenance.held(service),
    })
}

fn certificate_view(certificate: &LoadedCertificate, now: SystemTime) -> CertificateView {
    CertificateView {
        file: certificate.file().display().to_string(),
        names: certificate.names().iter().map(ToString::to_string).collect(),
        not_after: timestamp(certificate.not_after()),
        days_left: days_left(now, certificate.not_after()),
        fingerprint: certificate.id().iter().map(|byte| format!("{byte:02x}")).collect(),
        warnings: certificate.warnings().iter().map(ToString::to_string).collect(),
    }
}
