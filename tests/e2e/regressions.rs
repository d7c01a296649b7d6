//! Defects that were found once, each with the test that showed it.

use crate::support::*;
use std::time::{Duration, Instant};

#[test]
fn empty_lines_without_end_cost_little() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let begun = Instant::now();
    for _ in 0..20 {
        let mut client = Client::https(&proxy);
        let _closed = client.try_send("\n".repeat(16_000));
        drop(client);
    }
    Client::https(&proxy).assert_open();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
}
