//! `clearway doctor` and `clearway init` on set-ups rebuilt from what people report, and on good ones: the real binary,
//! real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking and says why"
)]

mod broken;
mod certificates;
mod dialogue;
mod explain;
mod good;
mod imitation;
mod init;
mod proxy;
mod scene;
mod terminal;
