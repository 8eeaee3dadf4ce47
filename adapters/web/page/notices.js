// Notices: what only one person sees. They stand in the conversation where they arose until put away or reloaded.

import { el } from "./dom.js";
import { icon } from "./icons.js";
import { renderBlocks } from "./markdown.js";

export function noticeItem({ text, error }, ts, onGone) {
  const close = el(
    "button",
    { type: "button", class: "tool", "aria-label": "Put away", "data-testid": "notice-dismiss" },
    icon("close"),
  );
  const body = el("div", { class: "body" }, ...renderBlocks(text).map((block) => block.node));
  const item = el(
    "li",
    { class: error ? "notice error" : "notice", "data-testid": "notice", "data-ts": ts, tabindex: "-1" },
    el("div", { class: "notice-head" }, el("span", {}, "Only visible to you"), close),
    body,
  );
  close.addEventListener("click", () => {
    item.remove();
    onGone();
  });
  return item;
}

let leaving;

/** A sentence at the window's edge for what belongs to no conversation. */
export function toast(text, { error = false } = {}) {
  const place = document.getElementById("toast");
  place.textContent = text;
  place.classList.toggle("error", error);
  place.hidden = false;
  clearTimeout(leaving);
  leaving = setTimeout(() => (place.hidden = true), error ? 9000 : 5000);
}
