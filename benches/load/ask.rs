//! What is asked for, and what the answer must be.

use crate::Failure;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// The bytes that bodies are made of.
pub(crate) static BLOCK: [u8; 256 * 1024] = [b'.'; 256 * 1024];

/// Digits of the count that answers an upload.
pub(crate) const COUNT_DIGITS: usize = 20;

const BOUNDARY: &str = "----clearway-bench";

/// One request.
#[derive(clap::Args, Clone)]
pub(crate) struct Ask {
    #[arg(long, default_value = "GET")]
    pub(crate) method: String,
    /// `/bytes/N` is answered with N bytes, any other path with the number of bytes that were taken
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    /// A field as "name: value"; may be repeated
    #[arg(long = "field")]
    fields: Vec<String>,
    /// Bytes of the body
    #[arg(long, default_value_t = 0)]
    pub(crate) body: u64,
    /// The body is one part of multipart/form-data, as the SDK sends files
    #[arg(long)]
    multipart: bool,
    /// Bytes given to TLS at once
    #[arg(long, default_value_t = 64 * 1024)]
    pub(crate) piece: usize,
    /// MiB per second at which an answer over HTTP/1.1 is read; as fast as it comes without
    #[arg(long)]
    read_rate: Option<u32>,
    /// The status of a good answer
    #[arg(long, default_value_t = 200)]
    pub(crate) status: u16,
}

impl Ask {
    /// Name and value of each extra field.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let multipart = self.multipart.then_some(("content-type", MULTIPART_TYPE));
        self.fields.iter().filter_map(|field| field.split_once(": ")).chain(multipart)
    }

    /// What stands before and behind the body's bytes.
    pub(crate) fn wrapping(&self) -> (Bytes, Bytes) {
        if !self.multipart {
            return (Bytes::new(), Bytes::new());
        }
        let name = "project/task.0123456789abcdef/models/weights.pt";
        let before = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"weights.pt\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        (before.into(), format!("\r\n--{BOUNDARY}--\r\n").into())
    }

    /// Bytes of the body with what stands around it.
    pub(crate) fn length(&self) -> u64 {
        let (before, behind) = self.wrapping();
        self.body + (before.len() + behind.len()) as u64
    }

    /// The head over HTTP/1.1.
    pub(crate) fn head(&self, host: &str) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.path);
        for (name, value) in self.fields() {
            head += &format!("{name}: {value}\r\n");
        }
        if self.length() > 0 {
            head += &format!("Content-Length: {}\r\n", self.length());
        }
        head + "\r\n"
    }

    /// When `bytes` of an answer should have been read whose reading began at `begin`, if there is a rate.
    pub(crate) fn due(&self, begin: Instant, bytes: u64) -> Option<Instant> {
        let seconds = bytes as f64 / (f64::from(self.read_rate?) * 1024.0 * 1024.0);
        Some(begin + Duration::from_secs_f64(seconds))
    }

    /// Checks an answer: its status, its length, and the count if it is one.
    pub(crate) fn check(&self, status: u16, length: u64, beginning: &[u8]) -> Result<(), Failure> {
        if status != self.status {
            return Err(format!("status {status} instead of {} for {} {}", self.status, self.method, self.path).into());
        }
        if status != 200 || self.method == "HEAD" {
            return Ok(());
        }
        let expected = self.path.strip_prefix("/bytes/").and_then(|count| count.parse::<u64>().ok());
        let good = match expected {
            Some(expected) => length == expected,
            None => beginning == format!("{:0COUNT_DIGITS$}", self.length()).as_bytes(),
        };
        if good {
            Ok(())
        } else {
            Err(format!("a wrong answer of {length} bytes to {} {}", self.method, self.path).into())
        }
    }
}

const MULTIPART_TYPE: &str = "multipart/form-data; boundary=----clearway-bench";
