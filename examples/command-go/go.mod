module greeter

go 1.26

require roomwire v0.0.0

replace roomwire => ../../plugins/sdk/go
