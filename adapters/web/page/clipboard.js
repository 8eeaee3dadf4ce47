// Copying text, also where the page is not a secure context and the Clipboard interface is missing.

import { el } from "./dom.js";

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const box = el("textarea", { class: "offscreen", "aria-hidden": "true" });
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
}

/** One listener for the copy buttons of all code blocks, present and future. */
export function watchCopyButtons(announce) {
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.(".copy-code");
    if (!button) return;
    await copyText(button.closest("figure").querySelector("code").textContent);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
    announce("Code copied.");
  });
}
