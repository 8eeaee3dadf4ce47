// A pane is one conversation on the screen: its timeline and its message box. There are two, channel and thread.

import { Composer } from "./composer.js";
import { openEditor } from "./editor.js";
import { Timeline } from "./timeline.js";

export class Pane {
  place = null;

  constructor({ name, element, room, acts, names, empty, onSent, onNotice, onForm }) {
    this.element = element;
    this.composer = new Composer({
      name,
      room,
      pane: element,
      slot: element.querySelector(".composer-slot"),
      onSent,
      onNotice,
      onForm,
      editLast: () => this.#editLast(),
    });
    const edit = (view) => openEditor(view, room, () => this.composer.area.focus());
    this.edit = edit;
    this.timeline = new Timeline({
      room,
      scroller: element.querySelector(".timeline"),
      label: name === "thread" ? "Thread" : "Messages",
      empty,
      options: {
        acts: { ...acts, edit },
        inThread: name === "thread",
        names,
        isMine: (message) => message.author.id === room.me?.id,
        status: (message) => {
          let text = room.status(message.channel, message.id);
          if (text?.startsWith("thinking") && room.writes(message.id)) text = "writing";
          return text ? `${room.bot.name} is ${text.replace(/[.…\s]+$/, "")}` : null;
        },
      },
    });
  }

  /** Turns to `place` ({channel, thread}, or null for none); the same place again changes nothing. */
  async show(place, placeholder) {
    if (place?.channel === this.place?.channel && place?.thread === this.place?.thread) return;
    this.place = place;
    if (place) this.composer.show(place, placeholder);
    await this.#load(() => this.timeline.show(place));
  }

  reload() {
    return this.#load(() => this.timeline.reload());
  }

  forget() {
    this.place = null;
  }

  async #load(load) {
    const place = this.place;
    try {
      await load();
    } catch (error) {
      if (place && place === this.place) this.timeline.tell({ text: error.message, error: true });
    }
  }

  #editLast() {
    const last = this.timeline.views().findLast((view) => view.isMine(view.message));
    if (last) this.edit(last);
    return Boolean(last);
  }
}
