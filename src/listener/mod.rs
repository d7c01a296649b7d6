//! Sockets in, transports out.
