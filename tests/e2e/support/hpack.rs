//! The little of HPACK that raw frames need: literal fields out, the status in.
//!
//! Source: RFC 7541 sections 5.1, 6.2.2 and appendix B.

/// A header block of literals without indexing and without Huffman coding: any bytes, valid or not.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name.as_bytes());
        string(&mut block, value.as_bytes());
    }
    block
}

fn string(block: &mut Vec<u8>, text: &[u8]) {
    if text.len() < 127 {
        block.push(u8::try_from(text.len()).unwrap());
    } else {
        block.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        block.push(u8::try_from(rest).unwrap());
    }
    block.extend_from_slice(text);
}

/// The status at the start of an answer's header block. Table size updates before it are skipped.
pub(crate) fn status(block: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    let mut bytes = block;
    while let [first, rest @ ..] = bytes {
        match first {
            0x88..=0x8E => return INDEXED[usize::from(first - 0x88)],
            0x20..=0x3F => bytes = rest,
            // A literal whose name is entry 8 of the static table, `:status`.
            0x08 | 0x18 | 0x48 => return digits(rest),
            _ => break,
        }
    }
    panic!("no :status first in {block:02x?}")
}

fn digits(value: &[u8]) -> u16 {
    let length = usize::from(value[0] & 0x7F);
    let data = &value[1..=length];
    if value[0] & 0x80 == 0 {
        return std::str::from_utf8(data).unwrap().parse().unwrap();
    }
    let bits = data.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let mut left = data.len() * 8;
    let mut number = 0;
    for _ in 0..3 {
        // 0 to 2 have codes of five bits, 3 to 9 of six that begin at 011001.
        let five = (bits >> (left - 5)) & 0x1F;
        let digit = if five < 3 {
            left -= 5;
            five
        } else {
            left -= 6;
            ((bits >> left) & 0x3F) - 0x19 + 3
        };
        number = number * 10 + u16::try_from(digit).unwrap();
    }
    number
}
