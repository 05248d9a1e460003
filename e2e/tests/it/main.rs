//! Whole systems, as processes: what goes in over HTTP comes out of handlers, whatever is killed in between.

#[cfg(test)]
mod behaviour;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod livekit_sender;
#[cfg(test)]
mod livekit_server;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod rig;
