// The message box of one pane. What is typed is kept until the workspace has it: across a refusal, a change of
// channel and a reload. A message sent again after a lost answer carries the same id, so it cannot appear twice.

import * as api from "./api.js";
import { acceptDrops, Attachments } from "./attachments.js";
import { Completion } from "./completion.js";
import { el } from "./dom.js";
import { icon } from "./icons.js";
import { recall, remember } from "./memory.js";

const TALLEST_PX = 260;

export class Composer {
  #place = null;
  #attempt = null;
  #isSending = false;

  /**
   * `name`: "channel" or "thread"; `pane` takes drops; `onSent(message)`, `onNotice(place, notice)`, `onForm(place)`,
   * `editLast()` is asked on ↑ in an empty box.
   */
  constructor({ name, room, pane, slot, onSent, onNotice, onForm, editLast }) {
    Object.assign(this, { name, room, onSent, onNotice, onForm, editLast });
    this.area = el("textarea", {
      rows: "1",
      id: `composer-${name}-text`,
      "data-testid": `composer-${name}`,
      "aria-label": "Message",
      spellcheck: "true",
      enterkeyhint: "send",
    });
    this.complaint = el("p", {
      class: "complaint",
      role: "alert",
      "data-testid": `composer-${name}-error`,
      hidden: true,
    });
    this.completion = new Completion({ area: this.area, room, place: () => this.#place });
    this.attachments = new Attachments({
      room,
      complain: (sentence) => this.complain(sentence),
      changed: () => this.#ready(),
    });
    this.sender = el(
      "button",
      {
        type: "submit",
        class: "send",
        "data-testid": `send-${name}`,
        "aria-label": "Send message",
        title: "Send (Enter)",
      },
      icon("send"),
    );
    const tool = (label, picture, act) =>
      el("button", { type: "button", class: "tool", "aria-label": label, title: label, onclick: act }, icon(picture));
    const tools = el(
      "div",
      { class: "composer-tools" },
      tool("Attach a file", "clip", () => this.attachments.input.click()),
      tool("Mention somebody", "at", () => this.insert("@")),
      tool("Give a command", "slash", () => this.#startCommand()),
      el(
        "span",
        { class: "keys", "aria-hidden": "true" },
        el("kbd", {}, "Enter"),
        " sends · ",
        el("kbd", {}, "Shift Enter"),
        " new line",
      ),
      this.sender,
    );
    const box = el("div", { class: "box" }, this.attachments.list, this.area, tools);
    this.form = el(
      "form",
      { class: "composer", "aria-label": name === "thread" ? "Reply" : "New message" },
      this.completion.list,
      this.complaint,
      box,
      this.attachments.input,
    );
    slot.append(this.form);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.area.addEventListener("input", () => this.#typed());
    this.area.addEventListener("keydown", (event) => this.#key(event));
    this.area.addEventListener("paste", (event) => this.#paste(event));
    acceptDrops(pane, (files) => this.attachments.add(files));
  }

  get isEmpty() {
    return !this.area.value.trim() && this.attachments.count === 0;
  }

  /** Turns to another conversation and brings back what was being written there. */
  show(place, placeholder) {
    this.#place = place;
    this.area.placeholder = placeholder;
    this.area.setAttribute("aria-label", placeholder);
    this.area.value = recall(this.#draftKey(place)) ?? "";
    this.attachments.clear();
    this.completion.close();
    this.complain("");
    this.#fit();
  }

  /** Puts text at the caret, with a space before it where words would run together. */
  insert(text) {
    const { value, selectionStart: start, selectionEnd: end } = this.area;
    const gap = start > 0 && !/\s$/.test(value.slice(0, start)) ? " " : "";
    this.fill(value.slice(0, start) + gap + text + value.slice(end), start + gap.length + text.length);
  }

  fill(text, caret = text.length) {
    this.area.value = text;
    this.area.focus();
    this.area.setSelectionRange(caret, caret);
    this.#typed();
  }

  complain(sentence) {
    this.complaint.textContent = sentence;
    this.complaint.hidden = !sentence;
  }

  async send() {
    if (this.#isSending || this.isEmpty) return;
    const place = this.#place;
    const text = this.area.value.trim();
    this.#isSending = true;
    this.area.readOnly = true;
    this.completion.close();
    this.complain("");
    this.#ready();
    try {
      const message = this.#isCommand(text) ? await this.#command(place, text) : await this.#message(place, text);
      this.#sent(place);
      if (message) this.onSent(message);
    } catch (error) {
      if (place === this.#place) this.complain(error.message);
      else this.onNotice(place, { text: error.message, error: true });
    } finally {
      this.#isSending = false;
      this.area.readOnly = false;
      this.#ready();
    }
  }

  async #message(place, text) {
    const files = await this.attachments.ids();
    if (!text && files.length === 0) return null;
    const content = JSON.stringify([place, text, files, this.room.me.id]);
    if (this.#attempt?.content !== content) this.#attempt = { content, id: newId() };
    const { message } = await api.post({ person: this.room.me.id, ...place, text, files, client_id: this.#attempt.id });
    this.#attempt = null;
    // Where the event came first, it may have been followed by newer ones (the first replies) already.
    if (!this.room.messages.has(message.id)) this.room.take(message);
    return message;
  }

  #isCommand(text) {
    return text === `/${this.room.command}` || text.startsWith(`/${this.room.command} `);
  }

  async #command(place, text) {
    const line = text.slice(this.room.command.length + 1).trim();
    const { notice, form } = await api.command({ person: this.room.me.id, ...place, line });
    if (notice) this.onNotice(place, notice);
    if (form) this.onForm(place);
    return null;
  }

  #sent(place) {
    remember(this.#draftKey(place), "");
    if (place !== this.#place) return;
    this.area.value = "";
    this.attachments.clear();
    this.#fit();
  }

  #typed() {
    if (this.#place) remember(this.#draftKey(this.#place), this.area.value);
    this.complain("");
    this.#fit();
    this.completion.look();
  }

  #key(event) {
    if (event.isComposing || this.completion.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send();
    } else if (event.key === "ArrowUp" && !this.area.value && this.editLast()) {
      event.preventDefault();
    }
  }

  #paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0 || event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    this.attachments.add(files);
  }

  #startCommand() {
    if (!this.area.value.startsWith("/")) this.fill(`/${this.room.command} ${this.area.value}`);
    else this.area.focus();
    this.completion.look();
  }

  #draftKey({ channel, thread }) {
    return `draft:${this.room.me.id}:${channel}:${thread ?? ""}`;
  }

  #fit() {
    this.area.style.height = "auto";
    this.area.style.height = `${Math.min(TALLEST_PX, this.area.scrollHeight)}px`;
    this.#ready();
  }

  #ready() {
    this.sender.disabled = this.isEmpty || this.#isSending;
    this.form.classList.toggle("sending", this.#isSending);
  }
}

function newId() {
  // randomUUID exists only in secure contexts, and a workspace in the local network is none.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
