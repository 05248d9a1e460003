//! What handlers, operators and configurations may rely on, with real processes, plugins and streams.

mod duplicates;
mod filters;
mod isolation;
mod letters;
mod operator;
mod order;
mod redrive;
mod site;
mod swap;
mod wrong_yaml;
