//! Which fields of a target's answer are passed on, decided while they are read.
//!
//! Owns: hop-by-hop fields left out, lengths and codings that contradict each other refused, the doubled `Server` and
//! `Date` of ClearML's servers made one. Everything else stays as it came: the SDK and the UI read it.
//!
//! Source: RFC 9110 section 7.6.1, RFC 9112 section 6.3.

use crate::domain::hop_by_hop::drop_named;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, StatusCode};

/// Why a head cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    /// More than `limits.answer_head`, or too many fields.
    TooLarge,
    /// What is wrong with it.
    Malformed(&'static str),
}

/// The fields of one answer.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) headers: HeaderMap,
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    /// `Connection: close`.
    pub(super) close: bool,
    /// The protocol is switched to WebSocket, if it is switched.
    pub(super) websocket: bool,
    /// An `Upgrade` was taken.
    upgrades: bool,
    /// A `Date` was taken.
    dated: bool,
    /// A `Server` was taken.
    named_server: bool,
    /// `Connection` fields that name more than `close` and `keep-alive`.
    named: Vec<HeaderValue>,
}

impl Fields {
    pub(super) fn with_capacity(count: usize) -> Self {
        Self { headers: HeaderMap::with_capacity(count), ..Self::default() }
    }

    /// Takes the next field.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn add(&mut self, name: &[u8], value: Bytes) -> Result<(), HeadError> {
        let name = HeaderName::from_bytes(name).map_err(|_| HeadError::Malformed("an invalid header name"))?;
        let value =
            HeaderValue::from_maybe_shared(value).map_err(|_| HeadError::Malformed("an invalid header value"))?;
        match name {
            header::CONNECTION => self.connection(value),
            header::TRANSFER_ENCODING => self.coding(&value)?,
            header::CONTENT_LENGTH => self.length(value)?,
            header::UPGRADE => {
                self.websocket = value.as_bytes().eq_ignore_ascii_case(b"websocket");
                self.upgrades = true;
                self.headers.append(name, value);
            }
            header::TE => {}
            _ if matches!(name.as_str(), "keep-alive" | "proxy-connection") => {}
            header::DATE if std::mem::replace(&mut self.dated, true) => {}
            header::SERVER if std::mem::replace(&mut self.named_server, true) => {}
            _ => {
                self.headers.append(name, value);
            }
        }
        Ok(())
    }

    /// All fields were taken.
    ///
    /// # Errors
    /// Lengths beside codings.
    pub(super) fn complete(&mut self, status: StatusCode) -> Result<(), HeadError> {
        if self.chunked && self.length.is_some() {
            return Err(HeadError::Malformed("Content-Length together with Transfer-Encoding"));
        }
        let upgrade = if self.upgrades { self.headers.remove(header::UPGRADE) } else { None };
        for value in std::mem::take(&mut self.named) {
            drop_named(&mut self.headers, &value);
        }
        // Names what the client has to speak (RFC 9110 section 15.5.22).
        if let Some(upgrade) = upgrade.filter(|_| status == StatusCode::UPGRADE_REQUIRED) {
            self.headers.insert(header::UPGRADE, upgrade);
            self.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        if status == StatusCode::NO_CONTENT || status.is_informational() {
            self.headers.remove(header::CONTENT_LENGTH);
        }
        Ok(())
    }

    fn connection(&mut self, value: HeaderValue) {
        let Ok(text) = value.to_str() else { return };
        let mut others = false;
        for token in text.split(',').map(str::trim) {
            self.close |= token.eq_ignore_ascii_case("close");
            others |= !token.eq_ignore_ascii_case("close") && !token.eq_ignore_ascii_case("keep-alive");
        }
        if others {
            self.named.push(value);
        }
    }

    /// Exactly one `chunked`: the coding is taken off here, and another one would stay on.
    fn coding(&mut self, value: &HeaderValue) -> Result<(), HeadError> {
        if self.chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(HeadError::Malformed("a transfer coding other than one `chunked`"));
        }
        self.chunked = true;
        Ok(())
    }

    /// One plain number; equal repetitions are folded, since they are unambiguous in an answer.
    fn length(&mut self, value: HeaderValue) -> Result<(), HeadError> {
        let invalid = HeadError::Malformed("several or invalid lengths");
        let text = value.to_str().map_err(|_| invalid)?;
        // As every server sends it; the rest is for the odd ones.
        if self.length.is_none() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            self.length = Some(text.parse().map_err(|_| invalid)?);
            self.headers.insert(header::CONTENT_LENGTH, value);
            return Ok(());
        }
        let mut items = 0;
        for item in text.split(',').map(str::trim) {
            let number = item
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| item.parse::<u64>().ok())
                .flatten()
                .ok_or(invalid)?;
            if self.length.is_some_and(|length| length != number) {
                return Err(invalid);
            }
            self.length = Some(number);
            items += 1;
        }
        if items == 1 {
            self.headers.insert(header::CONTENT_LENGTH, value);
        } else if let Some(length) = self.length {
            self.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(status: u16, fields: &[(&str, &str)]) -> Result<Vec<(String, String)>, HeadError> {
        let mut taken = Fields::with_capacity(fields.len());
        for (name, value) in fields {
            taken.add(name.as_bytes(), Bytes::copy_from_slice(value.as_bytes()))?;
        }
        taken.complete(StatusCode::from_u16(status).unwrap())?;
        Ok(taken.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect())
    }

    fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn doubled_server_and_date_become_one_and_vary_stays_double() {
        let fields = [
            ("server", "Werkzeug/3"),
            ("Server", "clearml"),
            ("date", "a"),
            ("date", "b"),
            ("vary", "Origin"),
            ("vary", "Cookie"),
            ("connection", "close"),
        ];
        let kept = [("server", "Werkzeug/3"), ("date", "a"), ("vary", "Origin"), ("vary", "Cookie")];
        assert_eq!(passed(200, &fields), Ok(pairs(&kept)));
    }

    #[test]
    fn hop_by_hop_fields_stop_here() {
        let fields = [
            ("Connection", "X-Private, keep-alive"),
            ("X-Private", "1"),
            ("Keep-Alive", "timeout=5"),
            ("X-Kept", "2"),
            ("TE", "x"),
        ];
        assert_eq!(passed(200, &fields), Ok(pairs(&[("x-kept", "2")])));
    }

    #[test]
    fn what_to_upgrade_to_is_told_with_426_alone() {
        let fields = [("Connection", "Upgrade, close"), ("Upgrade", "TLS/1.2"), ("X-Kept", "2")];
        let told = [("x-kept", "2"), ("upgrade", "TLS/1.2"), ("connection", "upgrade")];
        assert_eq!(passed(426, &fields), Ok(pairs(&told)));
        assert_eq!(passed(400, &fields), Ok(pairs(&told[..1])));
    }

    #[test]
    fn lengths_and_codings_must_agree() {
        assert_eq!(passed(200, &[("content-length", "2, 2")]), Ok(pairs(&[("content-length", "2")])));
        assert_eq!(
            passed(200, &[("content-length", "2"), ("content-length", "2")]),
            Ok(pairs(&[("content-length", "2")]))
        );
        assert_eq!(passed(204, &[("content-length", "0")]), Ok(vec![]));
        assert_eq!(passed(200, &[("transfer-encoding", "Chunked")]), Ok(vec![]));
        for fields in [
            &[("content-length", "2, 3")][..],
            &[("content-length", "+2")],
            &[("content-length", "")],
            &[("content-length", "18446744073709551616")],
            &[("content-length", "2"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "chunked"), ("content-length", "2")],
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "gzip")],
            &[("transfer-encoding", "gzip, chunked")],
        ] {
            assert!(passed(200, fields).is_err(), "{fields:?}");
        }
    }
}
