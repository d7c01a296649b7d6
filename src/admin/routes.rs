//! Method and path to a command, outcome to JSON.

use super::command::{Command, Outcome};
use http::{Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Where everything is shown, as JSON.
pub(super) const FEED: &str = "/feed";

/// The same once a second, as server-sent events.
pub(super) const EVENTS: &str = "/feed/events";

/// Before a request's id.
pub(super) const REQUESTS: &str = "/requests/";

/// What a request asks for.
///
/// # Errors
/// Status and message for the one who asked.
pub(super) fn command(method: &Method, target: &Uri, body: &[u8]) -> Result<Command, (StatusCode, String)> {
    let path = target.path();
    if let ("GET", Some(shown)) = (method.as_str(), shown(target)) {
        return shown;
    }
    match (method.as_str(), path) {
        ("GET", "/status") => Ok(Command::Status),
        ("POST", "/reload") => Ok(Command::Reload),
        ("POST", "/drain") => parse(body).map(Command::Drain),
        ("POST", "/undrain") => parse(body).map(Command::Undrain),
        ("POST", "/maintenance") => parse(body).map(Command::Maintenance),
        ("POST", "/upgrade") => Ok(Command::Upgrade),
        (_, "/status" | "/reload" | "/drain" | "/undrain" | "/maintenance" | "/upgrade") => {
            Err((StatusCode::METHOD_NOT_ALLOWED, format!("{path} is no {method}")))
        }
        _ => Err((StatusCode::NOT_FOUND, format!("there is no {path}"))),
    }
}

/// What is shown at `target`, to be asked for with GET; `None` where nothing is.
pub(super) fn shown(target: &Uri) -> Option<Result<Command, (StatusCode, String)>> {
    if target.path() == FEED {
        return Some(after(target).map(Command::Feed));
    }
    let id = target.path().strip_prefix(REQUESTS)?;
    Some(Ok(Command::Explain(percent_decode_str(id).decode_utf8_lossy().into_owned())))
}

/// The number of `?after=`; everything without it.
fn after(target: &Uri) -> Result<u64, (StatusCode, String)> {
    let number = target.query().unwrap_or("after=0").strip_prefix("after=").and_then(|number| number.parse().ok());
    number.ok_or_else(|| (StatusCode::BAD_REQUEST, String::from("after= takes the number of a second")))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

/// Status and body that tell an outcome.
pub(super) fn answer(outcome: &Outcome) -> (StatusCode, Value) {
    let refused = StatusCode::CONFLICT;
    match outcome {
        Outcome::Status(view) => (StatusCode::OK, json!(view)),
        Outcome::Feed(view) => (StatusCode::OK, json!(view)),
        Outcome::Explained(view) => (StatusCode::OK, json!(view)),
        Outcome::Missing(why) => (StatusCode::NOT_FOUND, error(why)),
        Outcome::Reload(view) => (if view.ok { StatusCode::OK } else { refused }, json!(view)),
        Outcome::Upgrade(view) => (if view.ok { StatusCode::OK } else { refused }, json!(view)),
        Outcome::Done(what) => (StatusCode::OK, json!({ "ok": true, "done": what })),
        Outcome::Refused(why) => (refused, error(why)),
    }
}

/// The body of everything that went wrong.
pub(super) fn error(why: &str) -> Value {
    json!({ "ok": false, "error": why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{MaintenanceOrder, TargetOrder};

    #[test]
    fn paths_mean_commands() {
        let order = TargetOrder { service: "api".into(), target: Some("h:1".into()) };
        let maintenance = MaintenanceOrder { services: vec![], on: true, seconds: Some(5), reason: None };
        for (method, path, body, expected) in [
            ("GET", "/status", "", Ok(Command::Status)),
            ("POST", "/reload", "", Ok(Command::Reload)),
            ("POST", "/upgrade", "", Ok(Command::Upgrade)),
            ("POST", "/drain", "{\"service\":\"api\",\"target\":\"h:1\"}", Ok(Command::Drain(order.clone()))),
            ("POST", "/undrain", "{\"service\":\"api\",\"target\":\"h:1\"}", Ok(Command::Undrain(order))),
            (
                "POST",
                "/maintenance",
                "{\"services\":[],\"on\":true,\"seconds\":5}",
                Ok(Command::Maintenance(maintenance)),
            ),
            ("GET", "/feed", "", Ok(Command::Feed(0))),
            ("GET", "/feed?after=17", "", Ok(Command::Feed(17))),
            ("GET", "/feed?after=x", "", Err(400)),
            ("GET", "/requests/a%2Fb", "", Ok(Command::Explain("a/b".into()))),
            ("POST", "/feed", "", Err(404)),
            ("GET", "/reload", "", Err(405)),
            ("POST", "/drain", "", Err(400)),
            ("POST", "/drain", "{\"service\":\"api\",\"targets\":\"h:1\"}", Err(400)),
            ("GET", "/", "", Err(404)),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let got = command(&method, &path.parse().unwrap(), body.as_bytes()).map_err(|(status, _)| status.as_u16());
            assert_eq!(got, expected, "{method} {path} {body}");
        }
    }
}
