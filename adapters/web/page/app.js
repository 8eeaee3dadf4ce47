// The page's composition: builds the parts, and carries what one of them learns to the others.

import { Announcer } from "./announcer.js";
import * as api from "./api.js";
import { prepareBackend } from "./backend.js";
import { prepareBehave } from "./behave.js";
import { copyText, watchCopyButtons } from "./clipboard.js";
import { Connection } from "./connection.js";
import { confirmed, prepareDialogs, prepareJump } from "./dialogs.js";
import { byId, narrow } from "./dom.js";
import { drawIcons } from "./icons.js";
import { mentionPattern } from "./markdown.js";
import { toast } from "./notices.js";
import { Pane } from "./pane.js";
import { preparePeople, whoAmI } from "./people.js";
import { goTo, readPlace } from "./place.js";
import { Room } from "./room.js";
import { Settings } from "./settings.js";
import { prepareDrawer, prepareSidebar, showConnection } from "./sidebar.js";
import { prepareTheme } from "./theme.js";
import { welcome } from "./welcome.js";

const STARTED = Date.now() / 1000;
const room = new Room();
const announcer = new Announcer(byId("announcer"));
const say = (text) => announcer.say(text);
const settings = new Settings(room, tell);
const asked = new Set();
let names = null;

const acts = {
  openThread: (message) => goTo(message.channel, message.thread ?? message.id),
  copy: async (message) => {
    await copyText(message.text);
    toast("Copied.");
  },
  remove: async (message) => {
    if (!(await confirmed("Delete this message? An answer to it goes too.", "Delete"))) return;
    await attempt(message, () => api.remove(message.id, room.me.id));
  },
  press: (message, action, value = "") =>
    attempt(message, async () => {
      const { notice } = await api.press({ person: room.me.id, message: message.id, action, value });
      if (notice) tell(message, notice);
    }),
};

const common = {
  room,
  acts,
  names: () => names,
  onSent: sent,
  onNotice: tell,
  onForm: (place) => settings.open(place),
};
const channelPane = new Pane({
  ...common,
  name: "channel",
  element: byId("channel"),
  empty: ({ channel }) => welcome(room, room.channel(channel), (text) => channelPane.composer.fill(text)),
});
const threadPane = new Pane({ ...common, name: "thread", element: byId("thread"), empty: () => null });
const drawSidebar = prepareSidebar(room, { here: () => channelPane.place?.channel, go: enter });
const drawPeople = preparePeople(room, become);
const closeDrawer = prepareDrawer();
const connection = new Connection({
  onEvent: (event) => room.apply(event),
  onFresh: refresh,
  onState: (state) => showConnection(state, () => connection.hurry()),
});

function enter(channel) {
  closeDrawer();
  goTo(channel);
  if (!narrow.matches) channelPane.composer.area.focus();
}

/** Runs what may be refused; the refusal becomes a notice in its conversation. */
async function attempt({ channel, thread }, act) {
  try {
    await act();
    return true;
  } catch (error) {
    tell({ channel, thread: thread ?? null }, { text: error.message, error: true });
    return false;
  }
}

/** Shows a notice where it belongs, or where the person is if that place is not on the screen. */
function tell({ channel, thread }, notice) {
  const inThread = thread && threadPane.place?.thread === thread;
  const pane = inThread ? threadPane : channelPane;
  if (pane.place?.channel !== channel) return toast(notice.text, notice);
  pane.timeline.tell(notice);
  say(`Only visible to you: ${notice.text}`);
}

function sent(message) {
  if (message.thread || room.channel(message.channel)?.kind === "direct") return;
  asked.add(message.id);
  const { id, channel } = message;
  const isAnswered = [...room.messages.values()].some((other) => other.author.bot && other.thread === id);
  if (isAnswered || room.status(channel, id)) follow(channel, id); // the bot can be faster than the word that it was asked
}

/** The bot began to answer a question asked here: show its thread, unless the person is busy in another one. */
function follow(channel, thread) {
  if (!asked.delete(thread) || channel !== channelPane.place?.channel) return;
  if (threadPane.place && !threadPane.composer.isEmpty) return;
  const moves = !narrow.matches && document.activeElement === channelPane.composer.area && channelPane.composer.isEmpty;
  goTo(channel, thread);
  if (moves) addEventListener("hashchange", () => threadPane.composer.area.focus(), { once: true });
}

async function navigate() {
  const wanted = readPlace();
  const channel = room.channel(wanted.channel) ?? room.open()[0] ?? room.direct();
  const thread = channel.id === wanted.channel && channel.kind === "channel" ? wanted.thread : null;
  const hadThread = threadPane.place;
  document.body.classList.toggle("thread-open", Boolean(thread));
  byId("thread").hidden = !thread;
  byId("channel").inert = Boolean(thread) && narrow.matches;
  const isDirect = channel.kind === "direct";
  byId("channel-name").textContent = isDirect ? channel.name : `# ${channel.name}`;
  byId("channel-topic").textContent = isDirect ? "Only you and the bot" : (channel.topic ?? "");
  byId("thread-place").textContent = `# ${channel.name}`;
  document.title = `${isDirect ? "" : "#"}${channel.name} · Parley`;
  const placeholder = isDirect ? `Message ${channel.name}` : `Message #${channel.name}, @${room.bot.name} to ask`;
  room.mark(channel.id, false);
  const loads = [
    channelPane.show({ channel: channel.id, thread: null }, placeholder),
    threadPane.show(thread ? { channel: channel.id, thread } : null, "Reply in this thread"),
  ];
  drawSidebar();
  if (hadThread && !thread && !narrow.matches) channelPane.composer.area.focus();
  await Promise.all(loads);
}

/** After a (re)connection: everything shown is loaded again. */
async function refresh() {
  try {
    room.greet(await api.hello(room.me.id));
    room.statuses.clear();
    await Promise.all([channelPane.reload(), threadPane.reload()]);
  } catch (error) {
    toast(error.message, { error: true });
  }
}

async function become(person) {
  room.me = person;
  room.unread.clear();
  asked.clear();
  channelPane.forget();
  threadPane.forget();
  room.messages.clear();
  drawPeople();
  drawSidebar();
  const wasDirect = readPlace().channel?.startsWith("dm-");
  if (wasDirect) goTo(`dm-${person.id}`);
  else await navigate();
  connection.open(person.id);
}

function listen() {
  room.addEventListener("people", () => {
    names = mentionPattern([room.bot.name, ...[...room.people.values()].map((person) => person.name)]);
    channelPane.timeline.renamed();
    threadPane.timeline.renamed();
  });
  room.addEventListener("message", ({ detail: { message, before } }) => {
    const here = message.channel === channelPane.place?.channel;
    if (here) announcer.hear(message, before, room.me.id);
    if (!before && message.author.id !== room.me.id && message.ts > STARTED && !here) room.mark(message.channel, true);
    if (!before && message.author.bot && message.thread) follow(message.channel, message.thread);
  });
  room.addEventListener(
    "deleted",
    ({ detail: { id } }) => id === threadPane.place?.thread && goTo(channelPane.place.channel),
  );
  room.addEventListener(
    "status",
    ({ detail }) => detail.text && detail.thread && follow(detail.channel, detail.thread),
  );
  room.addEventListener("notice", ({ detail }) =>
    tell({ channel: detail.channel, thread: detail.thread ?? null }, detail),
  );
  addEventListener("hashchange", navigate);
  narrow.addEventListener("change", navigate);
  for (const id of ["close-thread", "close-thread-narrow"])
    byId(id).addEventListener("click", () => goTo(channelPane.place.channel));
  byId("open-settings").addEventListener("click", () => settings.open(channelPane.place));
  byId("open-thread-settings").addEventListener("click", () => settings.open(threadPane.place));
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    (threadPane.place ? threadPane : channelPane).composer.area.focus();
  });
  byId("thread").addEventListener("keydown", (event) => event.key === "Escape" && goTo(channelPane.place.channel));
}

async function start() {
  drawIcons(document);
  prepareDialogs();
  prepareTheme();
  prepareBackend(room);
  prepareBehave(room);
  prepareJump(
    () => [
      ...room.open().map(({ id, name }) => ({ id, label: `# ${name}` })),
      { id: room.direct().id, label: room.bot.name },
    ],
    enter,
  );
  watchCopyButtons(say);
  listen();
  for (;;) {
    try {
      const hello = await api.hello();
      room.me = await whoAmI(hello.people);
      room.greet(hello);
      room.people.set(room.me.id, room.me);
      break;
    } catch (error) {
      document.body.classList.remove("starting");
      showConnection("lost", () => location.reload());
      say(error.message);
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
  drawPeople();
  document.body.classList.remove("starting");
  navigate();
  connection.open(room.me.id);
}

start();
