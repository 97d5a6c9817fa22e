"""What every app needs and none is about: logging, stopping, health and metrics, password files."""
