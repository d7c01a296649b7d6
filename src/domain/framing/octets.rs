//! What the bytes of a head may be part of. Each of them is asked, so the answers are looked up.

/// A token: names and methods (RFC 9110 section 5.6.2).
pub(super) const TOKEN: u8 = 1;
/// A request target: anything but controls, spaces and `#`.
pub(super) const TARGET: u8 = 2;
/// A request target that every URL parser takes.
pub(super) const PLAIN_TARGET: u8 = 4;

const OCTETS: [u8; 256] = octets();

/// Whether a token may have `byte`.
pub(super) const fn is_token(byte: u8) -> bool {
    octet(byte) & TOKEN != 0
}

/// What all of `bytes` may be part of: marks of the constants above. Everything, where there are none.
pub(super) fn common(bytes: &[u8]) -> u8 {
    bytes.iter().fold(u8::MAX, |all, byte| all & octet(*byte))
}

#[expect(clippy::indexing_slicing, reason = "the table has a place for every byte")]
const fn octet(byte: u8) -> u8 {
    OCTETS[byte as usize]
}

#[expect(clippy::indexing_slicing, reason = "the table has a place for every byte")]
const fn octets() -> [u8; 256] {
    let mut octets = [0; 256];
    let mut byte = 0_u8;
    loop {
        let alphanumeric = byte.is_ascii_alphanumeric();
        let token = matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        let plain = matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~' | b'%' | b'?' | b'=' | b'&' | b'+' | b',' | b':');
        let target = byte > b' ' && byte != 0x7f && byte != b'#';
        octets[byte as usize] = if alphanumeric || token { TOKEN } else { 0 }
            | if target { TARGET } else { 0 }
            | if alphanumeric || plain { PLAIN_TARGET } else { 0 };
        if byte == u8::MAX {
            return octets;
        }
        byte += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_the_grammar_says() {
        for byte in 0..=u8::MAX {
            let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let target = byte > b' ' && byte != 0x7f && byte != b'#';
            assert_eq!((is_token(byte), common(&[byte]) & TARGET != 0), (token, target), "{byte:#x}");
            assert!(common(&[byte]) & PLAIN_TARGET == 0 || target, "{byte:#x}");
        }
        assert_eq!(common(b"a/") & TOKEN, 0);
        assert_ne!(common(b"a/") & PLAIN_TARGET, 0);
    }
}
