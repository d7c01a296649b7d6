//! Connecting to one of several addresses: the next one is tried as soon as one fails, or is slow.
//!
//! Source: RFC 8305 sections 4 and 5.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::sleep;

/// How long one address may take before the next is tried beside it.
const STAGGER: Duration = Duration::from_millis(250);

/// Addresses of one name that are tried; a name with more has the rest for later look-ups, which come in another order.
const ADDRESSES_MAX: usize = 8;

/// Addresses in the order to try them: as they came, but families take turns, beginning with that of the first.
pub(super) fn in_order(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_family = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut own, mut other) = (
        addresses.iter().filter(|addr| addr.is_ipv6() == first_family),
        addresses.iter().filter(|addr| addr.is_ipv6() != first_family),
    );
    let mut order = Vec::with_capacity(addresses.len().min(ADDRESSES_MAX));
    while order.len() < ADDRESSES_MAX {
        match (own.next(), other.next()) {
            (None, None) => break,
            (one, two) => order.extend(one.into_iter().chain(two)),
        }
    }
    order.truncate(ADDRESSES_MAX);
    order
}

/// The first connection that succeeds; `Err` with the last failure once all have failed. `None` for no address.
///
/// # Cancel safety
/// Attempts under way are dropped.
pub(super) async fn race<T, E, F>(
    addresses: &[SocketAddr],
    dial: impl Fn(SocketAddr) -> F,
) -> Option<Result<T, (SocketAddr, E)>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waiting = in_order(addresses).into_iter();
    let mut running: Vec<(SocketAddr, Pin<Box<F>>)> = Vec::new();
    let mut next = Box::pin(sleep(Duration::ZERO));
    let mut last = None;
    let mut start = true;
    std::future::poll_fn(|cx| {
        loop {
            if start || next.as_mut().poll(cx).is_ready() {
                start = false;
                if let Some(addr) = waiting.next() {
                    running.push((addr, Box::pin(dial(addr))));
                    next = Box::pin(sleep(STAGGER));
                    // Asked, so that it wakes this task.
                    start = next.as_mut().poll(cx).is_ready();
                }
            }
            let before = running.len();
            let mut won = None;
            running.retain_mut(|(addr, attempt)| match attempt.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(stream)) => {
                    won = Some(stream);
                    false
                }
                Poll::Ready(Err(error)) => {
                    last = Some((*addr, error));
                    false
                }
            });
            if let Some(stream) = won {
                return Poll::Ready(Some(Ok(stream)));
            }
            if running.is_empty() && waiting.len() == 0 {
                return Poll::Ready(last.take().map(Err));
            }
            // One that failed makes room at once.
            start = running.len() < before && waiting.len() > 0;
            if !start {
                return Poll::Pending;
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::time::Instant;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns_in_the_resolvers_order() {
        let order = |list: &[&str]| {
            let list = list.iter().map(|text| addr(text)).collect::<Vec<_>>();
            in_order(&list).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order(&[]), "");
        assert_eq!(order(&["1.1.1.1:1", "1.1.1.2:1"]), "1.1.1.1:1 1.1.1.2:1");
        assert_eq!(
            order(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1"]),
            "[::1]:1 1.1.1.1:1 [::2]:1 1.1.1.2:1 1.1.1.3:1"
        );
        assert_eq!(order(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]), "1.1.1.1:1 [::1]:1 [::2]:1");
        let many = (1..=20).map(|n| addr(&format!("1.1.1.{n}:1"))).collect::<Vec<_>>();
        assert_eq!(in_order(&many).len(), 8);
    }

    /// Address `1.1.1.n` answers as `outcomes[n - 1]` says: after how many milliseconds, and whether it accepts. What
    /// won, after how long, and when each was dialled.
    async fn run(outcomes: &[(u64, bool)]) -> (Result<u8, u8>, u64, Vec<u64>) {
        let begun = Instant::now();
        let millis = || u64::try_from(begun.elapsed().as_millis()).unwrap();
        let dialled = Mutex::new(Vec::new());
        let list = (1..=outcomes.len()).map(|n| addr(&format!("1.1.1.{n}:1"))).collect::<Vec<_>>();
        let number = |addr: SocketAddr| addr.ip().to_string().rsplit('.').next().unwrap().parse::<u8>().unwrap();
        let won = race(&list, |addr| {
            dialled.lock().unwrap().push(millis());
            let (wait, accepts) = outcomes[usize::from(number(addr)) - 1];
            async move {
                sleep(Duration::from_millis(wait)).await;
                if accepts { Ok(number(addr)) } else { Err(()) }
            }
        })
        .await
        .unwrap();
        (won.map_err(|(addr, ())| number(addr)), millis(), dialled.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_address_is_tried_on_failure_and_beside_a_slow_one() {
        assert_eq!(run(&[(10, true), (0, true)]).await, (Ok(1), 10, vec![0]));
        assert_eq!(run(&[(10, false), (20, true)]).await, (Ok(2), 30, vec![0, 10]));
        assert_eq!(run(&[(9_000, false), (20, true)]).await, (Ok(2), 270, vec![0, 250]));
        assert_eq!(run(&[(400, true), (900, true)]).await, (Ok(1), 400, vec![0, 250]));
        assert_eq!(run(&[(9_000, true), (9_000, true), (1, true)]).await, (Ok(3), 501, vec![0, 250, 500]));
        assert_eq!(run(&[(5, false), (5, false), (5, false)]).await, (Err(3), 15, vec![0, 5, 10]));
        assert_eq!(run(&[(300, false), (5, false)]).await, (Err(1), 300, vec![0, 250]));
    }

    #[tokio::test]
    async fn no_address_is_no_result() {
        assert!(race(&[], |_| async { Ok::<(), ()>(()) }).await.is_none());
    }
}
