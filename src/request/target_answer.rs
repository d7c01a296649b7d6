//! The head of a target's answer: what may be believed, and what of it is passed on.
//!
//! ClearML's servers send two `Server` and two `Date` fields; one of each is enough. Statuses, bodies, codings and
//! every other field stay as they are: the SDK and the UI read them.

use crate::domain::fault::{Fault, FaultKind};
use crate::domain::hop_by_hop::strip;
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, StatusCode, Version, response};

/// Checks the head and makes it ours to send.
///
/// # Errors
/// `BadAnswer` (502) for lengths that contradict each other and for an upgrade nobody asked for.
///
/// Source: RFC 9112 section 6.3.
pub(super) fn clean(head: &mut response::Parts, upgrade_asked: bool) -> Result<(), Fault> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS && !upgrade_asked {
        return Err(bad("the target switched protocols without being asked"));
    }
    let headers = &mut head.headers;
    one_coding(headers)?;
    one_length(headers)?;
    strip(headers);
    only_first(headers, &header::DATE);
    only_first(headers, &header::SERVER);
    if head.status == StatusCode::NO_CONTENT {
        headers.remove(header::CONTENT_LENGTH);
    }
    head.version = Version::HTTP_11;
    Ok(())
}

/// None, or one `chunked` that no length contradicts. The coding is hyper's to take off; another one would stay on.
fn one_coding(headers: &HeaderMap) -> Result<(), Fault> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(_), None) if headers.contains_key(header::CONTENT_LENGTH) => {
            Err(bad("the target sent Content-Length together with Transfer-Encoding"))
        }
        (Some(coding), None) if coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(bad("the target sent a transfer coding other than one `chunked`")),
    }
}

/// One plain number; equal repetitions are folded, since they are unambiguous in an answer.
fn one_length(headers: &mut HeaderMap) -> Result<(), Fault> {
    let mut length = None;
    let mut lines = 0_u32;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        lines += 1;
        for item in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let number = !item.is_empty() && item.iter().all(u8::is_ascii_digit);
            if !number || length.is_some_and(|length| length != item) {
                return Err(bad("the target sent several or invalid lengths"));
            }
            lines += u32::from(length.is_some());
            length = Some(item);
        }
    }
    if let (Some(length), true) = (length, lines > 1) {
        let value = HeaderValue::from_bytes(length).map_err(|_| bad("the target sent an invalid length"))?;
        headers.insert(header::CONTENT_LENGTH, value);
    }
    Ok(())
}

fn only_first(headers: &mut HeaderMap, name: &HeaderName) {
    let mut values = headers.get_all(name).iter();
    let first = values.next().cloned();
    if let (Some(first), true) = (first, values.next().is_some()) {
        headers.insert(name, first);
    }
}

fn bad(detail: &'static str) -> Fault {
    Fault::new(FaultKind::BadAnswer, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn cleaned(status: u16, fields: &[(&'static str, &'static str)]) -> Result<Vec<(String, String)>, FaultKind> {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let mut head = response.body(()).unwrap().into_parts().0;
        clean(&mut head, false).map_err(|fault| fault.kind)?;
        Ok(head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect())
    }

    fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn doubled_server_and_date_become_one_and_vary_stays_double() {
        let fields = [
            ("server", "Werkzeug/3"),
            ("server", "clearml"),
            ("date", "a"),
            ("date", "b"),
            ("vary", "Origin"),
            ("vary", "Cookie"),
            ("connection", "close"),
        ];
        let kept = [("server", "Werkzeug/3"), ("date", "a"), ("vary", "Origin"), ("vary", "Cookie")];
        assert_eq!(cleaned(200, &fields), Ok(pairs(&kept)));
    }

    #[test]
    fn lengths_must_agree() {
        assert_eq!(cleaned(200, &[("content-length", "2, 2")]), Ok(pairs(&[("content-length", "2")])));
        assert_eq!(
            cleaned(200, &[("content-length", "2"), ("content-length", "2")]),
            Ok(pairs(&[("content-length", "2")]))
        );
        assert_eq!(cleaned(200, &[("content-length", "2, 3")]), Err(FaultKind::BadAnswer));
        assert_eq!(cleaned(200, &[("content-length", "+2")]), Err(FaultKind::BadAnswer));
        assert_eq!(
            cleaned(200, &[("content-length", "2"), ("transfer-encoding", "chunked")]),
            Err(FaultKind::BadAnswer)
        );
        assert_eq!(cleaned(200, &[("transfer-encoding", "gzip")]), Err(FaultKind::BadAnswer));
        assert_eq!(cleaned(200, &[("transfer-encoding", "gzip, chunked")]), Err(FaultKind::BadAnswer));
        assert_eq!(cleaned(200, &[("transfer-encoding", "Chunked")]), Ok(vec![]));
        assert_eq!(cleaned(101, &[("upgrade", "websocket")]), Err(FaultKind::BadAnswer));
        assert_eq!(cleaned(204, &[("content-length", "0")]), Ok(vec![]));
    }
}
