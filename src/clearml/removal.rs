//! Which requests remove stored files.
//!
//! The file server routes by Werkzeug: methods in any case, percent-encoding taken off, runs of slashes and `%2F` as
//! one slash. A refusal has to see through all of them, so it errs on the side of refusing: besides removal, the
//! server takes a POST only at `/`.
//!
//! Source: clearml-server `fileserver/fileserver.py`; Werkzeug `sansio/request.py`, `routing/map.py`.

use percent_encoding::percent_decode_str;

/// Whether the file server would remove files for a request with `method` for `path` (without the query).
#[must_use]
pub fn removes_files(method: &str, path: &str) -> bool {
    if method.eq_ignore_ascii_case("DELETE") {
        return true;
    }
    method.eq_ignore_ascii_case("POST") && (names_removal(path) || names_removal(&decoded(path)))
}

/// Decoded twice: something behind us may decode once more than the file server does.
fn decoded(path: &str) -> String {
    let once = percent_decode_str(path).decode_utf8_lossy().into_owned();
    percent_decode_str(&once).decode_utf8_lossy().into_owned()
}

fn names_removal(path: &str) -> bool {
    path.split(['/', '\\']).any(|segment| segment.trim().eq_ignore_ascii_case("delete_many"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removal_is_seen_in_every_spelling() {
        for (method, path) in [
            ("DELETE", "/a/b.bin"),
            ("DELETE", "/"),
            ("delete", "/a"),
            ("Delete", "/a"),
            ("POST", "/delete_many"),
            ("post", "/delete_many"),
            ("POST", "//delete_many"),
            ("POST", "/delete_many/"),
            ("POST", "/./delete_many"),
            ("POST", "/x/../delete_many"),
            ("POST", "/%64elete_many"),
            ("POST", "/delete%5Fmany"),
            ("POST", "/%2Fdelete_many"),
            ("POST", "/%2fdelete_many%2f"),
            ("POST", "/%2564elete_many"),
            ("POST", "/x%2F..%2Fdelete_many"),
            ("POST", "/Delete_Many"),
            ("POST", "/delete_many%20"),
            ("POST", "/delete_many%0A"),
        ] {
            assert!(removes_files(method, path), "{method} {path}");
        }
    }

    #[test]
    fn everything_else_is_no_removal() {
        for (method, path) in [
            ("POST", "/"),
            ("POST", "//"),
            ("POST", "/xdelete_many"),
            ("GET", "/delete_many"),
            ("HEAD", "/delete_many"),
            ("OPTIONS", "/delete_many"),
            ("GET", "/a/delete_many"),
            ("PUT", "/a"),
        ] {
            assert!(!removes_files(method, path), "{method} {path}");
        }
    }
}
