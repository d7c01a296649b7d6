//! Group: the targets of one service, and which of them gets the next request.

use super::target::{Lease, Plan, Rank, Target, TargetView};
use super::waiting::{Held, Waiting};
use crate::domain::balance::{Load, Places, Turn, WEIGHT_UNIT, in_turn, least_of_two};
use crate::domain::names::ServiceName;
use crate::domain::settings::{Balance, HoldLimits, Settings, TargetSettings};
use crate::tls::ClientTls;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The targets of one service, in the order they were configured.
#[derive(Debug)]
pub struct Group {
    targets: Box<[Arc<Target>]>,
    roles: Box<[Role]>,
    /// By which the targets go on once this group is the one in use.
    plans: Box<[Arc<Plan>]>,
    balance: Balance,
    /// The clock of the turns.
    clock: AtomicU64,
    /// Where the sequence of random numbers stands.
    random: AtomicU64,
    waiting: Arc<Waiting>,
    limits: HoldLimits,
}

/// What a target is in this group.
#[derive(Debug)]
struct Role {
    weight: u32,
    backup: bool,
    turn: AtomicU64,
}

/// Whom a request may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Targets that are believed to be there.
    Believed,
    /// All of them.
    Anyone,
}

impl Group {
    /// The targets of `service`. Those that `previous` has too go on with what is known of them and what they run, and
    /// until `take_effect` by what it said.
    #[must_use]
    pub fn build(service: ServiceName, settings: &Settings, tls: Option<&ClientTls>, previous: Option<&Self>) -> Self {
        let own = settings.services.get(service);
        let waiting = previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.waiting));
        let plan = |target: &TargetSettings| Plan {
            service,
            health: settings.health.clone(),
            probe: own.probe.clone(),
            turns: own.turns.clone(),
            tls: tls.filter(|_| target.addr.tls).cloned(),
        };
        let earlier = |target: &TargetSettings| {
            let all = previous.map_or(&[][..], Self::targets);
            all.iter().find(|earlier| *earlier.addr() == target.addr).cloned()
        };
        let plans = own.targets.iter().map(|target| Arc::new(plan(target))).collect::<Box<[_]>>();
        let targets = own.targets.iter().zip(&plans).map(|(target, plan)| {
            let new = || Target::new(target.addr.clone(), Arc::clone(plan), Arc::clone(&waiting));
            earlier(target).unwrap_or_else(new)
        });
        Self {
            targets: targets.collect(),
            plans,
            roles: own.targets.iter().map(Role::new).collect(),
            balance: own.balance,
            clock: AtomicU64::new(0),
            random: AtomicU64::new(0),
            waiting,
            limits: settings.hold.clone(),
        }
    }

    /// From here on the targets are watched and spoken to as this group was built for.
    pub fn take_effect(&self) {
        self.targets.iter().zip(&self.plans).for_each(|(target, plan)| target.follow(Arc::clone(plan)));
    }

    /// Leases the best target that is not in `tried`: fit ones before doubtful ones, others before backups, and of
    /// these the one whose turn it is. `None` when there is none within `reach`.
    pub fn lease(&self, tried: Places, reach: Reach) -> Option<Lease> {
        if let [only] = &*self.targets {
            let allowed = only.rank() <= reach.worst() && !tried.has(0);
            return allowed.then(|| Lease::new(only, 0));
        }
        self.best(tried, (reach.worst(), true))
    }

    /// Leases another target that is not in `tried` and no worse than the `leased` one, which is busy: being busy makes
    /// no target unfit, and neither backups nor doubtful ones help out then.
    pub fn lease_beside(&self, leased: &Lease, tried: Places) -> Option<Lease> {
        let (target, role) = (self.targets.get(leased.place())?, self.roles.get(leased.place())?);
        self.best(tried, (target.rank(), role.backup))
    }

    /// Of the best class up to `worst`, the target whose turn it is.
    fn best(&self, tried: Places, worst: (Rank, bool)) -> Option<Lease> {
        let mut best = None;
        let mut places = Places::NONE;
        for (place, (target, role)) in self.targets.iter().zip(&self.roles).enumerate() {
            let class = (target.rank(), role.backup);
            if class > worst || tried.has(place) {
                continue;
            }
            if best.is_none_or(|best| class <= best) {
                places = if best == Some(class) { places.with(place) } else { Places::NONE.with(place) };
                best = Some(class);
            }
        }
        let place = self.choose(places)?;
        self.targets.get(place).map(|target| Lease::new(target, place))
    }

    /// Lets one request through to a target that seems gone, to see whether it is; `None` when that was done just now.
    pub fn trial(&self) -> Option<Lease> {
        let (place, target) = self.targets.iter().enumerate().find(|(_, target)| target.trial())?;
        Some(Lease::new(target, place))
    }

    /// Takes a place for a request that keeps `bytes` in memory and waits for a target; `None` when there is none.
    #[must_use]
    pub fn hold(&self, bytes: u64) -> Option<Held> {
        self.waiting.hold(bytes, &self.limits)
    }

    /// Asks the watchers of all targets to look at once.
    pub fn call(&self) {
        self.targets.iter().for_each(|target| target.call());
    }

    /// The targets.
    #[must_use]
    pub fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    /// Requests that wait for a target.
    #[must_use]
    pub fn held(&self) -> usize {
        self.waiting.count()
    }

    /// The targets as they are shown now, in the order they were configured.
    #[must_use]
    pub fn view(&self) -> Vec<TargetView> {
        self.targets.iter().map(|target| target.view()).collect()
    }

    fn choose(&self, places: Places) -> Option<usize> {
        match self.balance {
            Balance::LeastOutstanding => {
                let load = |place| Load { outstanding: self.outstanding(place), weight: self.weight(place) };
                least_of_two(places, load, self.random())
            }
            Balance::RoundRobin => {
                let turn = |place| Turn { at: self.turn(place), weight: self.weight(place) };
                let taken = in_turn(places, turn, self.clock.load(Ordering::Relaxed))?;
                // Two workers may take the same turn; the shares come right in the long run.
                self.clock.store(taken.clock, Ordering::Relaxed);
                if let Some(role) = self.roles.get(taken.place) {
                    role.turn.store(taken.next, Ordering::Relaxed);
                }
                Some(taken.place)
            }
        }
    }

    fn outstanding(&self, place: usize) -> usize {
        self.targets.get(place).map_or(usize::MAX, |target| target.outstanding())
    }

    fn weight(&self, place: usize) -> u32 {
        let weight = self.roles.get(place).map_or(0, |role| role.weight);
        weight * self.targets.get(place).map_or(WEIGHT_UNIT, |target| target.share())
    }

    fn turn(&self, place: usize) -> u64 {
        self.roles.get(place).map_or(0, |role| role.turn.load(Ordering::Relaxed))
    }

    /// The next of a sequence that is spread well: SplitMix64.
    fn random(&self) -> u64 {
        let state = self.random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl Role {
    fn new(target: &TargetSettings) -> Self {
        Self { weight: target.weight.get(), backup: target.backup, turn: AtomicU64::new(0) }
    }
}

impl Reach {
    const fn worst(self) -> Rank {
        match self {
            Self::Believed => Rank::Doubtful,
            Self::Anyone => Rank::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::addr::TargetAddr;
    use crate::domain::health::Sign;
    use crate::domain::settings::Domains;
    use std::num::{NonZeroU32, NonZeroUsize};

    fn settings(targets: &[(&str, u32, bool)]) -> Settings {
        let mut settings = Settings::public(Domains::Any, NonZeroUsize::MIN);
        let target = |(addr, weight, backup): &(&str, u32, bool)| TargetSettings {
            addr: TargetAddr::parse(addr).unwrap(),
            weight: NonZeroU32::new(*weight).unwrap(),
            backup: *backup,
        };
        settings.services.api.targets = targets.iter().map(target).collect();
        settings
    }

    fn group(targets: &[(&str, u32, bool)]) -> Group {
        Group::build(ServiceName::Api, &settings(targets), None, None)
    }

    fn refuse(group: &Group, place: usize) {
        group.targets()[place].see(Sign::Unaccepted(String::from("refused")));
    }

    fn bad(group: &Group, place: usize) {
        (0..3).for_each(|_| group.targets()[place].see(Sign::Bad(String::from("status 500"))));
    }

    fn chosen(group: &Group) -> Vec<usize> {
        let mut places = (0..40).filter_map(|_| Some(group.lease(Places::NONE, Reach::Believed)?.place()));
        let mut seen = places.by_ref().collect::<Vec<_>>();
        seen.sort_unstable();
        seen.dedup();
        seen
    }

    const EQUALS: [(&str, u32, bool); 2] = [("127.0.0.1:1", 1, false), ("127.0.0.1:2", 1, false)];

    #[test]
    fn leases_are_counted_and_given_back_on_drop() {
        let group = group(&EQUALS);
        let leases = (0..6).map(|_| group.lease(Places::NONE, Reach::Believed).unwrap()).collect::<Vec<_>>();
        assert!(group.targets().iter().all(|target| target.outstanding() == 3));
        drop(leases);
        assert!(group.targets().iter().all(|target| target.outstanding() == 0));
    }

    #[test]
    fn a_tried_target_is_not_chosen_again() {
        let group = group(&EQUALS);
        for _ in 0..4 {
            assert_eq!(group.lease(Places::NONE.with(0), Reach::Anyone).unwrap().place(), 1);
        }
        assert!(group.lease(Places::NONE.with(0).with(1), Reach::Anyone).is_none());
    }

    #[test]
    fn fit_targets_come_before_backups_and_those_before_doubtful_ones() {
        let group = group(&[("127.0.0.1:1", 1, false), ("127.0.0.1:2", 1, false), ("127.0.0.1:3", 1, true)]);
        assert_eq!(chosen(&group), [0, 1]);
        refuse(&group, 0);
        assert_eq!(chosen(&group), [1]);
        bad(&group, 1);
        assert_eq!(chosen(&group), [2]);
        bad(&group, 2);
        assert_eq!(chosen(&group), [1], "the last one is never given up");
        refuse(&group, 1);
        assert_eq!(chosen(&group), [2]);
        refuse(&group, 2);
        assert!(chosen(&group).is_empty(), "nobody is there: requests wait");
        assert!(group.lease(Places::NONE, Reach::Anyone).is_some());
        group.targets()[1].set_drained(true);
        group.targets()[1].see(Sign::Good);
        assert!(chosen(&group).is_empty());
        group.targets()[1].set_drained(false);
        assert_eq!(chosen(&group), [1]);
    }

    #[test]
    fn a_busy_target_sends_to_its_equals_only() {
        let group = group(&[("127.0.0.1:1", 1, false), ("127.0.0.1:2", 1, false), ("127.0.0.1:3", 1, true)]);
        let beside = |place: usize| {
            let others = (0..3).filter(|other| *other != place).fold(Places::NONE, Places::with);
            let busy = group.lease(others, Reach::Anyone).unwrap();
            group.lease_beside(&busy, Places::NONE.with(place)).map(|lease| lease.place())
        };
        assert_eq!((beside(0), beside(1)), (Some(1), Some(0)));
        bad(&group, 1);
        assert_eq!(beside(0), None, "neither the one that is down nor the backup");
        refuse(&group, 0);
        assert_eq!(beside(2), None, "nobody is as good as the backup now");
    }

    #[test]
    fn the_only_target_is_used_whatever_its_probes_say() {
        let group = group(&EQUALS[..1]);
        bad(&group, 0);
        assert_eq!((chosen(&group), group.view()[0].state), (vec![0], "down"));
        (0..20).for_each(|_| group.targets()[0].broke("reset"));
        assert_eq!(chosen(&group), [0]);
        refuse(&group, 0);
        assert!(chosen(&group).is_empty());
        group.targets()[0].answered();
        assert_eq!(chosen(&group), [0]);
    }

    #[test]
    fn turns_follow_the_weights() {
        let mut settings = settings(&[("127.0.0.1:1", 3, false), ("127.0.0.1:2", 1, false)]);
        settings.services.api.balance = Balance::RoundRobin;
        let group = Group::build(ServiceName::Api, &settings, None, None);
        let places = (0..40).map(|_| group.lease(Places::NONE, Reach::Believed).unwrap().place());
        assert_eq!(places.filter(|place| *place == 0).count(), 30);
    }

    #[test]
    fn a_target_of_the_next_configuration_is_the_same_where_its_address_is() {
        let old = group(&EQUALS);
        let running = old.lease(Places::NONE.with(0), Reach::Believed).unwrap();
        refuse(&old, 1);
        let next = settings(&[("127.0.0.1:3", 1, false), ("127.0.0.1:2", 5, true)]);
        let new = Group::build(ServiceName::Api, &next, None, Some(&old));
        assert!(Arc::ptr_eq(&old.targets()[1], &new.targets()[1]));
        assert_eq!((new.view()[1].state, new.view()[1].outstanding), ("unreachable", 1));
        assert_eq!(new.view()[0].state, "up");
        drop(running);
        assert_eq!(new.view()[1].outstanding, 0);
        let held = old.hold(10).unwrap();
        assert_eq!(new.held(), 1, "who waits with the old one is woken by the new one");
        drop(held);
    }
}
