module roomwire

go 1.26
