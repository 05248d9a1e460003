//! What handlers, operators and configurations may rely on, with real processes, plugins and streams.

mod duplicates;
mod filters;
mod forward;
mod isolation;
mod keys;
mod letters;
mod operator;
mod order;
mod outage;
mod outgoing;
mod redrive;
mod registry;
mod reload;
mod site;
mod slack;
mod swap;
mod trimming;
mod usage;
mod wrong_yaml;
