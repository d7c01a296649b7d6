use super::*;
use crate::tls::scratch::{RECORD_MAX, SEALED_MAX};
use crate::tls::tests::{Client, example};
use crate::tls::{Hello, Scratch, ServerTls};
use proptest::prelude::*;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion};
use std::io::{Read, Write};

/// The server's end of a connection in memory.
pub(in crate::tls) struct Server<'a> {
    tls: &'a ServerTls,
    hello: Hello,
    session: Option<TlsSession>,
    records: BytesMut,
    unsent: BytesMut,
    /// Plain bytes from the client.
    pub(in crate::tls) opened: BytesMut,
    pub(in crate::tls) ended: bool,
}

impl<'a> Server<'a> {
    pub(in crate::tls) fn new(tls: &'a ServerTls) -> Self {
        Self {
            tls,
            hello: Hello::default(),
            session: None,
            records: BytesMut::new(),
            unsent: BytesMut::new(),
            opened: BytesMut::new(),
            ended: false,
        }
    }

    pub(in crate::tls) fn session(&mut self) -> Option<&mut TlsSession> {
        self.session.as_mut()
    }

    /// Takes bytes of the client.
    pub(in crate::tls) fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.records.extend_from_slice(bytes);
        if self.session.is_none() {
            self.session = self.hello.look(self.tls, &self.records, &mut self.unsent)?;
        }
        let Self { session: Some(session), records, unsent, opened, ended, .. } = self else { return Ok(()) };
        let opened = session.open(records, unsent, |plain| {
            opened.extend_from_slice(plain);
            true
        })?;
        *ended |= opened == Opened::End;
        Ok(())
    }

    /// What leaves for the client.
    pub(in crate::tls) fn take(&mut self) -> Vec<u8> {
        self.unsent.split().to_vec()
    }

    fn seal(&mut self, pieces: &[&[u8]], scratch: &mut Scratch) -> Sealed {
        let pieces = pieces.iter().map(|piece| IoSlice::new(piece)).collect::<Vec<_>>();
        let Self { session: Some(session), records, unsent, opened, .. } = self else { panic!("no session") };
        let sealed = session.seal(records, unsent, opened, (&pieces, SEALED_MAX), scratch).unwrap();
        unsent.extend_from_slice(scratch.sealed(sealed.records));
        sealed
    }
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Both ends after the handshake; the client's first `said` comes in pieces of `size` bytes.
fn pair<'a>(tls: &'a ServerTls, client: &Arc<ClientConfig>, size: usize) -> (ClientConnection, Server<'a>) {
    let name = ServerName::try_from("app.example.com").unwrap();
    let (mut client, mut server) = (ClientConnection::new(Arc::clone(client), name).unwrap(), Server::new(tls));
    while client.is_handshaking() || client.wants_write() {
        for piece in said(&mut client).chunks(size) {
            server.read(piece).unwrap();
        }
        hear(&mut client, &server.take());
    }
    hear(&mut client, &server.take());
    assert!(!server.session().unwrap().is_handshaking());
    (client, server)
}

fn client(version: &'static SupportedProtocolVersion) -> (ServerTls, Arc<ClientConfig>) {
    let (tls, root) = example();
    let versions: &'static [_] = if *version == TLS12 { &VERSIONS[..1] } else { &VERSIONS[1..] };
    (tls, Client::new().versions(versions).trusting(&[root]))
}

fn said(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// What the client reads of `bytes`.
fn hear(client: &mut ClientConnection, mut bytes: &[u8]) -> Vec<u8> {
    let (mut plain, mut piece) = (Vec::new(), [0; 4096]);
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).unwrap();
        client.process_new_packets().unwrap();
        while let Ok(count @ 1..) = client.reader().read(&mut piece) {
            plain.extend_from_slice(&piece[..count]);
        }
    }
    plain
}

fn pattern(length: usize) -> Vec<u8> {
    (0_u32..).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).take(length).collect()
}

#[test]
fn hands_are_shaken_however_the_clients_bytes_come() {
    for version in VERSIONS {
        let (tls, config) = client(version);
        for size in [1, 7, 100, 10_000] {
            let (_, mut server) = pair(&tls, &config, size);
            let facts = server.session().unwrap().facts();
            assert_eq!((facts.server_name.as_deref(), facts.http2), (Some("app.example.com"), false), "{size}");
        }
    }
}

#[test]
fn hands_are_shaken_with_a_client_that_cuts_its_messages_into_small_records() {
    for version in VERSIONS {
        let (tls, config) = client(version);
        for fragment in [32, 100, 300] {
            let mut config = (*config).clone();
            config.max_fragment_size = Some(fragment);
            let config = Arc::new(config);
            for size in [1, 77, 10_000] {
                pair(&tls, &config, size);
            }
        }
    }
}

#[test]
fn small_pieces_share_a_record_and_large_ones_are_not_gathered() {
    for (version, overhead) in [(&TLS12, 29), (&TLS13, 22)] {
        let (tls, config) = client(version);
        let (mut client, mut server) = pair(&tls, &config, 10_000);
        let mut scratch = Scratch::default();
        let large = pattern(RECORD_MAX * 3 + 5);
        for (pieces, records) in [
            (vec![&b"HTTP/1.1 200 OK\r\n\r\n"[..], b"", b"body"], 1),
            (vec![b"head", &large[..]], 4),
            (vec![&large[..], b"end"], 4),
            (vec![&large[..RECORD_MAX]], 1),
            (vec![b""], 0),
            (vec![], 0),
        ] {
            let plain = pieces.concat();
            let sealed = server.seal(&pieces, &mut scratch);
            assert_eq!(sealed, Sealed { taken: plain.len(), records: plain.len() + records * overhead });
            assert!(hear(&mut client, &server.take()) == plain, "{records} records");
        }
        let much = pattern(SEALED_MAX + 1);
        assert_eq!(server.seal(&[b"x", &much], &mut scratch).taken, SEALED_MAX);
        assert!(hear(&mut client, &server.take()) == [b"x", &much[..SEALED_MAX - 1]].concat());
        // Each piece begins in the middle of a record: the most records that a write can need.
        let odd = [&much[..1], &much[..RECORD_MAX * 15 + RECORD_MAX - 2], b"abc", &much[..RECORD_MAX]];
        let taken = server.seal(&odd, &mut scratch).taken;
        assert!(taken == SEALED_MAX && hear(&mut client, &server.take()) == odd.concat()[..taken]);
    }
}

#[test]
fn the_end_of_either_side_leaves_the_other_open() {
    for version in VERSIONS {
        let (tls, config) = client(version);
        let (mut client, mut server) = pair(&tls, &config, 10_000);
        client.writer().write_all(b"last words").unwrap();
        client.send_close_notify();
        server.read(&said(&mut client)).unwrap();
        assert!(server.ended && &server.opened[..] == b"last words");
        server.seal(&[b"answer"], &mut Scratch::default());
        assert_eq!(hear(&mut client, &server.take()), b"answer");
        let Server { session: Some(session), records, unsent, opened, .. } = &mut server else { panic!() };
        session.close(records, unsent, opened).unwrap();
        let mut bytes = &server.take()[..];
        client.read_tls(&mut bytes).unwrap();
        assert!(client.process_new_packets().unwrap().peer_has_closed());
    }
}

#[test]
fn an_end_that_comes_with_the_handshake_is_seen_at_once() {
    for version in VERSIONS {
        for request in [&b""[..], b"GET"] {
            let (tls, config) = client(version);
            let name = ServerName::try_from("app.example.com").unwrap();
            let (mut client, mut server) = (ClientConnection::new(config, name).unwrap(), Server::new(&tls));
            let mut burst = Vec::new();
            while client.is_handshaking() {
                server.read(&std::mem::take(&mut burst)).unwrap();
                server.read(&said(&mut client)).unwrap();
                hear(&mut client, &server.take());
                burst = said(&mut client);
            }
            client.writer().write_all(request).unwrap();
            client.send_close_notify();
            burst.extend(said(&mut client));
            server.read(&burst).unwrap();
            assert!(server.ended && server.opened == request, "{version:?} {request:?}");
        }
    }
}

#[test]
fn keys_are_changed_when_the_client_asks() {
    let (tls, config) = client(&TLS13);
    let (mut client, mut server) = pair(&tls, &config, 10_000);
    for round in 0..3 {
        client.refresh_traffic_keys().unwrap();
        client.writer().write_all(b"under new keys").unwrap();
        // The change of keys is cut in two, and an answer is sealed between the halves.
        let bytes = said(&mut client);
        server.read(&bytes[..9]).unwrap();
        server.seal(&[b"between"], &mut Scratch::default());
        server.read(&bytes[9..]).unwrap();
        assert_eq!(&server.opened.split()[..], b"under new keys", "{round}");
        server.seal(&[b"answer"], &mut Scratch::default());
        assert_eq!(hear(&mut client, &server.take()), b"betweenanswer", "{round}");
    }
}

#[test]
fn what_comes_while_an_answer_is_sealed_is_kept() {
    let (tls, config) = client(&TLS13);
    let (mut client, mut server) = pair(&tls, &config, 10_000);
    let plain = pattern(50_000);
    client.writer().write_all(&plain).unwrap();
    client.send_close_notify();
    // Read from the socket, and nobody has asked for it yet.
    server.records.extend_from_slice(&said(&mut client));
    server.seal(&[b"answer"], &mut Scratch::default());
    assert!(server.opened == plain && hear(&mut client, &server.take()) == b"answer");
    assert!(!server.ended);
    server.read(b"").unwrap();
    assert!(server.ended, "the end that came with it");
}

#[test]
fn opening_stops_where_nobody_takes_more() {
    let (tls, config) = client(&TLS13);
    let (mut client, mut server) = pair(&tls, &config, 10_000);
    client.writer().write_all(&pattern(3 * RECORD_MAX)).unwrap();
    let bytes = said(&mut client);
    let mut records = BytesMut::from(&bytes[..]);
    let mut given = Vec::new();
    for left in [2, 1] {
        let Server { session: Some(session), unsent, .. } = &mut server else { panic!() };
        let opened = session.open(&mut records, unsent, |plain| {
            given.extend_from_slice(plain);
            false
        });
        assert_eq!(opened.unwrap(), Opened::Full);
        assert_eq!(records.len(), bytes.len() / 3 * left);
    }
    assert!(given == pattern(2 * RECORD_MAX));
}

#[test]
fn a_changed_record_ends_the_session_with_an_alert() {
    for version in VERSIONS {
        let (tls, config) = client(version);
        let (mut client, mut server) = pair(&tls, &config, 10_000);
        client.writer().write_all(b"one").unwrap();
        let first = said(&mut client);
        client.writer().write_all(b"two").unwrap();
        let mut second = said(&mut client);
        *second.last_mut().unwrap() ^= 1;
        let error = server.read(&[first, second].concat()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(&server.opened[..], b"one");
        let mut alert = &server.take()[..];
        client.read_tls(&mut alert).unwrap();
        let told = client.process_new_packets().unwrap_err();
        assert_eq!(told, Error::AlertReceived(rustls::AlertDescription::BadRecordMac));
        let Server { session: Some(session), records, unsent, opened, .. } = &mut server else { panic!() };
        let pieces = [IoSlice::new(b"x")];
        assert!(session.seal(records, unsent, opened, (&pieces, SEALED_MAX), &mut Scratch::default()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is said in whatever pieces, both sides hear it once and in order.
    #[test]
    fn both_sides_hear_all_that_was_said(
        old in any::<bool>(),
        turns in prop::collection::vec((0_usize..70_000, 1_usize..40_000, 1_usize..9), 1..6),
    ) {
        let (tls, config) = client(VERSIONS[usize::from(!old)]);
        let (mut client, mut server) = pair(&tls, &config, 10_000);
        let mut scratch = Scratch::default();
        for (length, size, pieces) in turns {
            let plain = pattern(length);
            let mut rest = &plain[..];
            while !rest.is_empty() {
                let count = client.writer().write(rest).unwrap();
                rest = &rest[count..];
                for piece in said(&mut client).chunks(size) {
                    server.read(piece).unwrap();
                }
            }
            prop_assert!(server.opened.split() == plain);
            let pieces = plain.chunks(length / pieces + 1).collect::<Vec<_>>();
            prop_assert_eq!(server.seal(&pieces, &mut scratch).taken, length);
            prop_assert!(hear(&mut client, &server.take()) == plain);
        }
    }
}
