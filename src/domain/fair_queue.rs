//! Fair queue: who is next where requests wait for a target.
//!
//! Classes in their order, but none waits for ever; inside a class each client in turn, however many requests it has.
//! When the queue is full, the one who fills it makes room: the lowest class first, in it the client with the most.
//! Limits: the length that `join` is given; what is remembered of clients ends with their last waiting request.

use super::class::Class;
use std::collections::{HashMap, VecDeque};

/// How often in a row a class may be passed over while somebody waits in it.
const PASSED_OVER_MAX: u32 = 8;

/// Items that wait, by class and client.
#[derive(Debug)]
pub struct FairQueue<T> {
    lines: [Line<T>; Class::ALL.len()],
    length: usize,
    numbers: u64,
}

/// Those of one class.
#[derive(Debug)]
struct Line<T> {
    /// What each client has waiting, the oldest first. Nobody is here with nothing.
    clients: HashMap<u64, VecDeque<(u64, T)>>,
    /// The clients in the order of their turns.
    turns: VecDeque<u64>,
    passed_over: u32,
}

/// Where an item waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    class: Class,
    client: u64,
    number: u64,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { lines: Class::ALL.map(|_| Line::default()), length: 0, numbers: 0 }
    }
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { clients: HashMap::new(), turns: VecDeque::new(), passed_over: 0 }
    }
}

impl<T> FairQueue<T> {
    /// How many wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nobody waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Puts `item` of `client` behind the client's others. In a queue that holds `max` already another one may have to
    /// go, which is returned.
    ///
    /// # Errors
    /// The item itself, when it is the one that has to go.
    pub fn join(&mut self, class: Class, client: u64, item: T, max: usize) -> Result<(Spot, Option<T>), T> {
        let gone = if self.length < max {
            None
        } else {
            match self.make_room(class, client) {
                Some(gone) => Some(gone),
                None => return Err(item),
            }
        };
        self.numbers += 1;
        let spot = Spot { class, client, number: self.numbers };
        let line = self.line(class);
        let waiting = line.clients.entry(client).or_default();
        if waiting.is_empty() {
            line.turns.push_back(client);
        }
        waiting.push_back((spot.number, item));
        self.length += 1;
        Ok((spot, gone))
    }

    /// Takes out the newest item of the client that has most in the lowest class, where that is fairer than to refuse a
    /// new one of `client`.
    fn make_room(&mut self, class: Class, client: u64) -> Option<T> {
        let (lowest, line) = Class::ALL.into_iter().zip(&self.lines).rev().find(|(_, line)| !line.turns.is_empty())?;
        let (busiest, most) =
            line.clients.iter().map(|(client, waiting)| (*client, waiting.len())).max_by_key(|at| at.1)?;
        let own = line.clients.get(&client).map_or(0, VecDeque::len);
        let fairer = class < lowest || (class == lowest && most > own + 1);
        if !fairer {
            return None;
        }
        let number = line.clients.get(&busiest)?.back()?.0;
        self.leave(Spot { class: lowest, client: busiest, number })
    }

    /// Takes an item out before its turn; `None` when it is not there any more.
    pub fn leave(&mut self, spot: Spot) -> Option<T> {
        let line = self.line(spot.class);
        let waiting = line.clients.get_mut(&spot.client)?;
        let at = waiting.iter().position(|(number, _)| *number == spot.number)?;
        let item = waiting.remove(at)?.1;
        if waiting.is_empty() {
            line.clients.remove(&spot.client);
            line.turns.retain(|client| *client != spot.client);
        }
        self.length -= 1;
        Some(item)
    }

    /// The item whose turn it is.
    pub fn take_next(&mut self) -> Option<T> {
        let class = self.next_class()?;
        for (lower, line) in Class::ALL.into_iter().zip(&mut self.lines) {
            if lower == class || line.turns.is_empty() {
                line.passed_over = 0;
            } else if lower > class {
                line.passed_over += 1;
            }
        }
        let line = self.line(class);
        let client = line.turns.pop_front()?;
        let waiting = line.clients.get_mut(&client)?;
        let item = waiting.pop_front()?.1;
        if waiting.is_empty() {
            line.clients.remove(&client);
        } else {
            line.turns.push_back(client);
        }
        self.length -= 1;
        Some(item)
    }

    /// The first class that was passed over too often, else the first in which somebody waits.
    fn next_class(&self) -> Option<Class> {
        let mut waiting = Class::ALL.into_iter().zip(&self.lines).filter(|(_, line)| !line.turns.is_empty());
        let starved = waiting.clone().find(|(_, line)| line.passed_over >= PASSED_OVER_MAX);
        starved.or_else(|| waiting.next()).map(|(class, _)| class)
    }

    fn line(&mut self, class: Class) -> &mut Line<T> {
        let [interactive, routine, bulk] = &mut self.lines;
        match class {
            Class::Interactive => interactive,
            Class::Routine => routine,
            Class::Bulk => bulk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Class::{Bulk, Interactive, Routine};
    use proptest::prelude::*;

    const ROOM: usize = 1_000;

    fn queue(items: &[(Class, u64, u32)]) -> FairQueue<u32> {
        let mut queue = FairQueue::default();
        for (class, client, item) in items {
            assert!(matches!(queue.join(*class, *client, *item, ROOM), Ok((_, None))));
        }
        queue
    }

    fn drained(mut queue: FairQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.take_next()).collect()
    }

    #[test]
    fn people_come_before_programs_and_those_before_bulk() {
        let order =
            drained(queue(&[(Bulk, 1, 5), (Routine, 1, 3), (Interactive, 1, 1), (Routine, 1, 4), (Interactive, 2, 2)]));
        assert_eq!(order, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn each_client_has_its_turn_however_much_one_asks() {
        let flood = (0..100).map(|item| (Routine, 1, item));
        let order = drained(queue(
            &flood.chain([(Routine, 2, 1_000), (Routine, 3, 1_001), (Routine, 2, 1_002)]).collect::<Vec<_>>(),
        ));
        assert_eq!(order[..6], [0, 1_000, 1_001, 1, 1_002, 2]);
    }

    #[test]
    fn no_class_waits_for_ever() {
        let people = (0..200).map(|item| (Interactive, u64::from(item), item));
        let programs = (1_000..1_200).map(|item| (Routine, 7, item));
        let mut queue = queue(&people.chain(programs).chain([(Bulk, 9, 5_000)]).collect::<Vec<_>>());
        let order = (0..100).map(|_| queue.take_next().unwrap()).collect::<Vec<_>>();
        let longest = order.split(|item| (1_000..1_200).contains(item)).map(<[u32]>::len).max();
        assert!(longest <= Some(PASSED_OVER_MAX as usize + 1), "{order:?}");
        assert!(order.iter().position(|item| *item == 5_000) <= Some(PASSED_OVER_MAX as usize + 1), "{order:?}");
    }

    #[test]
    fn who_fills_a_full_queue_makes_room() {
        let full = || queue(&[(Routine, 1, 1), (Routine, 1, 2), (Routine, 1, 3), (Routine, 2, 4)]);
        assert_eq!(full().join(Routine, 1, 9, 4).unwrap_err(), 9, "the busiest itself");
        assert_eq!(full().join(Bulk, 3, 9, 4).unwrap_err(), 9, "a lower class");
        assert_eq!(full().join(Routine, 3, 9, 4).unwrap().1, Some(3), "the newest of the busiest");
        assert_eq!(full().join(Routine, 2, 9, 4).unwrap().1, Some(3));
        assert_eq!(full().join(Interactive, 1, 9, 4).unwrap().1, Some(3), "a person behind the same address");
        let even = || queue(&[(Routine, 1, 1), (Routine, 2, 2)]);
        assert_eq!(even().join(Routine, 3, 9, 2).unwrap_err(), 9, "nobody has more than the new one would");
        assert_eq!(even().join(Routine, 3, 9, 0).unwrap_err(), 9);
        assert_eq!(FairQueue::default().join(Interactive, 1, 9, 0).unwrap_err(), 9, "no room at all");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_length_is_true(
            steps in prop::collection::vec((0_u8..4, 0_usize..3, 0_u64..5, any::<prop::sample::Index>()), 0..300),
            max in 0_usize..20,
        ) {
            let mut queue = FairQueue::default();
            let mut inside = HashMap::new();
            for (number, (step, class, client, which)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => match queue.join(Class::ALL[class], client, number, max) {
                        Ok((spot, gone)) => {
                            inside.insert(number, spot);
                            prop_assert!(gone.is_none_or(|gone| inside.remove(&gone).is_some()));
                        }
                        Err(refused) => prop_assert_eq!((refused, queue.len()), (number, max)),
                    },
                    2 => match queue.take_next() {
                        Some(item) => prop_assert!(inside.remove(&item).is_some()),
                        None => prop_assert!(inside.is_empty()),
                    },
                    _ if inside.is_empty() => {}
                    _ => {
                        let mut items = inside.keys().copied().collect::<Vec<_>>();
                        items.sort_unstable();
                        let item = items[which.index(items.len())];
                        let spot = inside.remove(&item).unwrap();
                        prop_assert_eq!(queue.leave(spot), Some(item));
                        prop_assert_eq!(queue.leave(spot), None);
                    }
                }
                prop_assert_eq!(queue.len(), inside.len());
                prop_assert!(queue.len() <= max);
            }
            while let Some(item) = queue.take_next() {
                prop_assert!(inside.remove(&item).is_some());
            }
            prop_assert!(inside.is_empty() && queue.is_empty());
            prop_assert!(queue.lines.iter().all(|line| line.clients.is_empty() && line.turns.is_empty()));
        }
    }
}
