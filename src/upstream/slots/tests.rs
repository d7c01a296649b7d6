//! Slots under cancellation and from many threads.

use super::*;
use proptest::prelude::*;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

type Taking = Pin<Box<dyn Future<Output = Result<Slot, NoSlot>>>>;

const fn applicant(class: Class, client: u64) -> Applicant {
    Applicant { class, client, holder: None }
}

fn take(slots: &Arc<Slots>, class: Class, client: u64) -> Taking {
    let slots = Arc::clone(slots);
    Box::pin(async move { slots.take(applicant(class, client), Deadline::after(HOUR)).await })
}

fn poll(taking: &mut Taking) -> Option<Result<Slot, NoSlot>> {
    match taking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(slot) => Some(slot),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn slots_are_handed_on_in_order_and_nobody_overtakes() {
    let slots = Slots::new(1, 10);
    let first = slots.try_take().unwrap();
    let mut program = take(&slots, Class::Routine, 1);
    let mut person = take(&slots, Class::Interactive, 2);
    assert!(poll(&mut program).is_none() && poll(&mut person).is_none());
    assert_eq!(slots.level(), (1, 2));
    drop(first);
    assert!(slots.try_take().is_none(), "it has an owner already");
    let second = poll(&mut person).unwrap().unwrap();
    assert!(poll(&mut program).is_none());
    drop(second);
    let third = poll(&mut program).unwrap().unwrap();
    assert_eq!(slots.level(), (1, 0));
    drop(third);
    assert_eq!(slots.level(), (0, 0));
}

#[tokio::test]
async fn a_slot_on_its_way_to_somebody_who_leaves_goes_to_the_next() {
    let slots = Slots::new(1, 10);
    let first = slots.try_take().unwrap();
    let mut leaves = take(&slots, Class::Routine, 1);
    let mut stays = take(&slots, Class::Routine, 2);
    assert!(poll(&mut leaves).is_none() && poll(&mut stays).is_none());
    drop(first);
    // Given, and not yet fetched.
    drop(leaves);
    assert!(poll(&mut stays).unwrap().is_ok());
    assert_eq!(slots.level(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_at_the_deadline_and_where_there_is_no_room() {
    let slots = Slots::new(1, 1);
    let _held = slots.try_take().unwrap();
    let mut waits = take(&slots, Class::Routine, 1);
    assert!(poll(&mut waits).is_none());
    let soon = || Deadline::after(Duration::from_millis(10));
    assert_eq!(slots.take(applicant(Class::Routine, 1), soon()).await.unwrap_err(), NoSlot::Full);
    let person = slots.take(applicant(Class::Interactive, 1), soon());
    assert_eq!(person.await.unwrap_err(), NoSlot::Late);
    assert_eq!(poll(&mut waits).unwrap().unwrap_err(), NoSlot::Full, "it made room for a person");
    assert_eq!(slots.level(), (1, 0));
}

#[tokio::test]
async fn limits_can_change_while_requests_wait() {
    let slots = Slots::new(2, 10);
    let mut held = vec![slots.try_take().unwrap(), slots.try_take().unwrap()];
    let mut waiting = (0..4).map(|client| take(&slots, Class::Routine, client)).collect::<Vec<_>>();
    assert!(waiting.iter_mut().all(|taking| poll(taking).is_none()));
    slots.follow(4, 10);
    held.extend(waiting.iter_mut().filter_map(|taking| poll(taking)?.ok()));
    assert_eq!((held.len(), slots.level()), (4, (4, 2)));
    slots.follow(1, 10);
    for left in [3, 2, 1] {
        held.pop();
        assert_eq!(slots.level(), (left, 2), "none is handed on until there are few enough");
    }
    held.pop();
    assert_eq!(slots.level(), (1, 1));
    let mut last = waiting.iter_mut().skip(2).filter_map(|taking| poll(taking)?.ok()).collect::<Vec<_>>();
    assert_eq!(last.len(), 1);
    last.pop();
    assert_eq!(slots.level(), (1, 0));
}

fn turns(concurrency: usize, per_client: usize) -> TurnSettings {
    TurnSettings { concurrency, per_client, uploads: 0, queue: 10, queue_time: HOUR }
}

/// Logins whose shares are not the same.
const LOGINS: [Holder; 4] = [Holder(1), Holder(1 << 60), Holder(1 << 61), Holder(1 << 62)];

/// Who asks with a login of its own.
const fn login(client: u64, holder: Holder) -> Applicant {
    Applicant { holder: Some(holder), ..applicant(Class::Routine, client) }
}

fn patience(queue_time: Duration) -> Patience {
    Patience::new(crate::runtime::now(), queue_time)
}

/// Waits for a slot; the second is whether it went on beside its share.
async fn enter(lanes: &Lanes, applicant: Applicant, queue_time: Duration) -> (Result<Entry, NoSlot>, bool) {
    let mut beyond = false;
    let entered = lanes.enter(Lane::Calls, applicant, patience(queue_time), || beyond = true).await;
    (entered, beyond)
}

#[tokio::test]
async fn a_login_has_its_share_where_it_is_limited() {
    let lanes = Lanes::new(&turns(10, 2));
    let [flood, other, ..] = LOGINS.map(Some);
    let try_enter = |holder| lanes.try_enter(Lane::Calls, holder);
    let mut held = vec![try_enter(flood).unwrap(), try_enter(flood).unwrap()];
    assert!(try_enter(flood).is_none());
    assert_eq!(lanes.calls.level(), (2, 0), "what was refused took no slot");
    held.push(try_enter(None).unwrap());
    held.push(try_enter(other).unwrap());
    held.push(lanes.try_enter(Lane::Uploads, flood).unwrap());
    let mut waits = Box::pin(enter(&lanes, login(1, LOGINS[0]), HOUR));
    assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(lanes.queued(), 1);
    drop(held.remove(0));
    let (entered, beyond) = waits.await;
    held.push(entered.unwrap());
    assert!(!beyond && try_enter(flood).is_none());
    lanes.follow(&turns(10, 3));
    held.push(try_enter(flood).unwrap());
    assert!(try_enter(flood).is_none());
    lanes.follow(&turns(10, 0));
    held.push(try_enter(flood).unwrap());
    drop(held);
    assert_eq!((lanes.calls.level(), lanes.queued()), ((0, 0), 0));
}

#[tokio::test(start_paused = true)]
async fn a_share_costs_a_wait_and_never_a_refusal() {
    let begun = tokio::time::Instant::now();
    let lanes = Lanes::new(&turns(10, 1));
    let held = lanes.try_enter(Lane::Calls, Some(LOGINS[0])).unwrap();
    let (late, beyond) = enter(&lanes, login(1, LOGINS[0]), HOUR).await;
    assert!(late.is_ok() && beyond && begun.elapsed() >= HOUR / 2);
    // Its slot is one of the target's alone, and comes back there.
    assert_eq!((lanes.calls.level(), lanes.shares.of(LOGINS[0]).unwrap().level()), ((2, 0), (1, 0)));
    lanes.follow(&TurnSettings { queue: 0, ..turns(10, 1) });
    let (full, beyond) = enter(&lanes, login(1, LOGINS[0]), HOUR).await;
    assert!(full.is_ok() && beyond && begun.elapsed() < HOUR, "it waits for nothing where nobody may wait");
    drop((held, late, full));
    assert_eq!((lanes.calls.level(), lanes.shares.of(LOGINS[0]).unwrap().level()), ((0, 0), (0, 0)));
}

#[tokio::test]
async fn who_has_to_make_room_in_a_share_goes_on() {
    let lanes = Lanes::new(&TurnSettings { queue: 1, ..turns(10, 1) });
    let _held = lanes.try_enter(Lane::Calls, Some(LOGINS[0])).unwrap();
    let mut bulk = Box::pin(enter(&lanes, Applicant { class: Class::Bulk, ..login(1, LOGINS[0]) }, HOUR));
    assert!(bulk.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut routine = Box::pin(enter(&lanes, login(1, LOGINS[0]), HOUR));
    assert!(routine.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let (entered, beyond) = bulk.await;
    assert!(entered.is_ok() && beyond);
    assert_eq!((lanes.calls.level(), lanes.queued()), ((2, 0), 1));
}

#[tokio::test(start_paused = true)]
async fn share_and_slot_together_take_no_longer_than_the_queue_time() {
    let begun = tokio::time::Instant::now();
    let lanes = Lanes::new(&turns(1, 1));
    let held = lanes.try_enter(Lane::Calls, Some(LOGINS[0])).unwrap();
    let (late, beyond) = enter(&lanes, login(1, LOGINS[0]), HOUR).await;
    assert_eq!((late.unwrap_err(), beyond), (NoSlot::Late, true));
    let waited = begun.elapsed();
    assert!(waited >= HOUR && waited < HOUR * 5 / 4, "{waited:?}");
    let (late, beyond) = enter(&lanes, login(1, LOGINS[1]), HOUR).await;
    assert_eq!((late.unwrap_err(), beyond), (NoSlot::Late, false), "it has its share, and waits for the slot alone");
    drop(held);
    assert_eq!((lanes.calls.level(), lanes.queued()), ((0, 0), 0));
}

/// Who is served in which order, once `held` is given back.
async fn order(lanes: Lanes, held: Entry, applicants: &[(&'static str, Applicant)]) -> Vec<&'static str> {
    let (lanes, mut served) = (Arc::new(lanes), Vec::new());
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut waiting = tokio::task::JoinSet::new();
    for (number, (name, applicant)) in applicants.iter().copied().enumerate() {
        let (lanes, tell) = (Arc::clone(&lanes), tell.clone());
        let begun = Arc::clone(&lanes);
        waiting.spawn(async move {
            let (entered, _) = enter(&lanes, applicant, HOUR).await;
            tell.send(name).unwrap();
            drop(entered.unwrap());
        });
        // One after the other, so that they wait in this order.
        while begun.queued() <= number as u64 {
            tokio::task::yield_now().await;
        }
    }
    drop(held);
    for _ in applicants {
        served.push(told.recv().await.unwrap());
    }
    served
}

#[tokio::test]
async fn clients_that_meet_in_a_share_take_turns() {
    let lanes = Lanes::new(&turns(0, 1));
    let held = lanes.try_enter(Lane::Calls, Some(LOGINS[0])).unwrap();
    let [flood, other] = [1, 2].map(|client| login(client, LOGINS[0]));
    let served = order(lanes, held, &[("flood", flood), ("flood", flood), ("flood", flood), ("other", other)]).await;
    assert_eq!(served, ["flood", "other", "flood", "flood"]);
}

#[tokio::test]
async fn a_client_with_many_logins_has_one_turn_where_all_wait() {
    let lanes = Lanes::new(&turns(1, 1));
    let held = lanes.try_enter(Lane::Calls, None).unwrap();
    let [one, two, three, other] = LOGINS;
    let flood = [one, two, three].map(|holder| ("flood", login(1, holder)));
    let served = order(lanes, held, &[&flood[..], &[("other", login(2, other))]].concat()).await;
    assert_eq!(served, ["flood", "other", "flood", "flood"]);
}

proptest! {
    /// Any order of taking, polling, leaving and giving back: never too many slots, and every one comes back.
    #[test]
    fn slots_are_never_lost_and_never_too_many(
        steps in prop::collection::vec((0_u8..5, any::<prop::sample::Index>(), 0_usize..3, 0_u64..4), 1..200),
        max in 1_u32..4,
        queue_max in 0_usize..6,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let slots = Slots::new(max, queue_max);
        let (mut held, mut waiting) = (Vec::new(), Vec::<Taking>::new());
        for (step, which, class, client) in steps {
            match step {
                0 => held.extend(slots.try_take()),
                1 => waiting.push(take(&slots, Class::ALL[class], client)),
                2 if !held.is_empty() => drop(held.swap_remove(which.index(held.len()))),
                3 if !waiting.is_empty() => drop(waiting.swap_remove(which.index(waiting.len()))),
                4 if !waiting.is_empty() => {
                    let at = which.index(waiting.len());
                    if let Some(result) = poll(&mut waiting[at]) {
                        drop(waiting.swap_remove(at));
                        held.extend(result);
                    }
                }
                _ => {}
            }
            let (taken, queued) = slots.level();
            prop_assert!(held.len() as u64 <= taken && taken <= u64::from(max));
            prop_assert!(queued <= queue_max as u64 && queued == slots.queue().len() as u64);
            prop_assert!(queued == 0 || taken == u64::from(max), "nobody waits beside a free slot");
        }
        drop(held);
        // Everybody who still waits gets a slot in the end, one after the other.
        while let Some(mut taking) = waiting.pop() {
            if poll(&mut taking).is_none() {
                waiting.insert(0, taking);
            }
        }
        prop_assert_eq!(slots.level(), (0, 0));
    }
}

/// One worker's executor each, as in the proxy: a slot given back on one wakes a request on another.
#[test]
fn no_wake_up_is_lost_between_threads() {
    const THREADS: u64 = 4;
    const REQUESTS: u64 = 3_000;
    let slots = Slots::new(2, 1_000);
    let (running, served) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (slots, running, served) = (&slots, Arc::clone(&running), Arc::clone(&served));
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async move {
                    for number in 0..REQUESTS {
                        let class = Class::ALL[(number % 3) as usize];
                        let taking = slots.take(applicant(class, thread), Deadline::after(HOUR));
                        // Every fifth gives up at some point of its wait.
                        let slot = match number % 5 {
                            0 => {
                                let mut taking = std::pin::pin!(taking);
                                let mut polls = number % 3;
                                std::future::poll_fn(|cx| match taking.as_mut().poll(cx) {
                                    Poll::Ready(slot) => Poll::Ready(slot.ok()),
                                    Poll::Pending if polls == 0 => Poll::Ready(None),
                                    Poll::Pending => {
                                        polls -= 1;
                                        cx.waker().wake_by_ref();
                                        Poll::Pending
                                    }
                                })
                                .await
                            }
                            _ => Some(taking.await.unwrap()),
                        };
                        let Some(slot) = slot else { continue };
                        assert!(running.fetch_add(1, Ordering::SeqCst) < 2);
                        if number % 7 == 0 {
                            tokio::task::yield_now().await;
                        }
                        running.fetch_sub(1, Ordering::SeqCst);
                        served.fetch_add(1, Ordering::SeqCst);
                        drop(slot);
                    }
                });
            });
        }
    });
    assert!(served.load(Ordering::SeqCst) >= THREADS * REQUESTS * 4 / 5);
    assert_eq!(slots.level(), (0, 0));
}
