"""The laws of the data key: store once, deliver, verify as the application."""
