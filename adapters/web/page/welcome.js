// Empty rooms teach the first step: an example is put into the message box by a press, ready to be sent.

import { el } from "./dom.js";

const QUESTIONS = [
  "what can you do for our team?",
  "compare tea and coffee in a small table",
  "write a Python function that merges two sorted lists, and explain it",
];
const OF_THE_GUIDE = ["how do I connect a model?", "what happens when you crash?", "which settings are there?"];

/** `fill(text)` puts an example into the message box. */
export function welcome(room, channel, fill) {
  const { name } = room.bot;
  const isDirect = channel.kind === "direct";
  const example = (text) =>
    el("li", {}, el("button", { type: "button", class: "example", onclick: () => fill(text) }, text));
  const address = isDirect ? "" : `@${name} `;
  const lead = isDirect
    ? `Only you and ${name} are here, so no mention is needed: just write.`
    : `Mention @${name} with a question. The answer grows in a thread, and everyone here can follow up in it without another mention.`;
  return el(
    "div",
    { class: "welcome", "data-testid": "welcome" },
    el("img", { src: "/static/icons/parley.svg", alt: "", width: "48", height: "48" }),
    el("h2", {}, isDirect ? `A quiet room with ${name}` : `Welcome to #${channel.name}`),
    el("p", {}, lead),
    el(
      "ul",
      { class: "examples", "aria-label": "Examples to try" },
      ...(room.backend.kind === "guide" ? OF_THE_GUIDE : QUESTIONS).map((question) =>
        example(address + (isDirect ? question[0].toUpperCase() + question.slice(1) : question)),
      ),
      example(`/${room.command} help`),
    ),
  );
}
