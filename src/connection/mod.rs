//! One client transport, from first byte to close.
