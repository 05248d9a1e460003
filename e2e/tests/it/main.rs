//! Whole systems, as processes: what goes in over HTTP comes out of handlers, whatever is killed in between.

#[cfg(test)]
mod rig;
