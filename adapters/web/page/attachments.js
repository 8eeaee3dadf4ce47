// Files waiting to be sent with the next message: chosen, pasted or dropped, uploaded at once, shown as chips.

import * as api from "./api.js";
import { el } from "./dom.js";
import { bytes } from "./face.js";
import { icon } from "./icons.js";

export class Attachments {
  #entries = [];

  /** `complain(sentence)` shows what is wrong; `changed()` is called when the list changes. */
  constructor({ room, complain, changed }) {
    Object.assign(this, { room, complain, changed });
    this.list = el("ul", { class: "attachments", "aria-label": "Attached files", hidden: true });
    this.input = el("input", {
      type: "file",
      multiple: true,
      class: "offscreen",
      tabindex: "-1",
      "aria-hidden": "true",
      "data-testid": "file-input",
    });
    this.input.addEventListener("change", () => {
      this.add(this.input.files);
      this.input.value = "";
    });
  }

  get count() {
    return this.#entries.length;
  }

  add(files) {
    const most = this.room.limits.file_bytes ?? Infinity;
    for (const file of files) {
      if (file.size > most)
        this.complain(`${file.name} has ${bytes(file.size)}; a file may have at most ${bytes(most)}.`);
      else this.#upload(file);
    }
  }

  /** The ids once every upload is over. */
  async ids() {
    await Promise.allSettled(this.#entries.map((entry) => entry.done));
    return this.#entries.map((entry) => entry.id).filter(Boolean);
  }

  clear() {
    this.#entries = [];
    this.#draw();
  }

  #upload(file) {
    const entry = { name: file.name, size: file.size, id: null };
    this.#entries.push(entry);
    entry.done = api
      .upload(file, this.room.me.id)
      .then(
        ({ id }) => (entry.id = id),
        (error) => {
          this.#entries = this.#entries.filter((each) => each !== entry);
          this.complain(`${file.name} could not be attached. ${error.message}`);
        },
      )
      .finally(() => this.#draw());
    this.#draw();
  }

  #draw() {
    this.list.hidden = this.#entries.length === 0;
    this.list.replaceChildren(...this.#entries.map((entry) => this.#chip(entry)));
    this.changed();
  }

  #chip(entry) {
    const drop = () => {
      this.#entries = this.#entries.filter((each) => each !== entry);
      this.#draw();
    };
    return el(
      "li",
      { class: entry.id ? "chip" : "chip loading" },
      icon("file"),
      el("span", { class: "file-name" }, entry.name),
      el("span", { class: "file-size" }, entry.id ? bytes(entry.size) : "uploading"),
      el(
        "button",
        { type: "button", class: "tool", "aria-label": `Remove ${entry.name}`, onclick: drop },
        icon("close"),
      ),
    );
  }
}

/** Lets files be dropped anywhere on `pane`. */
export function acceptDrops(pane, add) {
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0;
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    pane.classList.toggle("dropping", depth > 0);
  };
  pane.addEventListener("dragenter", (event) => carriesFiles(event) && mark(1));
  pane.addEventListener("dragleave", (event) => carriesFiles(event) && mark(-1));
  pane.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  pane.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    add(event.dataTransfer.files);
  });
}
