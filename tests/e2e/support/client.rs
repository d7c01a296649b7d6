//! Client: raw HTTP/1 over TLS or TCP. What is sent is exactly what the test says.

use super::answer::{Answer, End};
use super::message::{Fields, Head, parse_fields, split_crlf};
use super::pki::Pki;
use super::proxy::Proxy;
use super::{APP, DEADLINE, get};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::SockRef;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

enum Wire {
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Plain(TcpStream),
}

/// One connection to the proxy.
pub(crate) struct Client {
    wire: Wire,
    /// Bytes read and not yet used.
    buffer: Vec<u8>,
    /// How reading ended, once it has.
    ended: Option<End>,
}

impl Client {
    /// TLS with HTTP/1.1, to the https listener.
    pub(crate) fn https(proxy: &Proxy) -> Self {
        Self::tls(proxy.https(), APP, Pki::shared().client(&["http/1.1"])).unwrap()
    }

    /// Plain, to the http listener.
    pub(crate) fn http(proxy: &Proxy) -> Self {
        Self::tcp(proxy.http())
    }

    /// Plain, to any address.
    pub(crate) fn tcp(addr: SocketAddr) -> Self {
        Self { wire: Wire::Plain(connect(addr)), buffer: Vec::new(), ended: None }
    }

    /// TLS with chosen name and settings; the handshake is done when this returns.
    pub(crate) fn tls(addr: SocketAddr, name: &str, config: ClientConfig) -> io::Result<Self> {
        Self::tls_shared(addr, name, Arc::new(config))
    }

    /// As `tls`, with settings (and tickets) shared between connections.
    pub(crate) fn tls_shared(addr: SocketAddr, name: &str, config: Arc<ClientConfig>) -> io::Result<Self> {
        Self::tls_behind(addr, &[], name, config)
    }

    /// As `tls_shared`, with pieces of bytes sent before the handshake.
    pub(crate) fn tls_behind(
        addr: SocketAddr,
        before: &[Vec<u8>],
        name: &str,
        config: Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut connection = ClientConnection::new(config, name).unwrap();
        let mut socket = connect(addr);
        for piece in before {
            socket.write_all(piece)?;
        }
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        let stream = Box::new(StreamOwned::new(connection, socket));
        Ok(Self { wire: Wire::Tls(stream), buffer: Vec::new(), ended: None })
    }

    /// What the handshake settled.
    pub(crate) fn session(&self) -> &ClientConnection {
        match &self.wire {
            Wire::Tls(stream) => &stream.conn,
            Wire::Plain(_) => panic!("a plain connection has no TLS"),
        }
    }

    /// The socket below.
    pub(crate) fn socket(&self) -> &TcpStream {
        match &self.wire {
            Wire::Tls(stream) => &stream.sock,
            Wire::Plain(socket) => socket,
        }
    }

    /// Sends bytes; a failure to do so ends the test.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).expect("the proxy takes the request");
        self
    }

    /// Sends bytes, or says why not.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let wire: &mut dyn Write = match &mut self.wire {
            Wire::Tls(stream) => stream,
            Wire::Plain(socket) => socket,
        };
        wire.write_all(bytes.as_ref())?;
        wire.flush()
    }

    /// Sends a `GET` and reads the answer.
    pub(crate) fn get(&mut self, host: &str, path: &str) -> Answer {
        self.send(get(host, path)).answer()
    }

    /// Ends our half: the TLS closing alert, then FIN.
    pub(crate) fn finish_sending(&mut self) {
        if let Wire::Tls(stream) = &mut self.wire {
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        }
        self.socket().shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        SockRef::from(self.socket()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> bool {
        if self.ended.is_some() {
            return false;
        }
        let mut piece = vec![0; 64 * 1024];
        let read = match &mut self.wire {
            Wire::Tls(stream) => stream.read(&mut piece),
            Wire::Plain(socket) => socket.read(&mut piece),
        };
        match read {
            Ok(0) => self.ended = Some(End::Closed),
            Ok(count) => self.buffer.extend_from_slice(&piece[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the proxy sent nothing for {DEADLINE:?}; so far: {}", self.buffer.escape_ascii())
            }
            Err(_) => self.ended = Some(End::Cut),
        }
        self.ended.is_none()
    }

    /// Whether reading has met the end.
    pub(crate) fn ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Takes what has come within `patience`; false where nothing has.
    pub(crate) fn poll(&mut self, patience: Duration) -> bool {
        self.socket().set_read_timeout(Some(patience)).unwrap();
        let mut piece = [0; 16 * 1024];
        let read = match &mut self.wire {
            Wire::Tls(stream) => stream.read(&mut piece),
            Wire::Plain(socket) => socket.read(&mut piece),
        };
        self.socket().set_read_timeout(Some(DEADLINE)).unwrap();
        match read {
            Ok(0) => self.ended = Some(End::Closed),
            Ok(count) => self.buffer.extend_from_slice(&piece[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return false,
            Err(_) => self.ended = Some(End::Cut),
        }
        true
    }

    /// Reads up to and with `end`, or what there is when the connection ends before.
    fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return Some(self.buffer.drain(..at + end.len()).collect());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Reads exactly `count` bytes, or fewer where the connection ends before.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count && self.fill() {}
        let count = count.min(self.buffer.len());
        self.buffer.drain(..count).collect()
    }

    /// Reads the head of the next answer.
    pub(crate) fn head(&mut self) -> Head {
        let head = self.until(b"\r\n\r\n");
        let rest = self.buffer.escape_ascii().to_string();
        Head::parse(&head.unwrap_or_else(|| panic!("the connection ended ({:?}) without a head: {rest}", self.ended)))
    }

    /// Reads a whole answer to anything but `HEAD`; a cut one ends the test.
    pub(crate) fn answer(&mut self) -> Answer {
        let answer = self.any_answer("GET");
        assert_ne!(answer.end, End::Cut, "{} was cut: {}\n{}", answer.status, answer.fields, answer.text());
        answer
    }

    /// Reads an answer to `method`, whole or not.
    pub(crate) fn any_answer(&mut self, method: &str) -> Answer {
        let mut interim = Vec::new();
        let head = loop {
            let head = self.head();
            if head.status() >= 200 || head.status() == 101 {
                break head;
            }
            interim.push(head);
        };
        let mut answer = Answer {
            status: head.status(),
            fields: head.fields.clone(),
            body: Vec::new(),
            trailers: Fields::default(),
            interim,
            end: End::Whole,
        };
        let bodiless = method == "HEAD" || matches!(answer.status, 101 | 204 | 304);
        match head.content_length() {
            _ if bodiless => {}
            _ if head.chunked() => self.chunks(&mut answer),
            Some(length) => {
                answer.body = self.bytes(length);
                answer.end = if answer.body.len() == length { End::Whole } else { End::Cut };
            }
            None => {
                while self.fill() {}
                answer.body = std::mem::take(&mut self.buffer);
                answer.end = self.ended.unwrap();
            }
        }
        answer
    }

    fn chunks(&mut self, answer: &mut Answer) {
        answer.end = End::Cut;
        loop {
            let Some(line) = self.until(b"\r\n") else { return };
            let size = std::str::from_utf8(&line).unwrap().trim_end();
            let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("chunk size {size:?}"));
            if size == 0 {
                break;
            }
            let data = self.bytes(size);
            answer.body.extend_from_slice(&data);
            if data.len() < size || self.bytes(2) != b"\r\n" {
                return;
            }
        }
        answer.trailers = match self.bytes(2).as_slice() {
            b"\r\n" => Fields::default(),
            start => {
                let mut block = start.to_vec();
                let Some(rest) = self.until(b"\r\n\r\n") else { return };
                block.extend_from_slice(&rest);
                parse_fields(&split_crlf(block.strip_suffix(b"\r\n\r\n").unwrap()))
            }
        };
        answer.end = End::Whole;
    }

    /// Waits for the end of the connection; anything else that comes ends the test.
    pub(crate) fn end(&mut self) -> End {
        while self.fill() {}
        assert!(self.buffer.is_empty(), "more came: {}", self.buffer.escape_ascii());
        self.ended.unwrap()
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    /// Whether the connection still serves: sends one more request on it.
    pub(crate) fn assert_open(&mut self) {
        assert_eq!(self.get(APP, "/still-open").status, 200);
    }
}

fn connect(addr: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect_timeout(&addr, DEADLINE).expect("the proxy accepts");
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.set_write_timeout(Some(DEADLINE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}
