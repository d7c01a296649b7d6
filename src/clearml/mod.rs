//! What ClearML expects of whoever stands in front of it: pure rules over domain and http types.
