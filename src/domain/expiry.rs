//! When somebody is told that a certificate nears its end: each step once for each certificate.

use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Days before the end at which somebody is told.
pub const DAYS: [u64; 4] = [30, 14, 7, 1];

/// An alarm is raised from this step on.
const ALARM_DAYS: u64 = 14;

/// How a step is far enough from the begin of a life: one of 90 days is spoken of at 30, one of a week is not.
const SHARE: u32 = 3;

/// The same for certificates that are replaced by themselves when a third is left: then something is wrong.
const SHARE_REPLACED: u32 = 6;

/// The life of one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The certificate, by its fingerprint.
    pub id: [u8; 32],
    /// Its first moment.
    pub not_before: SystemTime,
    /// Its last moment.
    pub not_after: SystemTime,
    /// Whether it is replaced without anybody's help.
    pub replaced: bool,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Less than so many days are left.
    Within(u64),
    /// None is left.
    Over,
}

impl Ending {
    /// The steps of this life, with when each begins; the first one first.
    fn steps(&self) -> impl Iterator<Item = (SystemTime, Step)> {
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        let share = if self.replaced { SHARE_REPLACED } else { SHARE };
        let (most, end) = (life / share, self.not_after);
        let days = DAYS.into_iter().filter(move |days| DAY * u32::try_from(*days).unwrap_or(u32::MAX) <= most);
        let days = days.map(move |days| (end - Duration::from_secs(days * DAY.as_secs()), Step::Within(days)));
        days.chain([(end, Step::Over)])
    }

    /// Whether it is worth an alarm at `now`: whoever renews it should have done so by then.
    #[must_use]
    pub fn is_urgent(&self, now: SystemTime) -> bool {
        match self.step(now) {
            Some(Step::Within(days)) => days <= ALARM_DAYS,
            Some(Step::Over) => true,
            None => false,
        }
    }

    /// The last step that has begun at `now`.
    fn step(&self, now: SystemTime) -> Option<Step> {
        self.steps().take_while(|(at, _)| *at <= now).last().map(|(_, step)| step)
    }
}

/// What was said already. Bounded by the certificates in use.
#[derive(Clone, Debug, Default)]
pub struct Said(Vec<([u8; 32], Step)>);

impl Said {
    /// What is to be said of `endings` at `now`, by position; it counts as said from then on. Others are forgotten.
    pub fn news(&mut self, endings: &[Ending], now: SystemTime) -> Vec<(usize, Step)> {
        let mut kept = Vec::new();
        let mut news = Vec::new();
        for (position, ending) in endings.iter().enumerate() {
            let before = self.0.iter().chain(&kept).find(|(id, _)| *id == ending.id).map(|(_, step)| *step);
            let Some(step) = ending.step(now) else { continue };
            if before != Some(step) {
                news.push((position, step));
            }
            kept.retain(|(id, _)| *id != ending.id);
            kept.push((ending.id, step));
        }
        self.0 = kept;
        news
    }

    /// When there is something to say next, if nothing changes.
    #[must_use]
    pub fn next(endings: &[Ending], now: SystemTime) -> Option<SystemTime> {
        endings.iter().flat_map(Ending::steps).map(|(at, _)| at).filter(|at| *at > now).min()
    }
}

/// Whole days from `now` until `end`; negative behind it.
#[must_use]
pub fn days_left(now: SystemTime, end: SystemTime) -> i64 {
    let seconds = match end.duration_since(now) {
        Ok(left) => i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        Err(past) => -i64::try_from(past.duration().as_secs()).unwrap_or(i64::MAX),
    };
    seconds.div_euclid(DAY.as_secs().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn day(day: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(20_000 * DAY.as_secs() + day * DAY.as_secs())
    }

    fn ending(id: u8, life: u64, replaced: bool) -> Ending {
        Ending { id: [id; 32], not_before: day(0), not_after: day(life), replaced }
    }

    /// What is said over a whole life, looked at every hour: with the days that are left.
    fn said(endings: &[Ending], days: u64) -> Vec<(usize, Step, i64)> {
        let mut said = Said::default();
        let mut all = Vec::new();
        for hour in 0..=days * 24 {
            let now = day(0) + Duration::from_secs(hour * 3600);
            let news = said.news(endings, now).into_iter();
            all.extend(news.map(|(position, step)| (position, step, days_left(now, endings[position].not_after))));
        }
        all
    }

    #[test]
    fn each_step_is_said_once() {
        let steps = |life, replaced| said(&[ending(1, life, replaced)], life + 2);
        let within = |days: i64| (0, Step::Within(days.unsigned_abs()), days);
        let over = (0, Step::Over, 0);
        assert_eq!(steps(90, false), [within(30), within(14), within(7), within(1), over]);
        assert_eq!(steps(90, true), [within(14), within(7), within(1), over]);
        assert_eq!(steps(89, false), [within(14), within(7), within(1), over]);
        assert_eq!(steps(6, false), [within(1), over]);
        assert_eq!(steps(6, true), [within(1), over]);
        assert_eq!(steps(5, true), [over]);
        assert_eq!(steps(1, false), [over]);
    }

    #[test]
    fn a_late_start_says_the_latest_step_alone() {
        let mut memory = Said::default();
        let one = [ending(1, 90, false)];
        assert_eq!(memory.news(&one, day(84)), [(0, Step::Within(7))]);
        assert_eq!(memory.news(&one, day(84)), []);
        assert_eq!(memory.news(&one, day(95)), [(0, Step::Over)]);
    }

    #[test]
    fn certificates_are_told_apart_and_the_same_one_is_spoken_of_once() {
        let mut memory = Said::default();
        let both = [ending(1, 90, false), ending(2, 80, false), ending(1, 90, false)];
        assert_eq!(memory.news(&both, day(70)), [(0, Step::Within(30)), (1, Step::Within(14))]);
        // The order of a later configuration is another.
        let turned = [both[1], both[0]];
        assert_eq!(memory.news(&turned, day(70)), []);
        assert_eq!(memory.news(&turned, day(76)), [(0, Step::Within(7)), (1, Step::Within(14))]);
        assert_eq!(memory.news(&[ending(3, 90, false)], day(76)), [(0, Step::Within(14))]);
    }

    #[test]
    fn the_next_step_is_known() {
        let both = [ending(1, 90, false), ending(2, 80, false)];
        assert_eq!(Said::next(&both, day(0)), Some(day(60)));
        assert_eq!(Said::next(&both, day(60)), Some(day(66)));
        assert_eq!(Said::next(&both, day(66)), Some(day(73)));
        assert_eq!(Said::next(&both, day(90)), None);
        assert_eq!(Said::next(&[], day(0)), None);
    }

    #[test]
    fn days_are_whole_and_fall_below_zero() {
        let hour = Duration::from_secs(3600);
        for (end, days) in [(day(3), 3), (day(3) - hour, 2), (day(0) + hour, 0), (day(0), 0), (day(0) - hour, -1)] {
            assert_eq!(days_left(day(0), end), days);
        }
    }
}
