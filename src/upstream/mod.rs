//! The services behind us.
