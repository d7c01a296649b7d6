//! The body of a target's answer, taken out of its framing without copying.
//!
//! Source: RFC 9112 sections 6.3 and 7.1.

use super::answer_head::BodyEnd;
use crate::domain::framing::Chunks;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

/// Trailer fields of one answer.
const TRAILERS_MAX: usize = 100;

/// A body as far as it was taken.
#[derive(Debug)]
pub(super) enum Decoder {
    Length(u64),
    Chunked { chunks: Chunks, trailers: Vec<u8> },
    Close,
    Ended,
}

/// What was taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Bytes of the body.
    Data(Bytes),
    /// The fields behind the last chunk; the body has ended.
    Trailers(HeaderMap),
    /// Nothing: more must be read.
    More,
    /// The body has ended.
    End,
}

impl Decoder {
    pub(super) fn new(end: BodyEnd) -> Self {
        match end {
            BodyEnd::Length(0) => Self::Ended,
            BodyEnd::Length(length) => Self::Length(length),
            BodyEnd::Chunked => Self::Chunked { chunks: Chunks::default(), trailers: Vec::new() },
            BodyEnd::Close => Self::Close,
        }
    }

    pub(super) const fn ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Bytes still to come, where that is known.
    pub(super) const fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Ended => Some(0),
            Self::Chunked { .. } | Self::Close => None,
        }
    }

    /// Takes the next piece off the front of `read`.
    ///
    /// # Errors
    /// What breaks the framing.
    pub(super) fn take(&mut self, read: &mut Bytes) -> Result<Taken, &'static str> {
        match self {
            Self::Ended => Ok(Taken::End),
            _ if read.is_empty() => Ok(Taken::More),
            Self::Close => Ok(Taken::Data(std::mem::take(read))),
            Self::Length(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                *left -= count as u64;
                if *left == 0 {
                    *self = Self::Ended;
                }
                Ok(Taken::Data(read.split_to(count)))
            }
            Self::Chunked { chunks, trailers } => {
                let piece = chunks.piece(read).map_err(|_| "the chunks of the answer are malformed")?;
                let framing = read.split_to(piece.framing);
                if let Some(from) = piece.trailers {
                    trailers.extend_from_slice(framing.get(from..).unwrap_or_default());
                }
                if piece.data > 0 {
                    return Ok(Taken::Data(read.split_to(piece.data)));
                }
                if !piece.ended {
                    return Ok(Taken::More);
                }
                let fields = std::mem::take(trailers);
                *self = Self::Ended;
                if fields.is_empty() { Ok(Taken::End) } else { parse_trailers(fields).map(Taken::Trailers) }
            }
        }
    }

    /// The target closed the connection: fine where that is the end of the body, else the answer is cut off.
    ///
    /// # Errors
    /// What is missing.
    pub(super) fn close(&mut self) -> Result<(), &'static str> {
        match self {
            Self::Close => {
                *self = Self::Ended;
                Ok(())
            }
            Self::Ended => Ok(()),
            Self::Length(_) => Err("the target closed before the end of its answer"),
            Self::Chunked { .. } => Err("the target closed before the last chunk of its answer"),
        }
    }
}

fn parse_trailers(mut text: Vec<u8>) -> Result<HeaderMap, &'static str> {
    // The end of the section may have been read with its lines, or apart from them.
    text.truncate(text.trim_ascii_end().len());
    text.extend_from_slice(b"\r\n\r\n");
    let mut fields = [httparse::EMPTY_HEADER; TRAILERS_MAX];
    let malformed = "the trailers of the answer are malformed";
    let httparse::Status::Complete((_, fields)) = httparse::parse_headers(&text, &mut fields).map_err(|_| malformed)?
    else {
        return Err(malformed);
    };
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| malformed)?;
        trailers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| malformed)?);
    }
    Ok(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `body`, cut into pieces of `size`; what was taken, and whether the rest was an error.
    fn decode(end: BodyEnd, body: &[u8], size: usize) -> (Vec<u8>, HeaderMap, Result<bool, &'static str>) {
        let (mut decoder, mut data, mut trailers) = (Decoder::new(end), Vec::new(), HeaderMap::new());
        for piece in body.chunks(size) {
            let mut read = Bytes::copy_from_slice(piece);
            loop {
                match decoder.take(&mut read) {
                    Ok(Taken::Data(bytes)) => data.extend_from_slice(&bytes),
                    Ok(Taken::Trailers(fields)) => trailers = fields,
                    Ok(Taken::More) => break,
                    Ok(Taken::End) => return (data, trailers, Ok(read.is_empty())),
                    Err(error) => return (data, trailers, Err(error)),
                }
            }
        }
        let end = decoder.close().map(|()| true);
        (data, trailers, end)
    }

    #[test]
    fn bodies_come_out_whole_however_they_were_cut() {
        let chunked = b"3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n";
        for size in 1..=chunked.len() {
            let (data, trailers, end) = decode(BodyEnd::Chunked, chunked, size);
            assert_eq!((data.as_slice(), end), (&b"abcdefgh"[..], Ok(true)), "{size}");
            assert_eq!((&trailers["x-sum"], &trailers["y"]), (&HeaderValue::from(1), &HeaderValue::from(2)), "{size}");
            assert_eq!(decode(BodyEnd::Length(5), b"abcde", size).0, b"abcde");
            assert_eq!(decode(BodyEnd::Close, b"abcde", size), (b"abcde".to_vec(), HeaderMap::new(), Ok(true)));
        }
        assert_eq!(decode(BodyEnd::Chunked, b"0\r\n\r\n", 1), (vec![], HeaderMap::new(), Ok(true)));
    }

    #[test]
    fn a_body_that_is_cut_off_is_an_error() {
        assert!(decode(BodyEnd::Length(5), b"abcd", 2).2.is_err());
        for body in [&b"3\r\nabc\r\n"[..], b"3\r\nab", b"3\r\nabc\r\n0\r\n", b"3\r\nabcX", b"x", b"0\r\nA: b\r\n"] {
            assert!(decode(BodyEnd::Chunked, body, 3).2.is_err(), "{body:?}");
        }
    }

    #[test]
    fn bytes_behind_the_body_stay() {
        assert_eq!(decode(BodyEnd::Length(2), b"abHTTP", 6), (b"ab".to_vec(), HeaderMap::new(), Ok(false)));
        assert_eq!(decode(BodyEnd::Chunked, b"0\r\n\r\nHTTP", 9).2, Ok(false));
    }
}
