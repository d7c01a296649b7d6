//! Where one HTTP/1.1 request ends and the next begins, decided before the HTTP library sees a byte.
//!
//! The servers behind us read framing leniently (they take both lengths, two lengths and a missing `Host`), and the
//! library in front of them repairs what it should refuse: it drops `Content-Length` beside `Transfer-Encoding`,
//! takes bare line feeds and folds equal lengths. So each head is checked here as it stood on the wire, and each
//! body is counted, by rules stricter than either side's.
//!
//! Owns: the verdict on a head and the place of the next one. Leaves: `Host` and everything that HTTP/2 shares to
//! `request::guard`, reading and holding bytes to `connection`.
//!
//! Source: RFC 9112 sections 2, 3, 5, 6 and 7.

mod chunks;
mod head;
mod octets;
mod track;

pub use chunks::{ChunkError, Chunks, Piece};
pub use head::{Body, Head, HeadLimits, Refusal, resembles_framing};
pub use track::{Cleared, Stop, Tracker};
