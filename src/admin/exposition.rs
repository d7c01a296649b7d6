//! Exposition: families as text that Prometheus and others read.
//!
//! Two formats: OpenMetrics 1.0 for whoever prefers it by its own word (`Accept`), Prometheus' text format 0.0.4
//! otherwise. They have the same series.
//! Source: OpenMetrics 1.0 (prometheus.io/docs/specs/om/open_metrics_spec), the exposition formats of Prometheus.

use crate::telemetry::{BOUNDS_MICROS, Durations, Family, FamilyKind, Sample, Value};
use http::HeaderMap;
use http::header::ACCEPT;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus' text format.
    Prometheus,
    /// OpenMetrics.
    OpenMetrics,
}

impl Format {
    /// The format that `headers` prefer.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let (mut open, mut plain) = (0, 0);
        let fields = headers.get_all(ACCEPT).iter().filter_map(|field| field.to_str().ok());
        for range in fields.flat_map(|field| field.split(',')) {
            let (kind, quality) = range_of(range);
            match kind.as_str() {
                "application/openmetrics-text" => open = open.max(quality),
                "text/plain" | "text/*" | "*/*" => plain = plain.max(quality),
                _ => {}
            }
        }
        if open > 0 && open >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// `families` as text.
    pub(super) fn write(self, families: &[Family]) -> String {
        let mut out = Text { format: self, out: String::with_capacity(64 * 1024) };
        families.iter().for_each(|family| out.family(family));
        if self == Self::OpenMetrics {
            out.out.push_str("# EOF\n");
        }
        out.out
    }
}

/// A media range in lower case and its quality in thousandths. A version that we do not write counts for nothing.
fn range_of(range: &str) -> (String, u32) {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let mut quality = 1_000;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let other = kind == "application/openmetrics-text" && value.trim_matches('"') != "1.0.0";
        match name.trim() {
            "q" => quality = thousandths(value),
            "version" if other => return (kind, 0),
            _ => {}
        }
    }
    (kind, quality)
}

/// `0.75` as 750. Source: RFC 9110 section 12.4.2.
fn thousandths(text: &str) -> u32 {
    let (whole, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let decimals = format!("{decimals:0<3}");
    let decimals = decimals.get(..3).and_then(|digits| digits.parse::<u32>().ok()).unwrap_or_default();
    (whole.parse::<u32>().unwrap_or_default() * 1_000 + decimals).min(1_000)
}

/// Text being written.
struct Text {
    format: Format,
    out: String,
}

impl Text {
    fn family(&mut self, family: &Family) {
        let base = self.base(family);
        let kind = match (family.kind, self.format) {
            (FamilyKind::Counter, _) => "counter",
            (FamilyKind::Info, Format::OpenMetrics) => "info",
            (FamilyKind::Gauge | FamilyKind::Info, _) => "gauge",
            (FamilyKind::Histogram, _) => "histogram",
            (FamilyKind::Summary, _) => "summary",
        };
        let _ = writeln!(self.out, "# HELP {base} {}", self.escaped_help(family.help));
        let _ = writeln!(self.out, "# TYPE {base} {kind}");
        let unit = ["seconds", "bytes"].into_iter().find(|unit| base.ends_with(unit));
        if let Some(unit) = unit.filter(|_| self.format == Format::OpenMetrics) {
            let _ = writeln!(self.out, "# UNIT {base} {unit}");
        }
        // A series that stood there twice would spoil the whole scrape.
        let mut seen = HashSet::new();
        for sample in family.samples.iter().filter(|sample| seen.insert(&sample.labels)) {
            self.sample(family, sample);
        }
    }

    /// The name of the family, which OpenMetrics has without the suffixes of its samples.
    fn base(&self, family: &Family) -> &'static str {
        let suffix = match (self.format, family.kind) {
            (Format::OpenMetrics, FamilyKind::Counter) => "_total",
            (Format::OpenMetrics, FamilyKind::Info) => "_info",
            _ => "",
        };
        family.name.strip_suffix(suffix).unwrap_or(family.name)
    }

    fn escaped_help(&self, help: &'static str) -> Cow<'static, str> {
        match self.format {
            Format::OpenMetrics if help.contains('"') => help.replace('"', "\\\"").into(),
            _ => help.into(),
        }
    }

    fn sample(&mut self, family: &Family, sample: &Sample) {
        match &sample.value {
            Value::Count(count) => self.line(family, sample, "", None, count),
            Value::Number(number) => self.line(family, sample, "", None, number),
            Value::Durations(durations) => self.durations(family, sample, durations),
        }
    }

    fn durations(&mut self, family: &Family, sample: &Sample, durations: &Durations) {
        if family.kind == FamilyKind::Histogram {
            let mut reached = 0;
            for (index, count) in durations.buckets.iter().enumerate() {
                reached += count;
                let bound = BOUNDS_MICROS.get(index).map_or_else(|| String::from("+Inf"), |micros| bound(*micros));
                self.line(family, sample, "_bucket", Some(&bound), reached);
            }
        }
        self.line(family, sample, "_count", None, durations.count());
        let (whole, rest) = (durations.sum_micros / 1_000_000, durations.sum_micros % 1_000_000);
        self.line(family, sample, "_sum", None, format_args!("{whole}.{rest:06}"));
    }

    fn line(
        &mut self,
        family: &Family,
        sample: &Sample,
        suffix: &str,
        bound: Option<&str>,
        value: impl std::fmt::Display,
    ) {
        self.out.push_str(family.name);
        self.out.push_str(suffix);
        let own = family.labels.iter().copied().zip(sample.labels.iter().map(AsRef::as_ref));
        let mut open = '{';
        for (name, value) in own.chain(bound.map(|bound| ("le", bound))) {
            self.out.push(open);
            self.out.push_str(name);
            self.out.push_str("=\"");
            self.label(value);
            self.out.push('"');
            open = ',';
        }
        if open == ',' {
            self.out.push('}');
        }
        // Writing into memory cannot fail.
        let _ = writeln!(self.out, " {value}");
    }

    fn label(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '\\' => self.out.push_str("\\\\"),
                '"' => self.out.push_str("\\\""),
                '\n' => self.out.push_str("\\n"),
                other => self.out.push(other),
            }
        }
    }
}

/// A bucket's end in seconds, as OpenMetrics wants it: `0.0025`, `1.0`.
fn bound(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let trimmed = text.trim_end_matches('0');
    if trimmed.ends_with('.') { format!("{trimmed}0") } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_format_is_the_preferred_one() {
        for (accept, format) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/html, */*", Format::Prometheus),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
            ("Application/OpenMetrics-Text;q=0.5,text/plain;q=0.6", Format::Prometheus),
            ("application/openmetrics-text;q=0", Format::Prometheus),
            ("application/openmetrics-text;version=0.0.1", Format::Prometheus),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;\
                 version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                Format::OpenMetrics,
            ),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Format::accepted(&headers), format, "{accept}");
        }
    }

    #[test]
    fn values_are_written_in_both_formats() {
        let mut counter = Family::new("x_bytes_total", FamilyKind::Counter, "A \"help\".", &["a"]);
        counter.add(["q\"\\\n".into()], Value::Count(3));
        counter.add(["q\"\\\n".into()], Value::Count(9));
        let mut buckets = [0; BOUNDS_MICROS.len() + 1];
        (buckets[0], buckets[15]) = (2, 1);
        let durations = Durations { buckets, sum_micros: 301_000_500 };
        let histogram =
            Family::single("x_seconds", FamilyKind::Histogram, "Waits.", Value::Durations(Box::new(durations)));
        let info = Family::single("x_info", FamilyKind::Info, "Says.", Value::Count(1));
        let families = [counter, histogram, info];
        let plain = Format::Prometheus.write(&families);
        let start = "# HELP x_bytes_total A \"help\".\n# TYPE x_bytes_total counter\nx_bytes_total{a=\"q\\\"\\\\\\n\"} 3\n\
                     # HELP x_seconds Waits.\n# TYPE x_seconds histogram\nx_seconds_bucket{le=\"0.001\"} 2\n\
                     x_seconds_bucket{le=\"0.0025\"} 2\n";
        assert!(plain.starts_with(start), "{plain}");
        let end = "x_seconds_bucket{le=\"300.0\"} 2\nx_seconds_bucket{le=\"+Inf\"} 3\nx_seconds_count 3\n\
                   x_seconds_sum 301.000500\n# HELP x_info Says.\n# TYPE x_info gauge\nx_info 1\n";
        assert!(plain.ends_with(end), "{plain}");
        let open = Format::OpenMetrics.write(&families);
        let start = "# HELP x_bytes A \\\"help\\\".\n# TYPE x_bytes counter\n# UNIT x_bytes bytes\nx_bytes_total{";
        assert!(open.starts_with(start), "{open}");
        assert!(open.contains("# TYPE x_seconds histogram\n# UNIT x_seconds seconds\n"), "{open}");
        assert!(open.ends_with("# HELP x Says.\n# TYPE x info\nx_info 1\n# EOF\n"), "{open}");
    }

    #[test]
    fn bounds_are_canonical() {
        let written = BOUNDS_MICROS.map(bound);
        assert_eq!(
            written.each_ref().map(String::as_str),
            [
                "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0",
                "60.0", "300.0"
            ]
        );
    }
}
