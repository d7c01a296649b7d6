//! Which of ClearML's services an answer is from.
//!
//! Source: clearml-server `apiserver/services/debug.py`, `fileserver/fileserver.py`, `docker/build/internal_files/
//! clearml.conf.template`; checked against server 2.3.0.

use crate::domain::names::ServiceName;
use http::StatusCode;
use serde_json::Value;

/// The service that answers like this, whatever it was asked; `None` where it could be anybody.
#[must_use]
pub fn recognise(status: StatusCode, body: &[u8]) -> Option<ServiceName> {
    let json = serde_json::from_slice::<Value>(body).ok();
    if let Some(json) = &json {
        let envelope = json.get("meta").and_then(|meta| meta.get("result_code")).is_some_and(Value::is_number);
        return match envelope {
            true => Some(ServiceName::Api),
            // Its version.json.
            false => (json.get("version").is_some() && status == StatusCode::OK).then_some(ServiceName::App),
        };
    }
    let text = String::from_utf8_lossy(body.get(..body.len().min(1024)).unwrap_or_default()).trim().to_owned();
    if status == StatusCode::OK && text == "OK" {
        return Some(ServiceName::Files);
    }
    let page = text.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("<!doctype"))
        || text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("<html"));
    // A page that names ClearML; error pages of proxies do not.
    let ours = status == StatusCode::OK && text.to_ascii_lowercase().contains("clearml");
    (page && ours).then_some(ServiceName::App)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_told_by_their_answers() {
        let page = "<!doctype html><html><head><title>ClearML</title>";
        for (status, body, service) in [
            (200, r#"{"meta":{"result_code":200},"data":{"msg":"ClearML server"}}"#, Some(ServiceName::Api)),
            (401, r#"{"meta":{"result_code":401}}"#, Some(ServiceName::Api)),
            (200, "OK", Some(ServiceName::Files)),
            (200, r#"{"version":"2.3.0"}"#, Some(ServiceName::App)),
            (200, page, Some(ServiceName::App)),
            (404, page, None),
            (200, "<html><title>Welcome to nginx!</title>", None),
            (502, "<html><title>502 Bad Gateway</title>", None),
            (200, "{}", None),
            (200, "", None),
            (401, "Unauthorized", None),
        ] {
            assert_eq!(recognise(StatusCode::from_u16(status).unwrap(), body.as_bytes()), service, "{body}");
        }
    }
}
