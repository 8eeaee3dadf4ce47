// The messages of one place (a channel's roots, a thread, a direct room), oldest first, kept at the end while the
// reader is at the end and left alone while they read further up.

import * as api from "./api.js";
import { el } from "./dom.js";
import { dots, MessageView } from "./messages.js";
import { noticeItem } from "./notices.js";

const PAGE = 50;
const NEAR_END_PX = 80;

export class Timeline {
  #views = new Map();
  #place = null;
  #oldest = null;
  #atEnd = true;
  #top = 0;

  /** `scroller` holds this timeline alone; `options` are a MessageView's; `empty(place)` gives the empty state. */
  constructor({ room, scroller, label, options, empty }) {
    Object.assign(this, { room, scroller, options, empty });
    this.earlier = el(
      "button",
      { type: "button", class: "earlier", hidden: true, onclick: () => this.#loadEarlier() },
      "Show earlier messages",
    );
    this.list = el("ol", { class: "messages", "aria-label": label });
    this.blank = el("div", { class: "blank" });
    this.sign = el("div", { class: "sign", "data-testid": "status", hidden: true });
    this.jump = el(
      "button",
      { type: "button", class: "to-end", hidden: true, onclick: () => this.toEnd() },
      "New messages ↓",
    );
    scroller.append(this.earlier, this.blank, this.list, this.sign);
    scroller.after(this.jump);
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const growth = new ResizeObserver(() => this.#settle());
    for (const element of [scroller, this.list, this.sign]) growth.observe(element);
    room.addEventListener("message", ({ detail }) => this.#receive(detail.message, detail.before));
    room.addEventListener("deleted", ({ detail }) => this.#drop(detail.id));
    room.addEventListener("status", ({ detail }) => this.#work(detail));
  }

  get place() {
    return this.#place;
  }

  /** Shows another place, or none. Rejects with a sentence when it cannot be loaded. */
  async show(place) {
    this.#place = place;
    this.#views.clear();
    this.list.replaceChildren();
    this.blank.replaceChildren();
    this.earlier.hidden = true;
    this.#oldest = null;
    this.#atEnd = true;
    this.#drawSign();
    if (place) await this.reload();
  }

  /** Loads the place anew; what vanished meanwhile goes, notices stay. */
  async reload() {
    const place = this.#place;
    if (!place) return;
    await this.room.loading(async () => {
      const { messages, more } = await api.messages({ ...place, person: this.room.me.id, limit: PAGE });
      if (place !== this.#place) return;
      const ids = new Set(messages.map((message) => message.id));
      const page = place.thread ? messages.slice(1) : messages;
      const joins = page.some((message) => this.#views.has(message.id));
      const from = joins ? page[0].ts : 0;
      for (const [id, view] of this.#views) if (!ids.has(id) && view.message.ts >= from) this.#drop(id);
      // So much was missed that what was shown does not reach what was loaded: show the newest page alone.
      if (!joins) this.#oldest = null;
      for (const message of messages) this.room.take(message);
      if (!joins) this.#older(messages, more, place);
      this.#drawBlank();
    });
    if (place === this.#place) this.#settle();
  }

  tell(notice) {
    const ts = Math.max(Date.now() / 1000, Number(this.list.lastElementChild?.dataset.ts ?? 0));
    const item = noticeItem(notice, ts, () => this.scroller.focus());
    this.list.append(item);
    this.#drawBlank();
    this.#atEnd = item.offsetHeight <= this.scroller.clientHeight;
    if (!this.#atEnd) item.scrollIntoView({ block: "start" });
    this.#settle();
    return item;
  }

  view(id) {
    return this.#views.get(id);
  }

  views() {
    return [...this.list.children].map((item) => this.#views.get(item.dataset.messageId)).filter(Boolean);
  }

  toEnd() {
    this.#atEnd = true;
    this.#settle();
  }

  renamed() {
    for (const view of this.#views.values()) view.renamed(view.names);
  }

  #holds(message) {
    const place = this.#place;
    if (!place || message.channel !== place.channel) return false;
    return place.thread
      ? message.id === place.thread || message.thread === place.thread
      : (message.thread ?? null) === null;
  }

  #receive(message, before) {
    if (message.thread && message.streaming && message.text && !before?.text) this.#views.get(message.thread)?.branched();
    if (!this.#holds(message)) return;
    const view = this.#views.get(message.id);
    if (view) return view.show(message);
    if (this.#oldest && message.ts < this.#oldest.ts) return;
    const made = new MessageView(message, this.options);
    this.#views.set(message.id, made);
    let after = this.list.lastElementChild;
    while (after && Number(after.dataset.ts) > message.ts) after = after.previousElementSibling;
    if (after) after.after(made.element);
    else this.list.prepend(made.element);
    this.#follow(made.element);
    this.#drawBlank();
    if (message.author.id === this.room.me.id) this.#atEnd = true;
    else if (!this.#atEnd) this.jump.hidden = false;
    this.#settle();
  }

  #drop(id) {
    const element = this.#views.get(id)?.element;
    if (!element) return;
    const next = element.nextElementSibling;
    this.#views.delete(id);
    element.remove();
    if (next) this.#follow(next);
    this.#drawBlank();
  }

  #follow(element) {
    for (const item of [element, element.nextElementSibling]) {
      const view = item && this.#views.get(item.dataset.messageId);
      let previous = item?.previousElementSibling;
      while (previous && !this.#views.has(previous.dataset.messageId)) previous = previous.previousElementSibling;
      const isNext = previous === item?.previousElementSibling;
      if (view) view.follow(this.#views.get(previous?.dataset.messageId) ?? null, isNext);
    }
  }

  #older(messages, more, place) {
    const first = place.thread ? messages[1] : messages[0];
    this.#oldest = first ?? null;
    this.earlier.hidden = !more;
  }

  async #loadEarlier() {
    const place = this.#place;
    const before = this.#oldest?.id;
    this.earlier.disabled = true;
    try {
      await this.room.loading(async () => {
        const { messages, more } = await api.messages({ ...place, person: this.room.me.id, before, limit: PAGE });
        if (place !== this.#place) return;
        const fromEnd = this.scroller.scrollHeight - this.scroller.scrollTop;
        this.#oldest = null;
        for (const message of messages) this.room.take(message);
        this.#older(messages, more, place);
        for (const view of this.#views.values()) view.show(view.message, { now: true });
        this.scroller.scrollTop = this.scroller.scrollHeight - fromEnd;
      });
    } catch (error) {
      this.tell({ text: error.message, error: true });
    } finally {
      this.earlier.disabled = false;
    }
  }

  #work({ channel, thread }) {
    if (channel !== this.#place?.channel) return;
    if ((this.#place.thread ?? null) === thread) this.#drawSign();
    else if (thread) this.#views.get(thread)?.branched();
  }

  #drawSign() {
    const text = this.#place && this.room.status(this.#place.channel, this.#place.thread);
    this.sign.hidden = !text;
    this.sign.dataset.text = text ?? "";
    this.sign.replaceChildren(...(text ? [`${this.room.bot.name} is ${text.replace(/[.…\s]+$/, "")}`, dots()] : []));
    this.#settle();
  }

  #drawBlank() {
    const isBlank = this.#place && this.list.childElementCount === 0;
    if (!isBlank) this.blank.replaceChildren();
    else if (!this.blank.childElementCount) this.blank.append(this.empty(this.#place) ?? "");
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    const distance = scrollHeight - scrollTop - clientHeight;
    // A move upwards is the reader's: growing text must not pull them back down.
    this.#atEnd = distance < (scrollTop < this.#top - 1 ? 4 : NEAR_END_PX);
    this.#top = scrollTop;
    if (this.#atEnd) this.jump.hidden = true;
  }

  #settle() {
    if (!this.#atEnd) return;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.jump.hidden = true;
  }
}
