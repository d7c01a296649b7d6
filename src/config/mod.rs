//! Text in, `Settings` out.
