// Changing one's own message in its place.

import * as api from "./api.js";
import { el } from "./dom.js";

/** Opens the editor in `view`; `onDone()` gets the focus back to where the person was writing. */
export function openEditor(view, room, onDone) {
  if (view.element.classList.contains("editing")) return;
  const { id, text } = view.message;
  const area = el("textarea", { class: "editor", "aria-label": "Edit message", "data-testid": "editor", rows: "1" });
  const complaint = el("p", { class: "complaint", role: "alert", hidden: true });
  const save = el("button", { type: "button", class: "button primary", onclick: submit }, "Save");
  const cancel = el("button", { type: "button", class: "button", onclick: close }, "Cancel");
  area.value = text;
  area.addEventListener("input", fit);
  area.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && !event.shiftKey) submit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  view.element.classList.add("editing");
  view.editor.replaceChildren(area, complaint, el("div", { class: "editor-buttons" }, save, cancel));
  fit();
  area.focus();
  area.setSelectionRange(text.length, text.length);

  function fit() {
    area.style.height = "auto";
    area.style.height = `${Math.min(360, area.scrollHeight + 2)}px`;
  }

  function close() {
    view.element.classList.remove("editing");
    view.editor.replaceChildren();
    onDone();
  }

  async function submit() {
    const changed = area.value.trim();
    if (!changed || changed === text.trim()) return close();
    save.disabled = true;
    try {
      const answer = await api.edit(id, { person: room.me.id, text: changed });
      if (answer.message) room.take(answer.message);
      close();
    } catch (error) {
      complaint.textContent = error.message;
      complaint.hidden = false;
      save.disabled = false;
    }
  }
}
