//! One rule after the other.
