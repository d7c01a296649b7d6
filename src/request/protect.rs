//! Protect: which requests are refused although they are well formed.
//!
//! Owns: the order of the checks. Leaves: what ClearML's servers and clients do to `clearml`.

use super::guard::Checked;
use super::site::Site;
use crate::clearml::{cors_origin, foreign_page, removes_files};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::names::ServiceName;
use crate::domain::route::Route;
use std::net::IpAddr;

/// Checks one request on its way along `route` from `client`.
///
/// # Errors
/// `CrossSite` or `RemovalRefused` (403).
pub(super) fn check(site: &Site, route: Route, checked: &Checked, client: IpAddr) -> Result<(), Fault> {
    let service = route.service;
    if service == ServiceName::App {
        return Ok(());
    }
    let rules = &site.settings.protection;
    let request = checked.request();
    if rules.cross_site.refuse {
        let own = |page: &crate::domain::page_origin::PageOrigin| {
            page.host().eq_ignore_ascii_case(checked.host())
                || cors_origin(&site.settings.layout, &page.to_string(), checked.host())
        };
        if let Some(why) = foreign_page(service, request.method(), request.headers(), &rules.cross_site, own) {
            return Err(Fault::new(FaultKind::CrossSite, why));
        }
    }
    let files = &rules.files;
    if service == ServiceName::Files
        && files.refuse_removal
        && removes_files(request.method().as_str(), &route.target(checked.path()))
        && !files.removal_from.contains(client)
    {
        return Err(Fault::new(FaultKind::RemovalRefused, format!("the client is {client}")));
    }
    Ok(())
}
