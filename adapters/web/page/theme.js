// Light, dark, or as the system says. early.js applies what is stored here before the first paint.

import { byId } from "./dom.js";
import { icon } from "./icons.js";
import { recall, remember } from "./memory.js";

const systemDark = matchMedia("(prefers-color-scheme: dark)");

export function prepareTheme() {
  const button = byId("theme");
  const isDark = () => (recall("theme") ?? (systemDark.matches ? "dark" : "light")) === "dark";
  const draw = () => {
    const label = isDark() ? "Switch to light" : "Switch to dark";
    button.replaceChildren(icon(isDark() ? "sun" : "moon"));
    button.setAttribute("aria-label", label);
    button.title = label;
  };
  button.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    // The system's own choice is not stored, so the page goes on following it.
    remember("theme", next === (systemDark.matches ? "dark" : "light") ? "" : next);
    if (recall("theme")) document.documentElement.dataset.theme = next;
    else delete document.documentElement.dataset.theme;
    draw();
  });
  systemDark.addEventListener("change", draw);
  draw();
}
