//! Clearway: a sub-domain reverse proxy for a self-hosted ClearML Server.
