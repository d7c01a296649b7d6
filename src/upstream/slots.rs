//! Slots: how many requests a target works on at once, and who gets the next slot when all are taken.
//!
//! Owns: counting over all workers, the wait, handing a slot over. Leaves: the order to `domain::fair_queue`.
//! While nobody waits, taking and giving back are one atomic operation each. A slot that somebody waits for is handed
//! over and never free in between, so that nobody overtakes.
//! Limits: `services.*.concurrency`, `services.*.uploads`, `services.*.per_client`, `services.*.queue`,
//! `services.*.queue_time`.

mod shares;

use crate::domain::class::Class;
use crate::domain::fair_queue::{FairQueue, Spot};
use crate::domain::settings::TurnSettings;
use crate::runtime::Deadline;
pub use shares::Holder;
use shares::Shares;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Which of a target's slots a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Those for requests that are here as a whole.
    Calls,
    /// Those for requests whose body streams.
    Uploads,
}

/// Who waits for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// How soon it is served.
    pub class: Class,
    /// Who takes turns with others, as a hash.
    pub client: u64,
    /// Whose share it needs a place in, where that is limited.
    pub holder: Option<Holder>,
}

/// Until when a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For its holder's share.
    share: Deadline,
    /// For both, the share and the slot.
    all: Deadline,
}

impl Patience {
    /// Of a wait that began at `since` and may take `queue_time`: half of it goes to the share at most.
    #[must_use]
    pub fn new(since: Instant, queue_time: Duration) -> Self {
        Self { share: Deadline::at(since + queue_time / 2), all: Deadline::at(since + queue_time) }
    }
}

/// All slots of a target.
#[derive(Debug)]
pub(super) struct Lanes {
    calls: Arc<Slots>,
    uploads: Arc<Slots>,
    shares: Shares,
}

/// What a request has of a target's slots.
#[derive(Debug)]
#[must_use = "the slots are free again at once"]
pub(super) struct Entry {
    _slot: Slot,
    /// Of its holder's share, where that is limited and was not taken for too long.
    _share: Option<Slot>,
}

impl Lanes {
    pub(super) fn new(turns: &TurnSettings) -> Self {
        let slots = |most| Slots::new(most, turns.queue);
        let shares = Shares::new(most(turns.per_client), turns.queue);
        Self { calls: slots(most(turns.concurrency)), uploads: slots(most(turns.uploads)), shares }
    }

    /// Goes on by other settings.
    pub(super) fn follow(&self, turns: &TurnSettings) {
        self.calls.follow(most(turns.concurrency), turns.queue);
        self.uploads.follow(most(turns.uploads), turns.queue);
        self.shares.follow(most(turns.per_client), turns.queue);
    }

    /// A slot, where one is free and nobody waits for it; for calls also one of the share of `holder`.
    pub(super) fn try_enter(&self, lane: Lane, holder: Option<Holder>) -> Option<Entry> {
        let share = match self.share(lane, holder) {
            Some(share) => Some(share.try_take()?),
            None => None,
        };
        Some(Entry { _slot: self.get(lane).try_take()?, _share: share })
    }

    /// A slot, after a wait where none is free. A share is taken without refusing anybody: where there is no place in
    /// it in time, `beyond` hears of it, and the request goes on to the target's own slots.
    ///
    /// # Errors
    /// `NoSlot`, of the target's own slots.
    ///
    /// # Cancel safety
    /// The place in the queue is given up.
    pub(super) async fn enter(
        &self,
        lane: Lane,
        applicant: Applicant,
        patience: Patience,
        beyond: impl FnOnce(),
    ) -> Result<Entry, NoSlot> {
        let share = match self.share(lane, applicant.holder) {
            Some(share) => share.take(applicant, patience.share).await.inspect_err(|_| beyond()).ok(),
            None => None,
        };
        Ok(Entry { _slot: self.get(lane).take(applicant, patience.all).await?, _share: share })
    }

    /// What limits a holder beside the target's own slots.
    fn share(&self, lane: Lane, holder: Option<Holder>) -> Option<&Arc<Slots>> {
        holder.filter(|_| lane == Lane::Calls).and_then(|holder| self.shares.of(holder))
    }

    const fn get(&self, lane: Lane) -> &Arc<Slots> {
        match lane {
            Lane::Calls => &self.calls,
            Lane::Uploads => &self.uploads,
        }
    }

    /// Requests that wait for any of them.
    pub(super) fn queued(&self) -> u64 {
        self.calls.level().1 + self.uploads.level().1 + self.shares.queued()
    }
}

/// No limit: nothing is counted.
const NO_LIMIT: u32 = u32::MAX;

fn most(slots: usize) -> u32 {
    match slots {
        0 => NO_LIMIT,
        slots => u32::try_from(slots).unwrap_or(NO_LIMIT),
    }
}

/// The slots of one lane of a target.
#[derive(Debug)]
struct Slots {
    /// Slots taken, and above them in the upper half requests that wait: together, so that whoever gives a slot back
    /// sees who waits, and whoever begins to wait sees a slot that is free.
    count: AtomicU64,
    /// At most this many are taken.
    max: AtomicU32,
    /// At most this many wait.
    queue_max: AtomicUsize,
    /// Locked only where somebody waits, or would have to, and never over an await.
    queue: Mutex<FairQueue<oneshot::Sender<Slot>>>,
}

/// The right to have a target work on one request; given back, or handed on, when dropped.
#[derive(Debug)]
#[must_use = "the slot is free again at once"]
struct Slot(Option<Arc<Slots>>);

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSlot {
    /// As many requests wait as may, and this one has to go.
    Full,
    /// The deadline passed.
    Late,
}

const WAITING: u64 = 1 << 32;

const fn taken(count: u64) -> u64 {
    count % WAITING
}

const fn waiting(count: u64) -> u64 {
    count / WAITING
}

impl Slots {
    fn new(max: u32, queue_max: usize) -> Arc<Self> {
        Arc::new(Self {
            count: AtomicU64::new(0),
            max: AtomicU32::new(max),
            queue_max: AtomicUsize::new(queue_max),
            queue: Mutex::default(),
        })
    }

    /// Goes on with other limits; nobody loses a slot.
    fn follow(self: &Arc<Self>, max: u32, queue_max: usize) {
        {
            // Whoever begins to wait looks at the limit under this lock: before, and is seen below, or after.
            let _queue = self.queue();
            self.max.store(max, Ordering::SeqCst);
            self.queue_max.store(queue_max, Ordering::SeqCst);
        }
        self.fill();
    }

    /// Gives what became free by a larger limit to those who wait.
    fn fill(self: &Arc<Self>) {
        let more = |count| (waiting(count) > 0 && taken(count) < self.max()).then_some(count + 1);
        while self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok() {
            drop(Slot(Some(Arc::clone(self))));
        }
    }

    /// Requests that have a slot, and requests that wait for one.
    fn level(&self) -> (u64, u64) {
        let count = self.count.load(Ordering::SeqCst);
        (taken(count), waiting(count))
    }

    /// A slot, where one is free and nobody waits for it.
    fn try_take(self: &Arc<Self>) -> Option<Slot> {
        if self.max() == u64::from(NO_LIMIT) {
            return Some(Slot(None));
        }
        let free = |count| waiting(count) == 0 && taken(count) < self.max();
        let take = |count| free(count).then_some(count + 1);
        self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).ok()?;
        Some(Slot(Some(Arc::clone(self))))
    }

    /// A slot, after a wait where none is free.
    ///
    /// # Errors
    /// `NoSlot`.
    ///
    /// # Cancel safety
    /// The place in the queue is given up; a slot that was on its way goes to the next.
    async fn take(self: &Arc<Self>, applicant: Applicant, deadline: Deadline) -> Result<Slot, NoSlot> {
        let (give, mut receive) = oneshot::channel();
        let wait = match self.begin_wait(applicant, give) {
            Begun::Slot(slot) => return Ok(slot),
            Begun::Refused => return Err(NoSlot::Full),
            Begun::Waits(wait) => wait,
        };
        let given = deadline.bound(&mut receive).await;
        drop(wait);
        match given {
            Some(Ok(slot)) => Ok(slot),
            Some(Err(_)) => Err(NoSlot::Full),
            // It may have come in the very last moment.
            None => receive.try_recv().map_err(|_| NoSlot::Late),
        }
    }

    fn begin_wait(self: &Arc<Self>, applicant: Applicant, give: oneshot::Sender<Slot>) -> Begun {
        let (begun, gone) = {
            let mut queue = self.queue();
            // A slot, or one more who waits: nothing can happen between the look and the count.
            let max = self.max();
            let free = |count| waiting(count) == 0 && taken(count) < max;
            let enter = |count| Some(if free(count) { count + 1 } else { count + WAITING });
            let before = self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, enter).unwrap_or_default();
            if free(before) {
                return Begun::Slot(Slot(Some(Arc::clone(self))));
            }
            match queue.join(applicant.class, applicant.client, give, self.queue_max.load(Ordering::SeqCst)) {
                Ok((spot, gone)) => {
                    if gone.is_some() {
                        self.count.fetch_sub(WAITING, Ordering::SeqCst);
                    }
                    (Begun::Waits(Wait { slots: Arc::clone(self), spot }), gone)
                }
                Err(give) => {
                    self.count.fetch_sub(WAITING, Ordering::SeqCst);
                    (Begun::Refused, Some(give))
                }
            }
        };
        // Wakes who has to go; without the lock, because a waker may run anything.
        drop(gone);
        begun
    }

    /// Hands a slot to whoever is next; where nobody waits it is free.
    fn give_back(self: Arc<Self>) {
        let mut this = self;
        loop {
            // Also where the limit has become smaller.
            let unwanted = |count| (waiting(count) == 0 || taken(count) > this.max()).then(|| count - 1);
            if this.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, unwanted).is_ok() {
                // It may have become larger again meanwhile.
                return if waiting(this.count.load(Ordering::SeqCst)) > 0 {
                    this.fill()
                };
            }
            let Some(give) = this.next() else { continue };
            // Who waited may have left meanwhile; then on to the next.
            match give.send(Slot(Some(this))).map_err(|mut slot| slot.0.take()) {
                Err(Some(slots)) => this = slots,
                Ok(()) | Err(None) => return,
            }
        }
    }

    fn next(&self) -> Option<oneshot::Sender<Slot>> {
        let mut queue = self.queue();
        let next = queue.take_next()?;
        self.count.fetch_sub(WAITING, Ordering::SeqCst);
        Some(next)
    }

    fn max(&self) -> u64 {
        u64::from(self.max.load(Ordering::Relaxed))
    }

    fn queue(&self) -> MutexGuard<'_, FairQueue<oneshot::Sender<Slot>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Begun {
    Slot(Slot),
    Waits(Wait),
    Refused,
}

/// A place in the queue; given up when dropped.
struct Wait {
    slots: Arc<Slots>,
    spot: Spot,
}

impl Drop for Wait {
    fn drop(&mut self) {
        let left = {
            let mut queue = self.slots.queue();
            let left = queue.leave(self.spot);
            if left.is_some() {
                self.slots.count.fetch_sub(WAITING, Ordering::SeqCst);
            }
            left
        };
        drop(left);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(slots) = self.0.take() {
            slots.give_back();
        }
    }
}

#[cfg(test)]
mod tests;
