// The buttons under a reply. They send the wish and wait for the room to change; only a thumb is remembered here,
// because the workspace does not tell it back.

import { el } from "./dom.js";
import { icon } from "./icons.js";

const thumbs = new Map();

function button(name, label, picture, press, { text = "", pressed = null, disabled = false } = {}) {
  const attributes = {
    type: "button",
    class: text ? "control worded" : "control",
    "data-testid": name,
    title: label,
    onclick: press,
  };
  if (!text) attributes["aria-label"] = label;
  if (pressed !== null) attributes["aria-pressed"] = String(pressed);
  return el("button", { ...attributes, disabled }, icon(picture), text);
}

/** `press(action, value)` returns a promise; `copy()` puts the answer's text on the clipboard. */
export function controlBar(message, press, copy) {
  const { stop, regenerate, retry, feedback, version, versions } = message.controls;
  const bar = el("div", { class: "controls", role: "group", "aria-label": "Reply controls" });
  if (stop) bar.append(button("control-stop", "Stop this answer", "stop", () => press("stop"), { text: "Stop" }));
  if (retry) bar.append(button("control-retry", "Try again", "regenerate", () => press("retry"), { text: "Retry" }));
  if (versions > 1) bar.append(pager(version, versions, press));
  if (message.streaming) return bar;
  if (regenerate) bar.append(button("control-regenerate", "Regenerate", "regenerate", () => press("regenerate")));
  if (feedback) bar.append(...feedbackButtons(message, press));
  if (message.text) bar.append(button("control-copy", "Copy answer", "copy", copy));
  bar.append(button("control-why", "Why this answer?", "question", () => press("why"), { text: "Why" }));
  return bar;
}

function pager(version, versions, press) {
  return el(
    "span",
    { class: "pager", role: "group", "aria-label": "Versions of this answer" },
    button("version-prev", "Earlier version", "left", () => press("version", String(version - 1)), {
      disabled: version <= 1,
    }),
    el("span", { class: "version", "data-testid": "version-label" }, `${version} / ${versions}`),
    button("version-next", "Later version", "right", () => press("version", String(version + 1)), {
      disabled: version >= versions,
    }),
  );
}

function feedbackButtons(message, press) {
  const key = `${message.id}:${message.controls.version}`;
  const buttons = ["up", "down"].map((value) =>
    button(`control-${value}`, value === "up" ? "Good answer" : "Bad answer", value, rate, {
      pressed: thumbs.get(key) === value,
    }),
  );
  async function rate(event) {
    const currentTarget = event.currentTarget;
    const value = currentTarget.dataset.testid.slice("control-".length);
    if (!(await press("feedback", value))) return;
    thumbs.set(key, value);
    for (const each of buttons) each.setAttribute("aria-pressed", String(each === currentTarget));
  }
  return buttons;
}
