//! The head of a target's answer, read strictly.
//!
//! Owns: the grammar, the limits, and where the body ends. Leaves: which fields are passed on to `answer_fields`.
//!
//! Source: RFC 9112 sections 4, 5 and 6.3.

use super::answer_fields::{Fields, HeadError};
use bytes::Bytes;
use http::{StatusCode, response};
use httparse::{ParserConfig, Status};
use std::mem::MaybeUninit;

/// Fields of one answer; ClearML's servers send about fifteen.
const FIELDS_MAX: usize = 100;

/// Where an answer's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyEnd {
    /// After this many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// A head that was read.
#[derive(Debug)]
pub(super) struct AnswerHead {
    pub(super) parts: response::Parts,
    pub(super) end: BodyEnd,
    /// The connection may carry another request after this answer.
    pub(super) keeps_alive: bool,
    /// The target names WebSocket as the protocol it switches to.
    pub(super) websocket: bool,
}

/// Takes one complete head off the front of `read`; `None` when it is not complete. `to_head` is for answers to HEAD.
/// The fields share the memory of `read`.
///
/// # Errors
/// `HeadError` when it can never become a head.
pub(super) fn take_head(read: &mut Bytes, to_head: bool, size_max: usize) -> Result<Option<AnswerHead>, HeadError> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut answer = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut answer, read, &mut fields);
    let length = match parsed {
        Ok(Status::Complete(length)) if length <= size_max => length,
        Ok(Status::Partial) if read.len() <= size_max => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
        Err(_) => return Err(HeadError::Malformed("the head is malformed")),
    };
    let status = answer
        .code
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or(HeadError::Malformed("an invalid status"))?;
    let http11 = answer.version == Some(1);
    let mut fields = Fields::with_capacity(answer.headers.len());
    for field in answer.headers.iter() {
        let value = if field.value.is_empty() { Bytes::new() } else { read.slice_ref(field.value) };
        fields.add(field.name.as_bytes(), value)?;
    }
    fields.complete(status)?;
    let end = body_end(&fields, status, to_head, http11)?;
    let keeps_alive = http11 && end != BodyEnd::Close && !fields.close;
    let (mut parts, ()) = http::Response::new(()).into_parts();
    (parts.status, parts.headers) = (status, fields.headers);
    let rest = read.slice(length..);
    *read = rest;
    Ok(Some(AnswerHead { parts, end, keeps_alive, websocket: fields.websocket }))
}

/// Source: RFC 9112 section 6.3.
fn body_end(fields: &Fields, status: StatusCode, to_head: bool, http11: bool) -> Result<BodyEnd, HeadError> {
    if fields.chunked && !http11 {
        return Err(HeadError::Malformed("Transfer-Encoding in HTTP/1.0"));
    }
    if to_head || status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Ok(BodyEnd::Length(0));
    }
    if fields.chunked {
        return Ok(BodyEnd::Chunked);
    }
    Ok(fields.length.map_or(BodyEnd::Close, BodyEnd::Length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str) -> Result<Option<(u16, BodyEnd, bool, String)>, HeadError> {
        let mut read = Bytes::copy_from_slice(text.as_bytes());
        let head = take_head(&mut read, false, 1_000)?;
        Ok(head.map(|head| {
            (head.parts.status.as_u16(), head.end, head.keeps_alive, String::from_utf8(read.to_vec()).unwrap())
        }))
    }

    #[test]
    fn finds_status_end_and_rest() {
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, BodyEnd::Length(2), true, "ok")),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
                (200, BodyEnd::Length(2), false, "ok"),
            ),
            ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, BodyEnd::Length(2), false, "ok")),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", (200, BodyEnd::Chunked, true, "")),
            ("HTTP/1.1 404\r\n\r\nx", (404, BodyEnd::Close, false, "x")),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", (204, BodyEnd::Length(0), true, "")),
            ("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", (304, BodyEnd::Length(0), true, "")),
        ] {
            let (status, end, keeps_alive, rest) = expected;
            assert_eq!(take(text), Ok(Some((status, end, keeps_alive, rest.to_owned()))), "{text:?}");
            for cut in 0..text.find("\r\n\r\n").unwrap() + 3 {
                assert_eq!(take(&text[..cut]), Ok(None), "{cut} bytes of {text:?}");
            }
        }
    }

    #[test]
    fn refuses_what_is_no_head() {
        for text in [
            "HTTP/2 200 OK\r\n\r\n",
            "ICY 200 OK\r\n\r\n",
            "HTTP/1.1 99 x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(matches!(take(text), Err(HeadError::Malformed(_))), "{text:?}");
        }
        assert_eq!(take(&format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(1_000))), Err(HeadError::TooLarge));
        assert_eq!(take(&format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(1_000))), Err(HeadError::TooLarge));
        assert_eq!(take(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101))), Err(HeadError::TooLarge));
    }
}
