//! What operators see: events, one access record per request, counters.
