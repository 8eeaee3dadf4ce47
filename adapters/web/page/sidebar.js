// The list of rooms: channels, the direct room with the bot, and what is unread in them.

import * as api from "./api.js";
import { askName } from "./dialogs.js";
import { byId, el, narrow } from "./dom.js";
import { face } from "./face.js";

const STATES = { open: "Connected", connecting: "Connecting…", lost: "Connection lost, trying again…" };

export function prepareSidebar(room, { here, go }) {
  const item = (channel) => {
    const isHere = here() === channel.id;
    const isUnread = room.unread.has(channel.id) && !isHere;
    const sign =
      channel.kind === "direct"
        ? face({ ...room.bot, bot: true })
        : el("span", { class: "hash", "aria-hidden": "true" }, "#");
    return el(
      "li",
      {},
      el(
        "button",
        {
          type: "button",
          class: isUnread ? "room unread" : "room",
          "aria-current": isHere ? "page" : false,
          "data-testid": `room-${channel.id}`,
          onclick: () => go(channel.id),
        },
        sign,
        el("span", { class: "name" }, channel.name),
        isUnread && el("span", { class: "dot" }, el("span", { class: "offscreen" }, "unread")),
      ),
    );
  };
  const draw = () => {
    if (!room.me) return;
    byId("channel-list").replaceChildren(...room.open().map(item));
    byId("direct-list").replaceChildren(item(room.direct()));
  };
  room.addEventListener("channels", draw);
  byId("add-channel").addEventListener("click", () =>
    askName({
      title: "New channel",
      label: "Name",
      hint: "Short and in lower case, for example: ideas",
      button: "Create",
      save: async (name) => {
        const channel = await api.addChannel(name.replace(/^#/, ""));
        room.channels.set(channel.id, channel);
        draw();
        go(channel.id);
      },
    }),
  );
  return draw;
}

/** The drawer of narrow windows. */
export function prepareDrawer() {
  const sidebar = byId("sidebar");
  const button = byId("open-sidebar");
  const set = (isOpen) => {
    document.body.classList.toggle("drawer-open", isOpen);
    button.setAttribute("aria-expanded", String(isOpen));
    // What is off the screen must not be reachable by the keyboard either.
    sidebar.inert = narrow.matches && !isOpen;
    if (isOpen) sidebar.querySelector("button").focus();
  };
  button.addEventListener("click", () => set(true));
  byId("curtain").addEventListener("click", () => set(false));
  sidebar.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !document.body.classList.contains("drawer-open")) return;
    set(false);
    button.focus();
  });
  narrow.addEventListener("change", () => set(false));
  set(false);
  return () => set(false);
}

export function showConnection(state, retry) {
  const sign = byId("connection");
  sign.dataset.state = state;
  byId("connection-text").textContent = STATES[state];
  byId("offline").hidden = state !== "lost";
  byId("retry-now").onclick = retry;
}
