// What the page knows of the workspace. Changes come in by `apply` (live events) and `take` (loaded messages) and go
// out as DOM events named after them; who shows something listens.
//
// While anything is being loaded, live events wait and are applied in order afterwards: a loaded copy may be older or
// newer than an event that overtook it, and replaying in order ends at the newest state in both cases.

import * as api from "./api.js";

export class Room extends EventTarget {
  me = null;
  people = new Map();
  channels = new Map();
  messages = new Map();
  statuses = new Map();
  unread = new Set();
  #loads = 0;
  #waiting = [];
  #doubtful = new Set();

  greet(hello) {
    const { bot, command, backend, behave, limits } = hello;
    Object.assign(this, { bot, command, backend, behave, limits: limits ?? {} });
    this.people = new Map(hello.people.map((person) => [person.id, person]));
    this.channels = new Map(hello.channels.map((channel) => [channel.id, channel]));
    for (const name of ["people", "channels", "backend", "behave"]) this.#tell(name);
  }

  /** The direct room of this person with the bot; the workspace may list it or not. */
  direct() {
    const id = `dm-${this.me?.id}`;
    return { ...this.channels.get(id), id, name: this.bot.name, kind: "direct", topic: "" };
  }

  channel(id) {
    return id === `dm-${this.me?.id}` ? this.direct() : this.channels.get(id);
  }

  open() {
    return [...this.channels.values()].filter((channel) => channel.kind === "channel");
  }

  status(channel, thread) {
    return this.statuses.get(`${channel}:${thread ?? ""}`) ?? null;
  }

  /** Whether words of an answer stand in this thread and more are coming. */
  writes(thread) {
    return [...this.messages.values()].some((message) => message.thread === thread && message.streaming && message.text);
  }

  /** Runs a load; live events wait until no load is under way. */
  async loading(load) {
    this.#loads += 1;
    try {
      return await load();
    } finally {
      this.#loads -= 1;
      this.#drain();
    }
  }

  take(message) {
    const before = this.messages.get(message.id);
    this.messages.set(message.id, message);
    this.#tell("message", { message, before });
  }

  apply(event) {
    this.#waiting.push(event);
    this.#drain();
  }

  #drain() {
    while (this.#loads === 0 && this.#waiting.length) this.#act(this.#waiting.shift());
    if (this.#loads === 0 && this.#doubtful.size) this.#refetch();
  }

  #act(event) {
    if (event.type === "message") this.take(event.message);
    else if (event.type === "text") this.#grow(event);
    else if (event.type === "deleted") this.forget(event.id);
    else if (event.type === "status") this.#work(event);
    else if (event.type === "channel") this.#put(this.channels, event.channel, "channels");
    else if (event.type === "person") this.#put(this.people, event.person, "people");
    else if (event.type === "backend") this.set("backend", event.backend);
    else if (event.type === "behave") this.set("behave", event.behave);
    else if (event.type === "notice") this.#tell("notice", event);
  }

  forget(id) {
    const message = this.messages.get(id);
    this.messages.delete(id);
    this.#tell("deleted", { id, message });
  }

  set(name, value) {
    this[name] = value;
    this.#tell(name);
  }

  mark(channel, isUnread) {
    const changed = isUnread ? !this.unread.has(channel) : this.unread.has(channel);
    if (isUnread) this.unread.add(channel);
    else this.unread.delete(channel);
    if (changed) this.#tell("channels");
  }

  #grow({ id, keep, tail, len, notes, controls, streaming }) {
    const before = this.messages.get(id);
    if (!before) return;
    const text = before.text.slice(0, keep) + tail;
    if (keep > before.text.length || (len !== undefined && text.length !== len)) this.#doubtful.add(id);
    const message = { ...before, text };
    if (notes !== undefined) message.notes = notes;
    if (controls !== undefined) message.controls = controls;
    if (streaming !== undefined) message.streaming = streaming;
    this.messages.set(id, message);
    this.#tell("message", { message, before });
  }

  #work({ channel, thread, text }) {
    const key = `${channel}:${thread ?? ""}`;
    if (text) this.statuses.set(key, text);
    else this.statuses.delete(key);
    this.#tell("status", { channel, thread: thread ?? null, text });
  }

  #put(map, value, name) {
    map.set(value.id, value);
    this.#tell(name);
  }

  #refetch() {
    const ids = [...this.#doubtful];
    this.#doubtful.clear();
    for (const id of ids) {
      this.loading(async () => this.take((await api.message(id)).message)).catch((error) => {
        if (error.status === 404) this.forget(id);
      });
    }
  }

  #tell(name, detail = {}) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
