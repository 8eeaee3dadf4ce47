// One message on the screen. `show` may be called for every event; each part of it is touched only when it changed.

import { fileAddress } from "./api.js";
import { Body } from "./body.js";
import { controlBar } from "./controls.js";
import { el, nextFrame } from "./dom.js";
import { ago, bytes, dayOf, face, timeMark } from "./face.js";
import { icon } from "./icons.js";

const PREVIEWED = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

export class MessageView {
  #shown = {};

  /** `acts`: openThread, edit, remove, press, copy; `place.inThread` hides what only a channel shows. */
  constructor(message, { acts, inThread, names, isMine, status }) {
    Object.assign(this, { acts, inThread, names, isMine, status });
    this.day = el("div", { class: "day" });
    this.byline = el("div", { class: "byline" });
    this.text = el("div", { class: "body" });
    this.editor = el("div", { class: "editor-slot" });
    this.files = el("ul", { class: "files" });
    this.notes = el("div", { class: "notes" });
    this.foot = el("div", { class: "foot" });
    this.branch = el("div", { class: "branch" });
    this.tools = el("div", { class: "tools", role: "group", "aria-label": "Message" });
    const column = el(
      "div",
      { class: "column" },
      this.byline,
      this.text,
      this.editor,
      this.files,
      this.notes,
      this.foot,
      this.branch,
    );
    this.row = el("article", { class: "row" }, face(message.author), column, this.tools);
    this.element = el(
      "li",
      { class: "message", "data-testid": "message", "data-message-id": message.id, tabindex: "-1" },
      this.day,
      this.row,
    );
    this.body = new Body(this.text);
    this.show(message);
  }

  show(message, { now = false } = {}) {
    this.message = message;
    const { dataset } = this.element;
    dataset.authorBot = String(message.author.bot);
    dataset.streaming = String(Boolean(message.streaming));
    dataset.ts = message.ts;
    this.#part("byline", [message.author, message.ts, message.edited], () => this.#drawByline());
    this.#part("files", message.files ?? [], () => this.#drawFiles());
    this.#part("notes", message.notes ?? [], () => this.#drawNotes());
    const { controls, streaming } = message;
    this.#part("foot", [controls, streaming, Boolean(message.text)], () => this.#drawControls());
    this.#part("tools", [this.isMine(message), this.inThread, message.channel], () => this.#drawTools());
    this.branched();
    if (now) this.#drawText();
    else nextFrame(this, () => this.#drawText());
  }

  /** The thread's sign under its root; called also when the bot starts or ends working there. */
  branched() {
    const { replies, last_reply_ts: last } = this.message;
    const working = this.inThread ? null : this.status(this.message);
    this.#part("branch", [replies, last, working], () => this.#drawBranch(replies, last, working));
  }

  /** Same author shortly after: no second face; a new day gets its line. */
  follow(previous, isNext) {
    const day = dayOf(this.message.ts);
    const newDay = !previous || dayOf(previous.message.ts) !== day;
    this.day.textContent = newDay ? day : "";
    this.day.hidden = !newDay;
    const near = previous && isNext && !newDay && previous.message.author.id === this.message.author.id;
    const unbranched = near && (this.inThread || !previous.message.replies);
    this.element.classList.toggle("continued", Boolean(unbranched && this.message.ts - previous.message.ts < 300));
  }

  renamed(names) {
    this.names = names;
    this.#drawText();
  }

  #part(name, value, draw) {
    const key = JSON.stringify(value);
    if (this.#shown[name] === key) return;
    this.#shown[name] = key;
    const hadFocus = this[name].contains(document.activeElement);
    draw();
    // A button that vanishes under the finger must not throw the keyboard back to the top of the page.
    if (hadFocus) (this[name].querySelector("button:not([disabled])") ?? this.element).focus({ preventScroll: true });
  }

  #drawText() {
    this.body.show(this.message.text, this.names(), !this.message.streaming);
    this.text.classList.toggle("plain", !this.message.author.bot);
  }

  #drawByline() {
    const { author, ts, edited } = this.message;
    this.byline.replaceChildren(
      ...[
        el("span", { class: "name" }, author.name),
        author.bot && el("span", { class: "badge" }, "bot"),
        timeMark(ts),
        edited && el("span", { class: "edited" }, "edited"),
      ].filter(Boolean),
    );
  }

  #drawFiles() {
    this.files.replaceChildren(...(this.message.files ?? []).map(fileItem));
  }

  #drawNotes() {
    this.notes.replaceChildren(
      ...(this.message.notes ?? []).map((note) => el("p", { class: "note", "data-testid": "note" }, note)),
    );
  }

  #drawControls() {
    const bar =
      this.message.controls &&
      controlBar(
        this.message,
        (action, value) => this.acts.press(this.message, action, value),
        () => this.acts.copy(this.message),
      );
    this.foot.replaceChildren(...(bar?.childElementCount ? [bar] : []));
  }

  #drawTools() {
    const tool = (label, picture, act) =>
      el(
        "button",
        { type: "button", class: "tool", "aria-label": label, title: label, onclick: () => act(this.message) },
        icon(picture),
      );
    const mine = this.isMine(this.message);
    const threads = !this.inThread && !this.message.channel.startsWith("dm-");
    this.tools.replaceChildren(
      ...[
        threads && tool("Reply in thread", "thread", this.acts.openThread),
        tool("Copy text", "copy", this.acts.copy),
        mine && tool("Edit message", "pencil", () => this.acts.edit(this)),
        mine && tool("Delete message", "trash", this.acts.remove),
      ].filter(Boolean),
    );
  }

  #drawBranch(replies, last, working) {
    if ((!replies && !working) || this.inThread) return this.branch.replaceChildren();
    const count = replies === 1 ? "1 reply" : `${replies} replies`;
    const words = working
      ? el("span", { class: "working" }, working, dots())
      : el("span", { class: "when" }, last ? ago(last) : "");
    const open = el(
      "button",
      {
        type: "button",
        class: "open-thread",
        "data-testid": "open-thread",
        onclick: () => this.acts.openThread(this.message),
      },
      icon("thread"),
      replies ? el("b", {}, count) : null,
      words,
    );
    this.branch.replaceChildren(open);
  }
}

export function dots() {
  return el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
}

function fileItem(file) {
  const link = el(
    "a",
    { class: "file", href: fileAddress(file.id), download: file.name },
    icon("file"),
    el("span", { class: "file-name" }, file.name),
    el("span", { class: "file-size" }, bytes(file.size)),
  );
  const item = el("li", {}, link);
  if (PREVIEWED.has(file.media_type)) {
    const picture = el("img", { class: "preview", src: fileAddress(file.id), alt: file.name, loading: "lazy" });
    picture.addEventListener("error", () => picture.remove());
    item.prepend(picture);
  }
  return item;
}
