//! Text in, `Settings` out.
mod discovery;
mod environment;
mod parse;
mod problem;
mod tree;
mod units;
mod value;
pub use environment::Environment;
pub use problem::{Origin, Problem, Problems, Severity, Source};
