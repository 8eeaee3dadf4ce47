"""From deltas to paced writes: Markdown that is well formed at any point, parts that fit, and when to send them."""
