//! One rule after the other.

mod bounds;
mod claims;
mod commits;
mod delivery;
mod desk;
mod drain;
mod found;
mod letters;
mod order;
mod parking;
mod retries;
mod suspects;
