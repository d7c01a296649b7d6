//! Refusing: requests that must end at the proxy.

use super::origin::Origin;
use super::proxy::{Proxy, Run};
use super::{APP, Client, End};

/// A proxy whose target must see none of what is thrown at it.
pub(crate) struct Refusing {
    pub(crate) origin: Origin,
    pub(crate) proxy: Proxy,
}

impl Refusing {
    /// A proxy with nothing special set.
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// A proxy with more lines in its configuration.
    pub(crate) fn with(conf: &str) -> Self {
        let origin = Origin::ok();
        let proxy = Run::to(&origin).conf(conf).start();
        Self { origin, proxy }
    }

    /// Sends `bytes` over TLS: one of `statuses` comes back, whole and ours, and then the connection is closed.
    pub(crate) fn check(&self, statuses: &[u16], bytes: impl AsRef<[u8]>) {
        check(&mut Client::https(&self.proxy), statuses, bytes.as_ref());
    }

    /// The same over the plain listener.
    pub(crate) fn check_plain(&self, statuses: &[u16], bytes: impl AsRef<[u8]>) {
        check(&mut Client::http(&self.proxy), statuses, bytes.as_ref());
    }

    /// Checks that the target has seen nothing but one good request sent now, behind all others.
    pub(crate) fn nothing_passed(self) {
        assert_eq!(Client::https(&self.proxy).get(APP, "/behind-all").status, 200);
        assert_eq!(self.origin.request().asked(), "GET /behind-all");
        let bytes = self.origin.bytes().concat();
        assert!(bytes.starts_with(b"GET /behind-all "), "the target saw: {}", bytes.escape_ascii());
        assert_eq!(bytes.windows(8).filter(|window| window == b"HTTP/1.1").count(), 1, "{}", bytes.escape_ascii());
    }
}

fn check(client: &mut Client, statuses: &[u16], bytes: &[u8]) {
    let shown = bytes.escape_ascii().to_string();
    let shown = &shown[..shown.len().min(300)];
    // The proxy may answer and close before it has taken everything.
    let _closed = client.try_send(bytes);
    let answer = client.any_answer("GET");
    assert!(statuses.contains(&answer.status), "{} instead of {statuses:?} for {shown}", answer.status);
    assert_eq!(answer.end, End::Whole, "{shown}");
    let fault = answer.fields.all("x-fault").join(",");
    assert!(fault.starts_with("client; "), "{} with the fault {fault:?} for {shown}\n{}", answer.status, answer.fields);
    for name in ["date", "content-length", "x-request-id"] {
        assert_eq!(answer.fields.all(name).len(), 1, "{name} for {shown}\n{}", answer.fields);
    }
    assert_eq!(answer.fields.all("connection").join(",").to_ascii_lowercase(), "close", "{shown}");
    let _any = client.end();
}
