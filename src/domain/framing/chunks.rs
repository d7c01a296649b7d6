//! The length of a chunked body, followed byte by byte without keeping any of it.
//!
//! Source: RFC 9112 section 7.1.

/// The longest chunk line with its extensions, and the longest trailer section.
const LINE_MAX: u32 = 1_024;
const TRAILERS_MAX: u32 = 16_384;

/// A chunked body as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    at: At,
    /// Bytes of the current chunk still to come, or its size as far as read.
    size: u64,
    /// Length of the current line, or of the trailer section.
    line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The first hexadecimal digit of a size.
    Size,
    /// Further digits.
    MoreSize,
    /// Behind the size: extensions, dropped by the library.
    Extension,
    /// The line feed of a size line.
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    /// The start of a trailer line, or the final empty line.
    Trailer,
    TrailerText,
    TrailerLf,
    FinalLf,
}

/// The beginning of what was read of a chunked body: framing, then data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of framing.
    pub framing: usize,
    /// Bytes of data behind them.
    pub data: usize,
    /// Where in the framing trailer lines begin, if there are any.
    pub trailers: Option<usize>,
    /// The body ends behind the framing.
    pub ended: bool,
}

/// The body breaks its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkError;

impl std::fmt::Display for ChunkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the chunks of the request body are malformed")
    }
}

impl std::error::Error for ChunkError {}

impl Default for Chunks {
    fn default() -> Self {
        Self { at: At::Size, size: 0, line: 0 }
    }
}

impl Chunks {
    /// Follows `bytes`; returns how many of them belong to the body, and whether it ended with them.
    ///
    /// # Errors
    /// The number of leading bytes that were in order, with `ChunkError` for what follows them.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<(usize, bool), (usize, ChunkError)> {
        let mut index = 0;
        while let Some(rest) = bytes.get(index..).filter(|rest| !rest.is_empty()) {
            let piece = self.piece(rest).map_err(|(good, error)| (index + good, error))?;
            index += piece.framing + piece.data;
            if piece.ended {
                return Ok((index, true));
            }
        }
        Ok((index, false))
    }

    /// Follows `bytes` up to the end of the first run of data in them.
    ///
    /// # Errors
    /// The number of leading bytes that were in order, with `ChunkError` for what follows them.
    pub fn piece(&mut self, bytes: &[u8]) -> Result<Piece, (usize, ChunkError)> {
        let mut piece = Piece::default();
        while let Some(byte) = bytes.get(piece.framing) {
            if self.at == At::Data {
                piece.data = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - piece.framing);
                self.size -= piece.data as u64;
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                return Ok(piece);
            }
            piece.ended = self.at == At::FinalLf && *byte == b'\n';
            self.at = self.next(*byte).ok_or((piece.framing, ChunkError))?;
            piece.framing += 1;
            if matches!(self.at, At::TrailerText | At::TrailerLf | At::Trailer)
                && piece.trailers.is_none()
                && self.line > 0
            {
                piece.trailers = Some(piece.framing - 1);
            }
            if piece.ended {
                break;
            }
        }
        Ok(piece)
    }

    fn next(&mut self, byte: u8) -> Option<At> {
        self.line += 1;
        match (self.at, byte) {
            (At::Size, _) => {
                self.line = 1;
                self.size = hex(byte)?;
                Some(At::MoreSize)
            }
            (At::MoreSize, b'\r') => Some(At::SizeEnd),
            (At::MoreSize, b';') => Some(At::Extension),
            (At::MoreSize, _) => {
                // Sixteen digits fill 64 bits; hyper stops there too.
                self.size = self.size.checked_mul(16)?.checked_add(hex(byte)?)?;
                (self.line <= 16).then_some(At::MoreSize)
            }
            (At::Extension, b'\r') => Some(At::SizeEnd),
            (At::Extension, byte) => {
                (self.line < LINE_MAX && (byte == b'\t' || byte >= b' ') && byte != 0x7f).then_some(At::Extension)
            }
            (At::SizeEnd, b'\n') if self.size == 0 => {
                self.line = 0;
                Some(At::Trailer)
            }
            (At::SizeEnd, b'\n') => Some(At::Data),
            (At::DataCr, b'\r') => Some(At::DataLf),
            (At::DataLf, b'\n') => Some(At::Size),
            (At::Trailer, b'\r') => Some(At::FinalLf),
            (At::Trailer, b' ' | b'\t' | b'\n') => None,
            (At::TrailerText, b'\r') => Some(At::TrailerLf),
            (At::TrailerLf, b'\n') => Some(At::Trailer),
            (At::Trailer | At::TrailerText, byte) => {
                (self.line < TRAILERS_MAX && (byte == b'\t' || byte >= b' ') && byte != 0x7f).then_some(At::TrailerText)
            }
            (At::FinalLf, b'\n') => Some(At::Size),
            _ => None,
        }
    }
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(text: &str) -> Result<(usize, bool), usize> {
        Chunks::default().follow(text.as_bytes()).map_err(|(good, _)| good)
    }

    #[test]
    fn finds_the_end_of_a_body() {
        for body in
            ["0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "A;x=y;z=\"q\"\r\n0123456789\r\n000\r\nX-Sum: 1\r\nY: \r\n\r\n"]
        {
            assert_eq!(follow(body), Ok((body.len(), true)), "{body:?}");
            assert_eq!(follow(&format!("{body}GET /")), Ok((body.len(), true)), "{body:?} with more behind it");
        }
    }

    #[test]
    fn refuses_bad_chunks_at_the_byte() {
        for (body, good) in [
            ("x\r\n", 0),
            ("-2\r\n", 0),
            ("+2\r\n", 0),
            (" 2\r\n", 0),
            ("\r\n", 0),
            ("0x2\r\n", 1),
            ("2 \r\n", 1),
            ("2\n", 1),
            ("2\r\nabX", 5),
            ("2\r\nab\nX", 5),
            ("2;a\nb\r\n", 3),
            ("fffffffffffffffff\r\n", 16),
            ("0\r\n folded\r\n\r\n", 3),
            ("0\r\n\n", 3),
            ("0\r\n\rX", 4),
        ] {
            assert_eq!(follow(body), Err(good), "{body:?}");
        }
        assert!(follow(&format!("2;{}\r\n", "a".repeat(2_000))).is_err());
        assert!(follow(&format!("0\r\nX: {}\r\n\r\n", "a".repeat(20_000))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn the_verdict_does_not_depend_on_where_reads_were_cut(
            sizes in proptest::collection::vec(0_usize..40, 0..6), cuts in proptest::collection::vec(1_usize..9, 1..80), broken in 0_usize..3
        ) {
            let mut body = sizes.iter().filter(|size| **size > 0).map(|size| format!("{size:x}\r\n{}\r\n", "d".repeat(*size))).collect::<String>();
            body.push_str(["0\r\n\r\n", "0\r\nA: b\r\n\r\n", "Z\r\n"][broken]);
            let whole = follow(&body);
            let (mut chunks, mut at, mut cuts, mut pieces) = (Chunks::default(), 0, cuts.iter().cycle(), Ok((0, false)));
            while at < body.len() && pieces == Ok((at, false)) {
                let end = (at + cuts.next().unwrap()).min(body.len());
                pieces = chunks.follow(&body.as_bytes()[at..end]).map(|(n, done)| (at + n, done)).map_err(|(n, _)| at + n);
                at = end;
            }
            proptest::prop_assert_eq!(pieces, whole);
        }
    }
}
