//! Nothing but tests: whole systems of real processes, real nats-server and real plugins, also while they are killed.
