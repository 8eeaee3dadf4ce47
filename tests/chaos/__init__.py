"""Everything breaks at random while people talk to the bot, then an audit. Not collected by default: ``make chaos``."""
