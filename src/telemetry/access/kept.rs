//! A record as the rings keep it, and as an upload under way is shown.

use super::super::recent::{Begun, End, Entry, RequestFacts, TEXT_BYTES_MAX, UploadGuard};
use super::AccessRecord;
use super::escape::clip;
use crate::clearml::client_version;
use crate::domain::fault::{FaultKind, Side};
use http::HeaderValue;
use std::time::Duration;

impl AccessRecord {
    /// Keeps the request among the recent ones.
    pub(super) fn keep(&self, fault: Option<FaultKind>, total: Duration) {
        let inner = &self.log.0;
        let end = match fault {
            Some(kind) => End::Badly(kind.side()),
            None if self.final_status().is_server_error() => End::Badly(Side::Target),
            None => End::Well,
        };
        inner.recent.keep(end, &inner.metrics, |entry| {
            entry.facts(self.facts_of(fault, total));
            self.write_texts(entry);
        });
    }

    fn facts_of(&self, fault: Option<FaultKind>, total: Duration) -> RequestFacts {
        RequestFacts {
            at: self.wall,
            service: self.service,
            action: self.action,
            status: self.final_status().as_u16(),
            fault,
            client: self.client,
            program: self.program,
            listener: self.facts.listener.as_str(),
            protocol: self.protocol(),
            queue: self.queue,
            connect: self.connect,
            first_byte: self.first_byte,
            total,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            attempts: self.attempts,
            upgraded: self.upgraded,
        }
    }

    /// In the order that an entry has.
    fn write_texts(&self, entry: &mut Entry) {
        entry.text(self.request_id.as_bytes());
        entry.text(self.method.as_str().as_bytes());
        entry.pieces(|out| self.host(out));
        entry.pieces(|out| self.path(out));
        entry.text(bytes(self.worker.as_ref()));
        entry.text(client_version(bytes(self.client_name.as_ref())));
        entry.text(self.address.as_ref().map(|address| address.as_bytes()).unwrap_or_default());
        entry.text(self.fault.as_ref().map(|fault| fault.detail.as_bytes()).unwrap_or_default());
    }

    /// Shows the request as an upload under way, of `length` bytes where that was announced.
    #[must_use]
    pub fn begin_upload(&self, length: Option<u64>) -> UploadGuard {
        let short = |bytes: &[u8]| clip(bytes, TEXT_BYTES_MAX).0.to_vec();
        let mut path = Vec::new();
        self.path(|piece| path.extend_from_slice(piece));
        self.log.0.recent.uploads().begin(Begun {
            id: short(self.request_id.as_bytes()),
            service: self.service,
            action: self.action,
            client: self.client,
            worker: short(bytes(self.worker.as_ref())),
            path: short(&path),
            begun: self.begun,
            length,
        })
    }
}

fn bytes(field: Option<&HeaderValue>) -> &[u8] {
    field.map(HeaderValue::as_bytes).unwrap_or_default()
}
