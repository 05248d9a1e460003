// Functions without a body are imports or linked names.
