// The list that opens above a message box: people after "@", command lines after "/ai" or "!". The box keeps the
// focus; arrows move the marked line (combobox with a listbox, as screen readers know it).

import * as api from "./api.js";
import { el } from "./dom.js";

const MENTION = /(^|[\s(])@([^\n@]{0,40})$/;
const WAIT_MS = 70;
let lists = 0;

export class Completion {
  #items = [];
  #active = 0;
  #asked = 0;
  #stale = false;
  #wanted = false;

  /** `place()` gives {channel, thread}; accepting changes the box's value and fires `input`. */
  constructor({ area, room, place }) {
    Object.assign(this, { area, room, place });
    this.list = el("ul", {
      class: "completion",
      role: "listbox",
      id: `completion-${(lists += 1)}`,
      "aria-label": "Suggestions",
      "data-testid": "completion",
      hidden: true,
    });
    for (const [name, value] of [
      ["role", "combobox"],
      ["aria-autocomplete", "list"],
      ["aria-expanded", "false"],
      ["aria-controls", this.list.id],
    ]) {
      area.setAttribute(name, value);
    }
    area.addEventListener("blur", () => setTimeout(() => document.activeElement !== area && this.close(), 150));
  }

  get isOpen() {
    return !this.list.hidden;
  }

  close() {
    clearTimeout(this.timer);
    this.#asked += 1;
    this.#wanted = false;
    this.#show([]);
  }

  /** Looks at what stands before the caret; called after every change of the box. */
  look() {
    clearTimeout(this.timer);
    this.#wanted = false;
    const { value, selectionStart } = this.area;
    const line = this.#commandLine(value);
    if (line === null) {
      this.#asked += 1;
      this.#show(this.#mentions(value.slice(0, selectionStart), value.slice(selectionStart)));
    } else if (line.opening) this.#show([line.opening]);
    else {
      this.#stale = true;
      this.timer = setTimeout(() => this.#suggest(line), WAIT_MS);
    }
  }

  /**
   * True when the key was for the list. Enter is left to the box when the marked line is typed out already. While the
   * list still answers what stood there before, Tab takes the first line of the next one and Enter is the box's.
   */
  key(event) {
    if (!this.isOpen) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp")
      this.#mark(this.#active + (event.key === "ArrowDown" ? 1 : -1));
    else if (event.key === "Escape") this.close();
    else if (event.key === "Tab" && !event.shiftKey && this.#stale) this.#wanted = true;
    else if (event.key === "Tab" && !event.shiftKey) this.#accept(this.#active);
    else if (event.key === "Enter" && !event.shiftKey && !this.#stale && !this.#isTyped(this.#items[this.#active]))
      this.#accept(this.#active);
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  #commandLine(value) {
    if (value.includes("\n")) return null;
    const slash = `/${this.room.command}`;
    if (value.startsWith("/") && slash.startsWith(value) && value !== `${slash} `) {
      return { opening: { text: `${slash} `, label: slash, hint: "settings and everything else Parley can do" } };
    }
    if (value.startsWith(`${slash} `)) return { lead: `${slash} `, line: value.slice(slash.length + 1).trimStart() };
    return /^![a-z]/i.test(value) || value === "!" ? { lead: "!", line: value.slice(1) } : null;
  }

  async #suggest({ lead, line }) {
    const asked = (this.#asked += 1);
    try {
      const { suggestions } = await api.complete({ person: this.room.me.id, ...this.place(), line });
      if (asked !== this.#asked) return;
      this.#show(suggestions.map((each) => ({ text: lead + each.line, label: each.label, hint: each.hint })));
      if (this.#wanted && this.isOpen) this.#accept(0);
    } catch {
      // Suggestions are a comfort; without them the line can still be typed and sent.
      if (asked === this.#asked) this.#show([]);
    }
  }

  #mentions(before, after) {
    const found = MENTION.exec(before);
    if (!found) return [];
    const typed = found[2].toLowerCase();
    const { bot, people, me } = this.room;
    const named = [
      { name: bot.name, hint: "answers in a thread" },
      ...[...people.values()].map(({ id, name }) => ({ name, hint: id === me.id ? "you" : "" })),
    ];
    const head = before.slice(0, before.length - found[2].length);
    return named
      .filter(({ name }) => name.toLowerCase().startsWith(typed) && name.toLowerCase() !== typed.trimEnd())
      .slice(0, 8)
      .map(({ name, hint }) => ({
        text: `${head}${name} ${after.trimStart()}`,
        caret: head.length + name.length + 1,
        label: `@${name}`,
        hint,
      }));
  }

  #isTyped(item) {
    return item.caret === undefined && item.text.trimEnd() === this.area.value.trimEnd();
  }

  #accept(index) {
    const { text, caret = text.length } = this.#items[index];
    this.area.value = text;
    this.area.setSelectionRange(caret, caret);
    this.area.focus();
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #show(items) {
    this.#items = items;
    this.#stale = false;
    this.list.replaceChildren(
      ...items.map((item, index) =>
        el(
          "li",
          // Pressing must not take the focus from the box; choosing happens on click so that a scroll by touch does not.
          {
            role: "option",
            id: `${this.list.id}-${index}`,
            onpointerdown: (event) => event.preventDefault(),
            onclick: () => this.#accept(index),
          },
          el("span", { class: "label" }, item.label),
          el("span", { class: "hint" }, item.hint ?? ""),
        ),
      ),
    );
    this.list.hidden = items.length === 0;
    this.area.setAttribute("aria-expanded", String(items.length > 0));
    if (items.length) this.#mark(0);
    else this.area.removeAttribute("aria-activedescendant");
  }

  #mark(index) {
    const count = this.#items.length;
    this.#active = (index + count) % count;
    for (const [place, option] of [...this.list.children].entries()) {
      option.setAttribute("aria-selected", String(place === this.#active));
      if (place !== this.#active) continue;
      this.area.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    }
  }
}
