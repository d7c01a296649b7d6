//! One request, from checked head to last body byte.
