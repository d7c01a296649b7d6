//! ClearML's own `apiserver.conf`: the cookie's section is added where it has to be, and nothing else is touched.

use crate::clearml::{cookie_domain, cookie_reaches, cookie_section};
use crate::config::{Environment, read_server_conf};
use crate::domain::entrance::Entrance;
use crate::domain::names::ServiceName;
use std::path::Path;

/// The file as it should be; `None` where it may stay: no domain is asked for, and none stands there that does not
/// reach all hosts, which the proxy would leave alone.
pub(super) fn apiserver(asked: bool, file: &Path, entrance: &Entrance<'_>) -> Result<Option<String>, String> {
    let Some(domain) = cookie_domain(entrance) else { return Ok(None) };
    let before = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("error: {}: {error}", file.display())),
    };
    let fits = |domains: &Vec<String>| {
        let reaches =
            |domain: &String| ServiceName::ALL.iter().all(|service| cookie_reaches(domain, &entrance.host(*service)));
        domains.iter().any(reaches)
    };
    let needed = domains_in(file).map_or(asked, |domains| !fits(&domains));
    if !needed {
        return Ok(None);
    }
    let section =
        format!("# The login cookie is for all hosts of Clearway and for https only.\n{}", cookie_section(&domain));
    match added(&before, &section) {
        Some(text) if sets(&text, &domain)? => Ok(Some(text)),
        Some(_) | None => Err(format!(
            "error: {}: the section for the login cookie cannot be added to it\nhint: put it there by hand, and run \
             this again:\n{}",
            file.display(),
            cookie_section(&domain)
        )),
    }
}

fn domains_in(file: &Path) -> Option<Vec<String>> {
    read_server_conf(Some(file), &Environment::default())?.cookie_domain.map(|(domains, _)| domains)
}

/// Whether `text` is read as setting exactly this domain.
fn sets(text: &str, domain: &str) -> Result<bool, String> {
    let failed = |error: std::io::Error| format!("error: {error}");
    let scratch = tempfile::tempdir().map_err(failed)?;
    let file = scratch.path().join("apiserver.conf");
    std::fs::write(&file, text).map_err(failed)?;
    Ok(domains_in(&file).is_some_and(|domains| domains == [format!(".{domain}")]))
}

/// `section` behind `text`, or before its last brace where braces stand around all of it; nothing may follow those.
fn added(text: &str, section: &str) -> Option<String> {
    let says = |line: &&str| !line.trim().is_empty() && !is_comment(line);
    if !text.lines().find(says).is_some_and(|line| line.trim_start().starts_with('{')) {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return Some(format!("{text}{gap}{section}"));
    }
    let last = text.split_inclusive('\n').rev().scan(text.len(), |end, line| {
        let at = *end - line.len();
        *end = at;
        Some((at, line))
    });
    let (at, line) = last.into_iter().find(|(_, line)| says(line))?;
    let (head, tail) = text.split_at_checked(at + line.rfind('}')?)?;
    let gap = if head.is_empty() || head.ends_with('\n') { "" } else { "\n" };
    Some(format!("{head}{gap}{section}{tail}"))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#') || line.trim_start().starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_added_where_it_is_read() {
        let section = cookie_section("x.test");
        for (text, begins, ends) in [
            ("", "auth {", "}\n"),
            ("a: 1", "a: 1\nauth {", "}\n"),
            ("a: 1\n", "a: 1\nauth {", "}\n"),
            ("{ a: 1 }", "{ a: 1 \nauth {", "}\n}"),
            ("# here\n{\n  a: { b: 1 }\n}\n# the end }\n", "# here\n{\n  a: { b: 1 }\nauth {", "}\n}\n# the end }\n"),
        ] {
            let added = added(text, &section).unwrap();
            assert!(added.starts_with(begins) && added.ends_with(ends), "{text}: {added}");
            assert!(sets(&added, "x.test").unwrap(), "{added}");
        }
        let unclear = added("{ a: 1 } # }", &section).unwrap();
        assert!(!sets(&unclear, "x.test").unwrap(), "what is not read is seen: {unclear}");
    }
}
