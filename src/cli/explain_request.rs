//! `clearway explain REQUEST-ID`: the way of one request that is over, as the running proxy remembers it.

use super::args::CallArgs;
use super::control::show;
use super::top::{as_float, bytes, millis};
use crate::admin::{ExplainedView, RequestView, service_title};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::process::ExitCode;

/// Columns of a timeline.
const WIDTH: usize = 40;
const COLUMNS: f64 = 40.0;

/// Asks the running proxy for the request with this id.
pub(super) fn explain(id: &str, args: &CallArgs) -> ExitCode {
    let path = format!("/requests/{}", utf8_percent_encode(id, NON_ALPHANUMERIC));
    show(args, &path, |view: ExplainedView| text(&view))
}

fn text(view: &ExplainedView) -> String {
    let ExplainedView { request, rule, choice } = view;
    let mut lines = vec![
        format!("{} {}{}", request.method, request.host, request.path),
        row("id", &request.id),
        row("came", &format!("{}, {} over {}", request.at, request.listener, request.protocol)),
        row("from", &sender(request)),
        row("rule", rule),
    ];
    if let Some(service) = &request.service {
        let action = request.action.as_ref().map(|action| format!(", {action}")).unwrap_or_default();
        lines.push(row("service", &format!("{service} (the {}){action}", service_title(service))));
    }
    match (&request.target, choice) {
        (Some(target), Some(choice)) => lines.push(row("target", &format!("{target}: {choice}"))),
        (Some(target), None) => lines.push(row("target", target)),
        (None, _) => lines.push(row("target", "none was asked")),
    }
    lines.push(row("answer", &answer(request)));
    let (taken, given) = (as_float(request.bytes_in), as_float(request.bytes_out));
    lines.push(row("bytes", &format!("{} in, {} out", bytes(taken), bytes(given))));
    lines.push(String::new());
    lines.extend(timeline(request));
    lines.join("\n")
}

fn row(name: &str, value: &str) -> String {
    format!("  {name:<8} {value}")
}

fn sender(request: &RequestView) -> String {
    let worker = request.worker.as_ref().map(|worker| format!(", worker {worker}")).unwrap_or_default();
    let program = request.client_version.as_ref().unwrap_or(&request.program);
    format!("{} ({program}){worker}", request.client)
}

fn answer(request: &RequestView) -> String {
    let explanation = request.explanation.as_deref();
    match (explanation, request.side.as_deref(), request.fault.as_deref()) {
        (Some(what), Some(side), Some(fault)) => format!("{}: {what} Fault of the {side} ({fault}).", request.status),
        (Some(what), ..) => format!("{}: {what}", request.status),
        _ if request.upgraded => format!("{}; it became a tunnel", request.status),
        _ => request.status.to_string(),
    }
}

/// One bar for each part of the time it took, where it lay.
fn timeline(request: &RequestView) -> Vec<String> {
    let total = request.total_ms.max(0.001);
    let parts = [("queue", request.queue_ms), ("connect", request.connect_ms), ("first byte", request.first_byte_ms)];
    let mut begun = 0.0;
    let mut lines = Vec::new();
    for (name, took) in parts {
        let Some(took) = took else { continue };
        lines.push(bar(name, begun, took, total));
        begun += took;
    }
    // What was before a target was asked, and the rest of the answer.
    let rest = (total - begun).max(0.0);
    lines.push(bar("the rest", begun.min(total), rest, total));
    lines.push(format!("  {:<11} {:<WIDTH$} {:>9}", "in all", "", millis(request.total_ms)));
    lines
}

fn bar(name: &str, begun: f64, took: f64, total: f64) -> String {
    let column =
        |at: f64| (0..WIDTH).zip(0_u32..).filter(|(_, place)| at / total * COLUMNS > f64::from(*place)).count();
    let (from, to) = (column(begun).min(WIDTH - 1), column(begun + took));
    let filled = to.saturating_sub(from).max(usize::from(took > 0.0));
    let bar = format!("{}{}", " ".repeat(from), "█".repeat(filled));
    format!("  {name:<11} {bar:<WIDTH$} {:>9}", millis(took))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RequestView {
        RequestView {
            id: String::from("abc"),
            method: String::from("GET"),
            host: String::from("api.x"),
            path: String::from("/v2.30/tasks.create"),
            service: Some(String::from("api")),
            action: Some(String::from("tasks.create")),
            status: 502,
            side: Some(String::from("target")),
            fault: Some(String::from("target_broke_off")),
            explanation: Some(String::from("It broke off (reset).")),
            client: String::from("10.0.0.1"),
            program: String::from("sdk"),
            worker: Some(String::from("w:0")),
            target: Some(String::from("h:1")),
            queue_ms: Some(25.0),
            connect_ms: Some(25.0),
            first_byte_ms: None,
            total_ms: 100.0,
            ..RequestView::default()
        }
    }

    #[test]
    fn a_request_is_told_with_its_reasons() {
        let view =
            ExplainedView { request: request(), rule: String::from("r"), choice: Some(String::from("the only one")) };
        let text = text(&view);
        for part in [
            "GET api.x/v2.30/tasks.create",
            "rule     r",
            "service  api (the API server), tasks.create",
            "target   h:1: the only one",
            "answer   502: It broke off (reset). Fault of the target (target_broke_off).",
            "from     10.0.0.1 (sdk), worker w:0",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn bars_lie_where_their_time_lay() {
        let lines = timeline(&request());
        let bars = lines.iter().map(|line| line.chars().filter(|char| *char == '█').count()).collect::<Vec<_>>();
        assert_eq!(bars, [10, 10, 20, 0], "{lines:#?}");
        let begins = |line: &str| line.chars().position(|char| char == '█').unwrap_or_default();
        assert_eq!(begins(&lines[1]) - begins(&lines[0]), 10);
        assert_eq!(begins(&lines[2]) - begins(&lines[0]), 20);
        let nothing = RequestView { total_ms: 0.0, ..RequestView::default() };
        assert_eq!(timeline(&nothing).len(), 2, "a request that was refused at once has a timeline too");
    }
}
