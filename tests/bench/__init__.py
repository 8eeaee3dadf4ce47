"""Measures what the bot promises about time, processor and memory: ``python -m tests.bench [NAME ...]``."""
