//! Picture: everything that a reload replaces, built beside the one in use.

use super::build_error::BuildError;
use super::certificates::{Certificates, InUse, load};
use crate::domain::names::{NamePattern, PerService, ServiceName};
use crate::domain::settings::Settings;
use crate::request::SitePlan;
use crate::runtime::wall;
use crate::tls::{CertStore, Challenges, ClientRules, ClientTls, RETRY, ServerTls, Tickets};
use crate::upstream::Group;
use std::sync::Arc;
use std::time::SystemTime;

/// One configuration as running parts; nothing in it is listening.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) settings: Arc<Settings>,
    pub(super) tls: Arc<ServerTls>,
    pub(super) certificates: Certificates,
    groups: Arc<PerService<Group>>,
    covered: Arc<[NamePattern]>,
    challenges: Challenges,
    pub(super) client_rules: ClientRules,
}

impl Picture {
    /// Builds what `settings` describe; `tickets` are for where it names no keys for them.
    /// Targets that `previous` has too go on with what is known of them.
    ///
    /// # Errors
    /// `BuildError` with what cannot be had; `previous` is as before.
    pub(super) fn build(settings: Settings, tickets: &Tickets, previous: Option<&Self>) -> Result<Self, BuildError> {
        let challenges = previous.map_or_else(Challenges::default, |previous| previous.challenges.clone());
        let in_use = previous.map(Self::in_use);
        let (store, certificates) =
            load(&settings, wall(), in_use.as_ref()).map_err(|error| BuildError::Certificate(Box::new(error)))?;
        let covered = store.names().cloned().collect();
        let shared = settings.tickets.keys.as_deref().map(Tickets::shared).transpose();
        let shared = shared.map_err(BuildError::TicketKeys)?;
        let client_rules = client_rules(&settings)?;
        let tls = ServerTls::build(
            store,
            shared.as_ref().unwrap_or(tickets),
            // Also without acme: a rehearsal may come first.
            Some(challenges.clone()),
            settings.tls.policy,
            &client_rules,
        )
        .map_err(BuildError::Tls)?;
        let groups = groups(&settings, previous.map(|previous| &*previous.groups))?;
        Ok(Self {
            settings: Arc::new(settings),
            tls: Arc::new(tls),
            certificates,
            groups: Arc::new(groups),
            covered,
            challenges,
            client_rules,
        })
    }

    /// From here on targets that were there before are treated as this picture says.
    pub(super) fn take_effect(&self) {
        self.groups.iter().for_each(|(_, group)| group.take_effect());
    }

    /// The targets of `service`.
    pub(super) fn group(&self, service: ServiceName) -> &Group {
        self.groups.get(service)
    }

    /// The targets of each service.
    pub(super) const fn groups(&self) -> &Arc<PerService<Group>> {
        &self.groups
    }

    /// What the workers' sites are made from.
    pub(super) fn plan(&self) -> SitePlan {
        SitePlan {
            settings: Arc::clone(&self.settings),
            groups: Arc::clone(&self.groups),
            covered: Arc::clone(&self.covered),
            challenges: self.challenges.clone(),
            client_rules: self.client_rules.clone(),
        }
    }

    /// What certificate authorities are answered; the same for as long as the process runs.
    pub(super) const fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// Loads the certificates again and serves with them from the next handshake on.
    ///
    /// # Errors
    /// `BuildError` when they cannot be had; those in use stay.
    pub(super) fn renew_certificates(&mut self) -> Result<(), BuildError> {
        let loaded = load(&self.settings, wall(), Some(&self.in_use()));
        let (store, certificates) = loaded.map_err(|error| BuildError::Certificate(Box::new(error)))?;
        self.covered = store.names().cloned().collect();
        self.certificates = certificates;
        self.tls.replace(store);
        Ok(())
    }

    /// After a failure: when those that are signed here are tried again.
    pub(super) fn put_renewal_off(&mut self, now: SystemTime) -> SystemTime {
        let next = now + RETRY.min(self.settings.local_ca.leaf_life / 10);
        self.certificates.renew_at = Some(next);
        next
    }

    fn in_use(&self) -> InUse {
        InUse { store: self.store(), about: self.certificates.clone() }
    }

    /// The certificates that are served.
    pub(super) fn store(&self) -> Arc<CertStore> {
        self.tls.certificates()
    }
}

/// Reads what hosts ask of clients, and says what is not as it should be.
fn client_rules(settings: &Settings) -> Result<ClientRules, BuildError> {
    let rules = &settings.tls;
    let rules = ClientRules::load(&rules.client_rules, rules.policy).map_err(BuildError::ClientRules)?;
    for warning in rules.warnings(wall()) {
        tracing::warn!(%warning, "client certificates");
    }
    Ok(rules)
}

fn groups(settings: &Settings, previous: Option<&PerService<Group>>) -> Result<PerService<Group>, BuildError> {
    let group = |service| {
        let ca = settings.services.get(service).ca.as_deref();
        let tls = ca.map(ClientTls::load).transpose().map_err(BuildError::TargetAuthorities)?;
        Ok(Group::build(service, settings, tls.as_ref(), previous.map(|previous| previous.get(service))))
    };
    Ok(PerService { app: group(ServiceName::App)?, api: group(ServiceName::Api)?, files: group(ServiceName::Files)? })
}
