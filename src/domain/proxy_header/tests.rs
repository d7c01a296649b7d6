use super::*;
use proptest::prelude::*;

fn binary_header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([0x20 | command, family]);
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

fn v4() -> Vec<u8> {
    [&[192, 0, 2, 7, 10, 0, 0, 1][..], &[0xdd, 0xd5, 0x01, 0xbb]].concat()
}

fn v6() -> Vec<u8> {
    let mut body = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).octets().to_vec();
    body.extend(Ipv6Addr::LOCALHOST.octets());
    body.extend([0xdd, 0xd5, 0x01, 0xbb]);
    body
}

#[test]
fn both_versions_tell_the_client() {
    let tlvs = [&[0x01, 0, 2][..], b"h2", &[0x04, 0, 0], &[0xe0, 0, 3], b"abc"].concat();
    let cases: [(Vec<u8>, Option<&str>); 11] = [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 56789 443\r\n".to_vec(), Some("192.0.2.7:56789")),
        (b"PROXY TCP6 2001:db8::7 ::1 56789 443\r\n".to_vec(), Some("[2001:db8::7]:56789")),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n".to_vec(), Some("255.255.255.255:65535")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ffff:f...f 1 2 3\r\n".to_vec(), None),
        (binary_header(1, 0x11, &v4()), Some("192.0.2.7:56789")),
        (binary_header(1, 0x21, &v6()), Some("[2001:db8::7]:56789")),
        (binary_header(1, 0x11, &[v4(), tlvs.clone()].concat()), Some("192.0.2.7:56789")),
        (binary_header(0, 0x00, &[]), None),
        (binary_header(0, 0x11, &v4()), None),
        (binary_header(1, 0x00, &tlvs), None),
    ];
    for (bytes, source) in cases {
        let shown = bytes.escape_ascii().to_string();
        let expected = ProxyHeader { length: bytes.len(), source: source.map(|source| source.parse().unwrap()) };
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "{cut} bytes of {shown}");
        }
        assert_eq!(parse(&bytes), Ok(Some(expected)), "{shown}");
        let followed = [&bytes[..], b"\x16\x03\x01GET / PROXY \r\n"].concat();
        assert_eq!(parse(&followed), Ok(Some(expected)), "what follows is the client's: {shown}");
    }
}

#[test]
fn whatever_is_none_is_refused_as_soon_as_it_shows() {
    for bytes in
        [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01", b"PROXX", b"proxy TCP4", b"\r\n\r\n\0\r\nQUIT\r", b"\r\r", b"\0"]
    {
        assert_eq!(parse(bytes), Err(ProxyHeaderError::Missing), "{}", bytes.escape_ascii());
    }
    let long = format!("PROXY UNKNOWN {}", "x".repeat(93));
    let cases: [Vec<u8>; 26] = [
        b"PROXY \r\n".to_vec(),
        b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n".to_vec(),
        b"PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(),
        b"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 ::1 1 2\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n\r\n".to_vec(),
        b"PROXY TCP4 \xff 2.2.2.2 1 2\r\n".to_vec(),
        long.into_bytes(),
        binary_header(2, 0x11, &v4()),
        binary_header(1, 0x12, &v4()),
        binary_header(1, 0x22, &v6()),
        binary_header(1, 0x11, &v4()[..11]),
        binary_header(1, 0x21, &v4()),
        binary_header(1, 0x11, &[&v4()[..], &[1, 0]].concat()),
        binary_header(1, 0x11, &[&v4()[..], &[1, 0, 2, 9]].concat()),
        binary_header(1, 0x11, &vec![0; 4097]),
    ];
    for bytes in cases {
        let parsed = parse(&bytes);
        assert!(matches!(parsed, Err(ProxyHeaderError::Malformed(_))), "{parsed:?} for {}", bytes.escape_ascii());
    }
    let mut old = binary_header(1, 0x11, &v4());
    old[12] = 0x11;
    assert!(parse(&old).is_err());
}

proptest! {
    #[test]
    fn addresses_come_through(ip: IpAddr, port: u16, tail in proptest::collection::vec(any::<u8>(), 0..20)) {
        let other = if ip.is_ipv4() { "10.0.0.1" } else { "::1" };
        let kind = if ip.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {kind} {ip} {other} {port} 443\r\n");
        let expected = ProxyHeader { length: line.len(), source: Some(SocketAddr::new(ip, port)) };
        prop_assert_eq!(parse(&[line.as_bytes(), &tail].concat()), Ok(Some(expected)));
        let (family, mut body) = match ip {
            IpAddr::V4(ip) => (0x11, [ip.octets(), [10, 0, 0, 1]].concat()),
            IpAddr::V6(ip) => (0x21, [ip.octets(), Ipv6Addr::LOCALHOST.octets()].concat()),
        };
        body.extend(port.to_be_bytes());
        body.extend([1, 187]);
        let bytes = binary_header(1, family, &body);
        let expected = ProxyHeader { length: bytes.len(), ..expected };
        prop_assert_eq!(parse(&[bytes, tail].concat()), Ok(Some(expected)));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic_and_within_them(bytes in proptest::collection::vec(any::<u8>(), 0..300), begin in 0_usize..3) {
        let begins: [&[u8]; 3] = [b"", b"PROXY ", &SIGNATURE];
        let bytes = [begins[begin], &bytes].concat();
        if let Ok(Some(header)) = parse(&bytes) {
            prop_assert!(header.length <= bytes.len() && header.length <= FIXED + VARIABLE_MAX);
            // A prefix of a header is none yet, and never another one.
            for cut in 0..header.length {
                prop_assert_eq!(parse(&bytes[..cut]), Ok(None));
            }
        }
    }
}
