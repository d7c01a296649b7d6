//! Numbers that spread what would happen everywhere at once.

use crate::domain::renewal::Draw;
use crate::tls::LoadedCertificate;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};

/// The same for a certificate in every instance and after every restart.
pub(super) fn draw_of(certificate: &LoadedCertificate) -> Draw {
    let mut hasher = DefaultHasher::new();
    certificate.renewal_id().hash(&mut hasher);
    Draw::of((hasher.finish() >> 32).try_into().unwrap_or(0))
}

/// Another one each time.
pub(super) fn drawn() -> Draw {
    // The standard hasher is keyed from the operating system's randomness, anew for each state.
    Draw::of((RandomState::new().hash_one(0_u8) >> 32).try_into().unwrap_or(0))
}
