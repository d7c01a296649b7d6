//! A file with a certificate and its key: whatever stands in it, it is told or served, and nothing panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

static FOLDER: OnceLock<std::path::PathBuf> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let folder = FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("clearway-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        folder
    });
    let told = clearway::tls::read_certificates(folder, bytes);
    assert!(!told.trim().is_empty());
});
