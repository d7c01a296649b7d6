//! Places: a limit that many share, and that may be changed while places are taken.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many at once; cheap to clone.
#[derive(Clone, Debug)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Arc<Semaphore>,
    size: Mutex<usize>,
    /// Places taken beyond a size that was lowered; they vanish when they are given back.
    owed: AtomicUsize,
}

/// One taken place; gives it back when dropped.
#[derive(Debug)]
pub struct Place {
    permit: Option<OwnedSemaphorePermit>,
    places: Places,
}

impl Places {
    /// `size` places, none taken.
    #[must_use]
    pub fn new(size: usize) -> Self {
        let size = size.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            free: Arc::new(Semaphore::new(size)),
            size: Mutex::new(size),
            owed: AtomicUsize::new(0),
        }))
    }

    /// Changes how many there are. Places that are taken stay so, also beyond a lower size.
    pub fn resize(&self, size: usize) {
        let size = size.min(Semaphore::MAX_PERMITS);
        let mut current = self.0.size.lock().unwrap_or_else(PoisonError::into_inner);
        let (more, fewer) = (size.saturating_sub(*current), current.saturating_sub(size));
        *current = size;
        // What vanishes anyway need not be added.
        let paid = self.pay(more);
        self.0.free.add_permits(more - paid);
        let vanished = self.0.free.forget_permits(fewer);
        self.0.owed.fetch_add(fewer - vanished, Ordering::AcqRel);
    }

    /// A place, if one is free.
    #[must_use]
    pub fn try_take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.0.free).try_acquire_owned().ok()?;
        Some(Place { permit: Some(permit), places: self.clone() })
    }

    /// A place, as soon as one is free; those who wait get theirs in the order they came.
    ///
    /// # Cancel safety
    /// Dropped, it loses its turn and nothing else.
    pub async fn take(&self) -> Place {
        // The semaphore is never closed; a place without a permit would only be one too many.
        let permit = Arc::clone(&self.0.free).acquire_owned().await.ok();
        Place { permit, places: self.clone() }
    }

    /// Lowers what is owed by at most `most`; returns by how much.
    fn pay(&self, most: usize) -> usize {
        let lower = |owed: usize| Some(owed - owed.min(most));
        let before = self.0.owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, lower);
        before.map_or(0, |owed| owed.min(most))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take()
            && self.places.pay(1) == 1
        {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(places: &Places) -> usize {
        std::iter::from_fn(|| places.try_take()).collect::<Vec<_>>().len()
    }

    #[test]
    fn a_size_may_change_while_places_are_taken() {
        let places = Places::new(3);
        let taken = [places.try_take().unwrap(), places.try_take().unwrap()];
        places.resize(5);
        assert_eq!(free(&places), 3, "two are taken");
        places.resize(1);
        assert_eq!(free(&places), 0, "one is taken too many");
        places.resize(2);
        assert_eq!(free(&places), 0, "both are taken");
        places.resize(1);
        let [first, second] = taken;
        drop(first);
        assert_eq!(free(&places), 0, "the second still holds the only place");
        drop(second);
        assert_eq!(free(&places), 1);
        places.resize(4);
        assert_eq!(free(&places), 4);
    }

    #[tokio::test]
    async fn whoever_waits_gets_a_place_that_a_larger_size_brings() {
        let places = Places::new(1);
        let _held = places.take().await;
        let waiting = places.take();
        places.resize(2);
        drop(waiting.await);
        assert_eq!(free(&places), 1);
    }
}
