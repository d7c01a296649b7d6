//! PROXY protocol: the client's address survives a balancer in front.

use crate::support::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

const TRUSTING: &str = "listeners { https { proxy_protocol: true, proxy_networks: [\"127.0.0.0/8\"] }, \
                        http { proxy_protocol: true, proxy_networks: [\"127.0.0.0/8\"] } }";

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2.
fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, body].concat()
}

fn v4() -> Vec<u8> {
    let [client, us] = [Ipv4Addr::new(192, 0, 2, 7), Ipv4Addr::LOCALHOST].map(|ip| ip.octets());
    [&client[..], &us, &56_789_u16.to_be_bytes(), &443_u16.to_be_bytes()].concat()
}

fn v6() -> Vec<u8> {
    let [client, us] = [Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7), Ipv6Addr::LOCALHOST].map(|ip| ip.octets());
    [&client[..], &us, &56_789_u16.to_be_bytes(), &443_u16.to_be_bytes()].concat()
}

/// A client behind a balancer that sends `header` first, in pieces of `size`.
fn behind(proxy: &Proxy, header: &[u8], size: usize) -> Client {
    let pieces = header.chunks(size).map(<[u8]>::to_vec).collect::<Vec<_>>();
    Client::tls_behind(proxy.https(), &pieces, APP, Arc::new(Pki::shared().client(&["http/1.1"]))).unwrap()
}

#[test]
fn the_client_is_who_the_balancer_says() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(TRUSTING).start();
    let extensions = [&[0x01, 0, 2][..], b"h2", &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
    for (header, client) in [
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 56789 443\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 56789 443\r\n".to_vec(), "2001:db8::7"),
        (binary(1, 0x11, &v4()), "192.0.2.7"),
        (binary(1, 0x21, &v6()), "2001:db8::7"),
        (binary(1, 0x11, &[v4(), extensions.clone()].concat()), "192.0.2.7"),
        (binary(1, 0x21, &[v6(), extensions].concat()), "2001:db8::7"),
        // The balancer speaks for itself.
        (binary(0, 0x00, &[]), "127.0.0.1"),
        (binary(0, 0x11, &v4()), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ] {
        for size in [header.len(), 1] {
            let mut connection = behind(&proxy, &header, size);
            let answer = connection.get(API, "/");
            assert_eq!(answer.status, 200);
            let seen = origin.last();
            let client = client.parse::<IpAddr>().unwrap().to_string();
            assert_eq!([seen.field("x-forwarded-for"), seen.field("x-real-ip")], [client.clone(), client.clone()]);
            let record = proxy.record(&answer);
            assert_eq!(record["client"], client, "{record}");
            // Every request of the connection is that client's.
            connection.get(API, "/second");
            assert_eq!(origin.last().field("x-forwarded-for"), client);
        }
    }
}

#[test]
fn the_header_and_what_follows_may_come_together() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(TRUSTING).start();
    let mut client = Client::tcp(proxy.http());
    client.send(format!("PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nHost: {APP}\r\n\r\n"));
    let answer = client.answer();
    assert_eq!(answer.status, 308);
    let record = proxy.record(&answer);
    assert_eq!(record["client"], "192.0.2.7", "{record}");
    let mut client = Client::tcp(proxy.http());
    for byte in [&binary(1, 0x21, &v6())[..], get(APP, "/bytes").as_bytes()].concat() {
        client.send([byte]);
    }
    let answer = client.answer();
    assert_eq!(proxy.record(&answer)["client"], "2001:db8::7");
}

#[test]
fn over_http2_too() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(TRUSTING).start();
    let pieces = [b"PROXY TCP4 192.0.2.7 127.0.0.1 56789 443\r\n".to_vec()];
    let client = Client::tls_behind(proxy.https(), &pieces, APP, Arc::new(Pki::shared().client(&["h2"]))).unwrap();
    assert_eq!(client.session().alpn_protocol(), Some(&b"h2"[..]));
}

#[test]
fn whoever_sends_no_good_header_is_closed_at_once() {
    let origin = Origin::ok();
    let mut proxy = Run::to(&origin).conf(TRUSTING).conf("log { filter: \"debug\" }").start();
    let bad: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: app.clearml.test\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP9 1.1.1.1 2.2.2.2 1 2\r\n",
        &binary(1, 0x12, &v4()),
        &binary(1, 0x11, &v4()[..6]),
        &binary(7, 0x11, &v4()),
    ];
    for addr in [proxy.https(), proxy.http()] {
        for bytes in bad {
            let mut client = Client::tcp(addr);
            client.send(bytes);
            client.end();
        }
    }
    assert_eq!(origin.connections(), 0);
    proxy.stop();
    assert_eq!(proxy.counted("clearway_proxy_headers_refused_total"), 14);
}

#[test]
fn a_header_that_does_not_come_ends_with_the_handshakes_time() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(TRUSTING).conf("timeouts { handshake: \"300ms\" }").start();
    for addr in [proxy.https(), proxy.http()] {
        for bytes in [&b""[..], b"PROXY TCP4 192.0.2", &SIGNATURE[..9]] {
            let mut client = Client::tcp(addr);
            client.send(bytes);
            assert!(!client.poll(Duration::from_millis(50)));
            client.end();
        }
    }
}

#[test]
fn nobody_else_may_connect_where_balancers_are_named() {
    let origin = Origin::ok();
    let conf = TRUSTING.replace("127.0.0.0/8", "192.0.2.0/24");
    let proxy = Run::to(&origin).conf(&conf).start();
    for addr in [proxy.https(), proxy.http()] {
        for bytes in [&b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n"[..], b""] {
            let mut client = Client::tcp(addr);
            // It may be closed before this is taken.
            let _closed = client.try_send(bytes);
            client.end();
        }
    }
    proxy.event("a connection was refused");
}

#[test]
fn a_header_that_nobody_asked_for_is_no_request() {
    let refusing = Refusing::start();
    let mut client = Client::tcp(refusing.proxy.https());
    client.send(binary(1, 0x11, &v4()));
    client.end();
    refusing
        .check_plain(&[400], b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nHost: app.clearml.test\r\n\r\n");
    refusing.nothing_passed();
}

#[test]
fn trust_without_networks_is_refused_by_check() {
    let origin = Origin::ok();
    let output = Run::to(&origin).conf("listeners { https { proxy_protocol: true } }").fail();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("listeners.https.proxy_networks"), "{said}");
}
