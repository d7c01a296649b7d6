//! Which requests are downloads of files, and may be asked for in parts.

use crate::domain::names::ServiceName;
use http::Method;

/// Whether an answer to this request is a stored file: of the file server, or of the web server's own. Never an API
/// call: ClearML's GETs have effects. The web server passes `/api/` on to the API server.
#[must_use]
pub fn is_download(service: ServiceName, method: &Method, path: &str) -> bool {
    let below = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    *method == Method::GET
        && match service {
            ServiceName::Files => true,
            ServiceName::App => !below("/api") && !path.contains("/../") && !path.contains('%') && !path.contains("//"),
            ServiceName::Api => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_downloads_and_api_calls_are_not() {
        for (service, method, path, expected) in [
            (ServiceName::Files, Method::GET, "/project/task.1/models/model.bin", true),
            (ServiceName::Files, Method::GET, "/a%20b", true),
            (ServiceName::Files, Method::HEAD, "/a", false),
            (ServiceName::Files, Method::POST, "/", false),
            (ServiceName::App, Method::GET, "/main.js", true),
            (ServiceName::App, Method::GET, "/apix/main.js", true),
            (ServiceName::App, Method::GET, "/files/a.png", true),
            (ServiceName::App, Method::GET, "/api", false),
            (ServiceName::App, Method::GET, "/api/v2.23/queues.get_next_task", false),
            // Other spellings of the same.
            (ServiceName::App, Method::GET, "/%61pi/v2.23/queues.get_next_task", false),
            (ServiceName::App, Method::GET, "//api/v2.23/queues.get_next_task", false),
            (ServiceName::App, Method::GET, "/x/../api/v2.23/queues.get_next_task", false),
            (ServiceName::Api, Method::GET, "/v2.23/events.download_task_log", false),
        ] {
            assert_eq!(is_download(service, &method, path), expected, "{method} {path}");
        }
    }
}
