//! `clearway explain URL`: where a request would go and why, from the configuration alone.

use super::args::ExplainArgs;
use super::check::loaded;
use super::output;
use crate::config::Environment;
use crate::domain::entrance::Entrance;
use crate::domain::facts::ListenerKind;
use crate::domain::names::{Authority, ServiceName};
use crate::domain::route::Route;
use crate::domain::settings::Settings;
use crate::request::{Check, End, Imagined, Preview, Said, preview};
use http::header::{COOKIE, HeaderMap, ORIGIN};
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use std::process::ExitCode;

/// A URL taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts<'a> {
    secure: bool,
    host: &'a str,
    port: u16,
    target: &'a str,
}

/// Loads the configuration and explains.
pub(super) fn explain(args: &ExplainArgs) -> Result<ExitCode, String> {
    let parts = parse(&args.what).ok_or_else(|| {
        format!("error: {} is no URL\nhint: give it whole, as in https://api.clearml.example.com/debug.ping", args.what)
    })?;
    let method = args.method.to_ascii_uppercase();
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("error: {method:?} is no method"))?;
    let mut headers = headers(&args.header)?;
    let environment = Environment::of_process();
    let Some(loaded) = loaded(&args.source, &environment) else { return Ok(ExitCode::FAILURE) };
    let settings = &loaded.settings;
    if let Some(origin) = &args.origin {
        sign_in(&mut headers, origin, settings)?;
    }
    let heard = listener(settings, parts);
    let (kind, host, has_body, target) = (heard.unwrap_or(ListenerKind::Https), parts.host, args.body, parts.target);
    let client = args.client;
    let imagined = Imagined { listener: kind, method: &method, has_body, host, target, headers: &headers, client };
    let seen = preview(settings, &imagined);
    if args.json {
        output::data(&as_json(settings, heard, &seen).to_string());
    } else {
        let request = format!("{method} {}{}", args.what, if has_body { " with a body" } else { "" });
        output::data(&as_text(settings, &request, (heard, parts.port), &seen));
    }
    Ok(if heard.is_some() && !matches!(seen.end, End::Refused(..)) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `scheme://host[:port][/path]`.
fn parse(text: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    let secure = match scheme {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let authority = Authority::parse(authority).ok().filter(|authority| !authority.host.is_empty())?;
    let port = authority.port.unwrap_or(if secure { 443 } else { 80 });
    let target = target.split('#').next().filter(|target| target.starts_with('/')).unwrap_or("/");
    Some(Parts { secure, host: authority.host, port, target })
}

fn headers(given: &[String]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for line in given {
        let wrong = || format!("error: --header {line}: expected NAME: VALUE");
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name = http::HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
        headers.append(name, value.trim().parse().map_err(|_| wrong())?);
    }
    Ok(headers)
}

/// What the browser of somebody who is signed in adds for a page of `origin`, unless it was given.
fn sign_in(headers: &mut HeaderMap, origin: &str, settings: &Settings) -> Result<(), String> {
    let wrong = |_| format!("error: --origin {origin}: expected an origin, such as https://wiki.example.com");
    let origin = HeaderValue::from_str(origin).map_err(wrong)?;
    headers.entry(ORIGIN).or_insert(origin);
    let cookie = settings.protection.token_gate.cookies.first().map_or("clearml_token_basic", String::as_str);
    if let Ok(cookie) = HeaderValue::from_str(&format!("{cookie}=some.login.token")) {
        headers.entry(COOKIE).or_insert(cookie);
    }
    Ok(())
}

/// Who would hear it; `None` where nobody listens.
fn listener(settings: &Settings, parts: Parts<'_>) -> Option<ListenerKind> {
    let legacy = settings.legacy.iter().find_map(|(service, binds)| {
        binds.iter().any(|bind| bind.socket_addr().port() == parts.port).then_some(ListenerKind::Legacy(service))
    });
    let of = |listener: &crate::domain::settings::ListenerSettings| {
        let bound = listener.bind.iter().map(|bind| bind.socket_addr().port());
        listener.enabled
            && listener
                .public_port
                .map_or_else(|| bound.clone().any(|port| port == parts.port), |port| port == parts.port)
    };
    legacy.or_else(|| match parts.secure {
        true => of(&settings.https).then_some(ListenerKind::Https),
        false => of(&settings.http).then_some(ListenerKind::Http),
    })
}

fn as_text(settings: &Settings, request: &str, heard: (Option<ListenerKind>, u16), seen: &Preview<'_>) -> String {
    let mut lines = vec![format!("request:   {request}")];
    lines.push(match heard {
        (Some(listener), _) => format!("listener:  {}", listener.as_str()),
        (None, port) => {
            format!("listener:  none: nobody listens for this on port {port}; what follows is for the https port")
        }
    });
    lines.push(format!("route:     {}", way(seen)));
    if let Some(route) = seen.route {
        lines.push(format!("service:   {}", route.service));
        lines.extend(seen.action.map(|action| format!("action:    {}", action.name())));
        lines.push(format!("gets:      {}", seen.target));
        let service = settings.services.get(route.service);
        let targets = service.targets.iter().map(ToString::to_string).collect::<Vec<_>>();
        lines.push(format!("targets:   {}", targets.join(", ")));
        lines.extend(service.max_body.map(|limit| format!("limit:     bodies up to {limit}; more is answered 413")));
    }
    lines.extend(seen.detour.map(|service| {
        format!("note:      the web server passes it on to {service}; the rules for {service} apply to it here as well")
    }));
    lines.extend(
        seen.checks.iter().map(|Check { rule, said, why }| format!("check:     {rule} {}: {why}", verdict(*said))),
    );
    lines.push(match &seen.end {
        End::Forwarded => {
            String::from("end:       forwarded, with X-Forwarded-For, -Proto, -Host, -Port and X-Real-IP of our own")
        }
        End::Redirected(url) => format!("end:       308 to {url}"),
        End::Refused(kind, text) => {
            format!("end:       {} {}: {text}", kind.status().as_u16(), kind.public().trim_end_matches('.'))
        }
    });
    lines.extend(seen.added.iter().map(|(name, value, when)| format!("answer:    {name}: {value} ({when})")));
    lines.join("\n")
}

fn verdict(said: Said) -> String {
    match said {
        Said::Off => String::from("is off"),
        Said::Passes => String::from("passes"),
        Said::Depends(kind) => format!("passes or answers {}", kind.status().as_u16()),
        Said::Refuses(kind) => format!("refuses with {}", kind.status().as_u16()),
    }
}

/// Why it goes where it goes.
fn way(seen: &Preview<'_>) -> String {
    let Some(route) = seen.route else { return String::from("none: no configured name fits this host") };
    let names = match seen.entrance {
        Some(Entrance::Domain(domain)) => format!("domain {domain}"),
        Some(entrance @ Entrance::Hosts(..)) => format!("hosts of {}", entrance.name()),
        Some(Entrance::Single(host)) => format!("single_domain {host}"),
        None => return format!("legacy port of {}, whatever the host", route.service),
    };
    match route {
        Route { prefix: "", service: ServiceName::App } => format!("{names}: the web UI's host"),
        Route { prefix: "", service } => format!("{names}: the host of {service}"),
        Route { prefix, .. } => format!("{names}: {prefix} on the web UI's host; {prefix} is taken off"),
    }
}

fn as_json(settings: &Settings, heard: Option<ListenerKind>, seen: &Preview<'_>) -> Value {
    let end = match &seen.end {
        End::Forwarded => json!({ "kind": "forwarded" }),
        End::Redirected(url) => json!({ "kind": "redirected", "status": 308, "location": url }),
        End::Refused(kind, text) => {
            json!({ "kind": "refused", "status": kind.status().as_u16(), "fault": kind.code(), "text": text })
        }
    };
    let targets = seen
        .route
        .map(|route| settings.services.get(route.service).targets.iter().map(ToString::to_string).collect::<Vec<_>>());
    let added = seen.added.iter().map(|(name, value, when)| json!({ "name": name, "value": value, "when": when }));
    let checks = seen.checks.iter().map(check_as_json);
    json!({
        "listener": heard.map(ListenerKind::as_str),
        "route": way(seen),
        "service": seen.route.map(|route| route.service.as_str()),
        "action": seen.action.map(crate::clearml::Action::name),
        "path": seen.route.is_some().then_some(&seen.target),
        "targets": targets,
        "checks": checks.collect::<Vec<_>>(),
        "end": end,
        "added": added.collect::<Vec<_>>(),
    })
}

fn check_as_json(Check { rule, said, why }: &Check) -> Value {
    let (said, kind) = match said {
        Said::Off => ("off", None),
        Said::Passes => ("passes", None),
        Said::Depends(kind) => ("depends", Some(kind)),
        Said::Refuses(kind) => ("refuses", Some(kind)),
    };
    let (status, fault) = (kind.map(|kind| kind.status().as_u16()), kind.map(|kind| kind.code()));
    json!({ "rule": rule, "said": said, "status": status, "fault": fault, "why": why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let parts = |secure, host, port, target| Some(Parts { secure, host, port, target });
        for (text, expected) in [
            ("https://a.b", parts(true, "a.b", 443, "/")),
            ("http://a.b:8080/c?d#e", parts(false, "a.b", 8080, "/c?d")),
            ("https://[::1]:8443/x", parts(true, "::1", 8443, "/x")),
            ("ftp://a.b", None),
            ("a.b/c", None),
            ("https://", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
