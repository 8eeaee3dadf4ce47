// What a screen reader is told: whole messages and finished answers, never the growing text.

const LONGEST = 400;

export class Announcer {
  constructor(region) {
    this.region = region;
  }

  say(text) {
    // Two equal sentences in a row are told twice only if the region changes.
    this.region.textContent = this.region.textContent === text ? `${text}\u00a0` : text;
  }

  /** `before` is the message's earlier state, if any. */
  hear(message, before, me) {
    if (message.author.id === me || !message.text) return;
    const finished = message.author.bot && !message.streaming && (!before || before.streaming);
    const fresh = !message.author.bot && !before;
    if (!finished && !fresh) return;
    const said = message.author.bot ? `${message.author.name} answered` : message.author.name;
    this.say(`${said}: ${plain(message.text)}`);
  }
}

function plain(text) {
  const words = text
    .replace(/```[\s\S]*?(```|$)/g, " (code) ")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/:?-{2,}:?/g, " ")
    .replace(/[*_`#>|~]+/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  return words.length > LONGEST ? `${words.slice(0, LONGEST)} …` : words;
}
