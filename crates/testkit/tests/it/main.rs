//! The helpers of the other crates' tests, against a real nats-server.

#[cfg(test)]
mod nats_server;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod process;
#[cfg(test)]
mod proxy;
