//! Origin: a target under the test's control, byte by byte.

use super::DEADLINE;
use super::message::{Fields, Head, Received, parse_fields, split_crlf};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What a script does with one connection. An error ends the connection, not the test.
type Script = dyn Fn(&mut Visit) -> io::Result<()> + Send + Sync;

#[derive(Default)]
struct Seen {
    /// The bytes of each connection, in the order of accepting.
    bytes: Vec<Vec<u8>>,
    requests: Vec<Received>,
    /// Connections whose script has ended.
    ended: usize,
    stopping: bool,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        let result = change(&mut self.seen.lock().unwrap());
        self.changed.notify_all();
        result
    }
}

/// A target that does what its script says.
pub(crate) struct Origin {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Origin {
    /// Runs `script` for each connection, each on a thread of its own.
    pub(crate) fn script(script: impl Fn(&mut Visit) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// As `script`, on a socket that is already bound.
    pub(crate) fn on(
        listener: TcpListener,
        script: impl Fn(&mut Visit) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let origin = Self { addr: listener.local_addr().unwrap(), shared: Arc::default() };
        let shared = Arc::clone(&origin.shared);
        thread::spawn(move || accept(&listener, &shared, &Arc::new(script)));
        origin
    }

    /// Answers each request, read whole, with `answer`; closes where the answer says so.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let closes = text.contains("connection: close") || text.starts_with("http/1.0");
        Self::script(move |visit| {
            loop {
                visit.request()?;
                visit.write(&answer)?;
                if closes {
                    return Ok(());
                }
            }
        })
    }

    /// Answers everything with 200.
    pub(crate) fn ok() -> Self {
        Self::answering(super::ok("ok"))
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The requests read whole so far, over all connections.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.shared.seen.lock().unwrap().requests.clone()
    }

    /// How many `POST` requests were read whole so far; probes are none.
    pub(crate) fn posts(&self) -> usize {
        let seen = self.shared.seen.lock().unwrap();
        seen.requests.iter().filter(|request| request.asked().starts_with("POST ")).count()
    }

    /// The only request so far.
    pub(crate) fn request(&self) -> Received {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{:#?}", requests.iter().map(|request| &request.head.line).collect::<Vec<_>>());
        requests.into_iter().next().unwrap()
    }

    /// The last request so far.
    pub(crate) fn last(&self) -> Received {
        self.requests().pop().expect("a request reached the target")
    }

    /// Every byte received, by connection.
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        self.shared.seen.lock().unwrap().bytes.clone()
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.shared.seen.lock().unwrap().bytes.len()
    }

    fn wait(&self, what: &str, mut reached: impl FnMut(&Seen) -> bool) {
        let guard = self.shared.seen.lock().unwrap();
        let late = self.shared.changed.wait_timeout_while(guard, DEADLINE, |seen| !reached(seen)).unwrap().1;
        assert!(!late.timed_out(), "waited in vain for {what}");
    }

    /// Waits until `count` requests were read whole.
    pub(crate) fn wait_requests(&self, count: usize) -> Vec<Received> {
        self.wait("requests", |seen| seen.requests.len() >= count);
        self.requests()
    }

    /// Waits until `count` connections were accepted.
    pub(crate) fn wait_connections(&self, count: usize) {
        self.wait("connections", |seen| seen.bytes.len() >= count);
    }

    /// Waits until at least `count` bytes came on one connection.
    pub(crate) fn wait_bytes(&self, count: usize) {
        self.wait("bytes", |seen| seen.bytes.iter().any(|bytes| bytes.len() >= count));
    }

    /// Waits until the scripts of `count` connections have ended.
    pub(crate) fn wait_ended(&self, count: usize) {
        self.wait("the end of connections", |seen| seen.ended >= count);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.change(|seen| seen.stopping = true);
        // Wakes the accepting thread, so that it sees the flag.
        drop(TcpStream::connect(self.addr));
    }
}

fn accept(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    script: &Arc<impl Fn(&mut Visit) -> io::Result<()> + Send + Sync + 'static>,
) {
    for socket in listener.incoming() {
        let Ok(socket) = socket else { return };
        let number = shared.change(|seen| {
            seen.bytes.push(Vec::new());
            seen.bytes.len() - 1
        });
        if shared.seen.lock().unwrap().stopping {
            return;
        }
        socket.set_read_timeout(Some(DEADLINE * 2)).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut visit = Visit { socket, number, buffer: Vec::new(), shared: Arc::clone(shared) };
        let script: Arc<Script> = Arc::clone(script) as Arc<Script>;
        thread::spawn(move || {
            // The end of a connection is part of what tests look at, never a failure by itself.
            let _ended = script(&mut visit);
            let shared = Arc::clone(&visit.shared);
            drop(visit);
            shared.change(|seen| seen.ended += 1);
        });
    }
}

/// One connection, as the target sees it.
pub(crate) struct Visit {
    socket: TcpStream,
    /// The connection's number, from 0.
    pub(crate) number: usize,
    buffer: Vec<u8>,
    shared: Arc<Shared>,
}

impl Visit {
    fn fill(&mut self) -> io::Result<()> {
        let mut piece = vec![0; 256 * 1024];
        let count = self.socket.read(&mut piece)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(&piece[..count]);
        self.shared.change(|seen| seen.bytes[self.number].extend_from_slice(&piece[..count]));
        Ok(())
    }

    fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return Ok(self.buffer.drain(..at + end.len()).collect());
            }
            self.fill()?;
        }
    }

    /// Reads exactly `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            self.fill()?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// Reads whatever there is, at least one byte.
    pub(crate) fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.buffer.is_empty() {
            self.fill()?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Reads a request's head.
    pub(crate) fn head(&mut self) -> io::Result<Head> {
        Ok(Head::parse(&self.until(b"\r\n\r\n")?))
    }

    /// Reads a request whole and notes it.
    pub(crate) fn request(&mut self) -> io::Result<Received> {
        let head = self.head()?;
        self.request_after(head)
    }

    /// Reads the body that follows `head` and notes the request.
    pub(crate) fn request_after(&mut self, head: Head) -> io::Result<Received> {
        let (body, trailers) = if head.chunked() {
            self.chunks()?
        } else {
            (self.bytes(head.content_length().unwrap_or(0))?, Fields::default())
        };
        let received = Received { head, body, trailers };
        self.shared.change(|seen| seen.requests.push(received.clone()));
        Ok(received)
    }

    fn chunks(&mut self) -> io::Result<(Vec<u8>, Fields)> {
        let mut body = Vec::new();
        loop {
            let line = self.until(b"\r\n")?;
            let size = std::str::from_utf8(&line).ok().and_then(|line| usize::from_str_radix(line.trim_end(), 16).ok());
            let size = size.unwrap_or_else(|| panic!("chunk size line {}", line.escape_ascii()));
            if size == 0 {
                break;
            }
            body.extend(self.bytes(size)?);
            assert_eq!(self.bytes(2)?, b"\r\n", "a chunk ends with CRLF");
        }
        let mut block = self.until(b"\r\n")?;
        if block == b"\r\n" {
            return Ok((body, Fields::default()));
        }
        while !block.ends_with(b"\r\n\r\n") {
            block.extend(self.until(b"\r\n")?);
        }
        let lines = block.strip_suffix(b"\r\n\r\n").unwrap_or_default();
        Ok((body, parse_fields(&split_crlf(lines))))
    }

    /// Reads until the other side ends, and drops what comes.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        loop {
            self.buffer.clear();
            self.fill()?;
        }
    }

    /// Sends bytes.
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.socket.write_all(bytes.as_ref())
    }

    /// Sends what the other side takes before it takes nothing for `patience`; then an error.
    pub(crate) fn write_within(&mut self, bytes: &[u8], patience: Duration) -> io::Result<()> {
        self.socket.set_write_timeout(Some(patience))?;
        self.socket.write_all(bytes)
    }

    /// Ends our half of the connection.
    pub(crate) fn finish_sending(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    /// Makes the end of this connection a reset.
    pub(crate) fn reset(&self) -> io::Result<()> {
        SockRef::from(&self.socket).set_linger(Some(Duration::ZERO))
    }
}

/// A port of ours on which nobody listens yet: connecting is refused.
pub(crate) struct Port(Socket);

impl Port {
    /// Takes a free port.
    pub(crate) fn closed() -> Self {
        Self::take(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
    }

    /// Takes this port, where nobody listens any more.
    pub(crate) fn take(addr: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        Ok(Self(socket))
    }

    /// Takes this port as soon as nobody has it any more.
    pub(crate) fn again(addr: SocketAddr) -> Self {
        let begun = Instant::now();
        loop {
            match Self::take(addr) {
                Ok(port) => return port,
                Err(error) => assert!(begun.elapsed() < DEADLINE, "{error}"),
            }
            thread::yield_now();
        }
    }

    /// Its address.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }

    /// Begins to listen, with a queue of `backlog`.
    pub(crate) fn listen(self, backlog: i32) -> TcpListener {
        self.0.listen(backlog).unwrap();
        self.0.into()
    }
}
