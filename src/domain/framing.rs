//! Placeholder line replaced with the rules.
