//! Embedded stand-ins for ClearML's three services.
