//! Which requests are downloads of files, and may be asked for in parts.

use super::detour::detour;
use crate::domain::names::ServiceName;
use http::Method;

/// Whether an answer to this request is a stored file: of the file server, or of the web server's own. Never an API
/// call: ClearML's GETs have effects, and the web server passes some paths on to the API server, however they are spelled.
#[must_use]
pub fn is_download(service: ServiceName, method: &Method, path: &str) -> bool {
    *method == Method::GET
        && match service {
            ServiceName::Files => true,
            ServiceName::App => !matches!(detour(path), Some((ServiceName::Api, _))),
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
            (ServiceName::App, Method::GET, "/assets/a%20b.js", true),
            (ServiceName::App, Method::GET, "/apix/main.js", false),
            (ServiceName::App, Method::GET, "/files/a.png", true),
            (ServiceName::App, Method::GET, "/api", false),
            (ServiceName::App, Method::GET, "/api/v2.23/queues.get_next_task", false),
            // Other spellings of the same.
            (ServiceName::App, Method::GET, "/%61pi/v2.23/queues.get_next_task", false),
            (ServiceName::App, Method::GET, "//api/v2.23/queues.get_next_task", false),
            (ServiceName::App, Method::GET, "/x/../api/v2.23/queues.get_next_task", false),
            (ServiceName::App, Method::GET, "/./api/v2.23/queues.get_next_task", false),
            (ServiceName::App, Method::GET, "/apix/api/v2.23/queues.get_next_task", false),
            (ServiceName::Api, Method::GET, "/v2.23/events.download_task_log", false),
        ] {
            assert_eq!(is_download(service, &method, path), expected, "{method} {path}");
        }
    }
}
