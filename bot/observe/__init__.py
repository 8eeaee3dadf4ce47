"""What can be seen of a running bot: log lines, numbers and readiness. Never what people wrote, or their names."""
