//! Numbers as people read them.

/// Near enough for a screen.
pub(in super::super) fn as_float(count: u64) -> f64 {
    let small = |count: u64| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    small(count >> 32) * 4_294_967_296.0 + small(count & 0xffff_ffff)
}

/// Bytes in their unit.
pub(in super::super) fn bytes(count: f64) -> String {
    let mut value = count;
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for next in units {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    if unit == "B" || value >= 100.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// Milliseconds in their unit.
pub(in super::super) fn millis(value: f64) -> String {
    match value {
        _ if value >= 60_000.0 => format!("{:.0} min", value / 60_000.0),
        _ if value >= 10_000.0 => format!("{:.0} s", value / 1_000.0),
        _ if value >= 1_000.0 => format!("{:.1} s", value / 1_000.0),
        _ if value >= 10.0 => format!("{value:.0} ms"),
        _ => format!("{value:.1} ms"),
    }
}

/// A number a second.
pub(super) fn rate(value: f64) -> String {
    if value >= 100.0 || value == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// The clock time in a timestamp of the feed; all of it where it is none.
pub(super) fn time_of_day(timestamp: &str) -> &str {
    timestamp.get(11..19).unwrap_or(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_fit_their_numbers() {
        for (count, text) in
            [(0.0, "0 B"), (1023.0, "1023 B"), (1536.0, "1.5 KiB"), (5e12, "4.5 TiB"), (5e15, "4547 TiB")]
        {
            assert_eq!(bytes(count), text);
        }
        for (value, text) in
            [(0.25, "0.2 ms"), (42.4, "42 ms"), (1_500.0, "1.5 s"), (12_000.0, "12 s"), (120_000.0, "2 min")]
        {
            assert_eq!(millis(value), text);
        }
        assert_eq!((rate(0.0), rate(3.26), rate(150.4)), ("0".into(), "3.3".into(), "150".into()));
        assert_eq!((time_of_day("2026-11-27T04:05:06Z"), time_of_day("x")), ("04:05:06", "x"));
    }
}
