module roll-call

go 1.26

require roomwire v0.0.0

replace roomwire => ../../sdk/go
