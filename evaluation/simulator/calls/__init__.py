"""What clients can call: one module per topic, put together in `methods.table`."""
