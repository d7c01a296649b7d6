//! The reference page of findings, made of the list itself.

use super::finding::Code;

/// `docs/reference/findings.md`.
#[must_use]
pub fn findings_page() -> String {
    let mut page = String::from(
        "# Findings of `clearway doctor`\n\n\
         Made by `clearway reference findings`; a test holds it to the code. Names do not change, so programs may rely on\n\
         them. The guide: [doctor.md](../guide/doctor.md).\n\n\
         | finding | severity | what | why it hurts |\n|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let row = [code.as_str(), code.severity().as_str(), code.what(), code.why()];
        page.push_str(&format!("| `{}` | {} | {} | {} |\n", row[0], row[1], row[2], row[3]));
    }
    page
}
