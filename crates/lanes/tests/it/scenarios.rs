//! One rule after the other.

mod bounds;
mod breaker;
mod claims;
mod commits;
mod conflicts;
mod delivery;
mod desk;
mod drain;
mod found;
mod gate;
mod gathering;
mod letters;
mod order;
mod outage;
mod parking;
mod retries;
mod suspects;
