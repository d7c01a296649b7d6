//! The door for fuzzing, built with `--cfg fuzzing` only: a target's answer without a socket.

use super::answer_bytes::{Decoder, Taken};
use super::answer_head::take_head;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// The largest head that is read.
const HEAD_MAX: usize = 4 * 1024;

/// An answer as far as it was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReadAnswer {
    /// Of the final head, once there was one.
    pub head: Option<(StatusCode, HeaderMap)>,
    /// The body so far.
    pub body: Vec<u8>,
    /// The fields behind a chunked body.
    pub trailers: HeaderMap,
    /// It ended where it should.
    pub whole: bool,
}

/// Reads an answer that comes in `pieces`; `to_head` is for HEAD.
pub fn read_answer<'a>(pieces: impl Iterator<Item = &'a [u8]>, to_head: bool) -> ReadAnswer {
    let mut answer = ReadAnswer::default();
    let (mut read, mut decoder) = (Bytes::new(), None);
    for piece in pieces {
        read = [&read, piece].concat().into();
        while decoder.is_none() {
            match take_head(&mut read, to_head, HEAD_MAX) {
                Ok(None) => break,
                Ok(Some(head)) if head.parts.status.is_informational() => {}
                Ok(Some(head)) => {
                    decoder = Some(Decoder::new(head.end));
                    answer.head = Some((head.parts.status, head.parts.headers));
                }
                Err(_) => return answer,
            }
        }
        let Some(decoder) = &mut decoder else { continue };
        loop {
            match decoder.take(&mut read) {
                Ok(Taken::Data(data)) => answer.body.extend_from_slice(&data),
                Ok(Taken::Trailers(fields)) => answer.trailers = fields,
                Ok(Taken::More) => break,
                Ok(Taken::End) => {
                    answer.whole = true;
                    return answer;
                }
                Err(_) => return answer,
            }
        }
    }
    answer.whole = decoder.is_some_and(|mut decoder| decoder.close().is_ok());
    answer
}
