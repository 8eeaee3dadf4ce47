// Which model server answers, in one plain line, and the dialog that takes a key. The key goes to the workspace once
// and is kept nowhere in the page.

import * as api from "./api.js";
import { complainIn } from "./dialogs.js";
import { byId, el } from "./dom.js";
import { toast } from "./notices.js";

function sentence({ kind, name, model, url }) {
  const by = model ? ["with ", el("b", {}, model)] : [];
  if (kind === "guide") return ["The ", el("b", {}, "built-in guide"), " answers for now."];
  if (kind === "groq") return [el("b", {}, name || "Groq"), " answers ", ...by];
  if (kind === "local") return [el("b", {}, name || "A model server"), " on this machine answers ", ...by];
  return name === "the model server" ? ["Your model server answers ", ...by] : ["Your server ", el("b", {}, name || url), " answers ", ...by];
}

export function prepareBackend(room) {
  const banner = byId("banner");
  const dialog = byId("key-dialog");
  const [key, url, keep, save] = ["key-input", "key-url", "key-remember", "key-save"].map(byId);

  const draw = () => {
    banner.dataset.kind = room.backend.kind;
    byId("backend-line").replaceChildren(...sentence(room.backend));
    byId("open-key").textContent = room.backend.kind === "guide" ? "Connect a model" : "Change";
  };
  room.addEventListener("backend", draw);

  byId("open-key").addEventListener("click", () => {
    complainIn(dialog, "");
    key.value = "";
    dialog.showModal();
    key.focus();
  });
  dialog.addEventListener("close", () => (key.value = ""));
  dialog.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!key.value.trim() && !url.value.trim()) return complainIn(dialog, "Please paste a key.");
    save.disabled = true;
    save.textContent = "Checking…";
    try {
      const { backend } = await api.useKey({ key: key.value.trim(), url: url.value.trim(), remember: keep.checked });
      room.set("backend", backend);
      dialog.close();
      toast(`Connected: ${byId("backend-line").textContent}.`);
    } catch (error) {
      complainIn(dialog, error.message);
    } finally {
      save.disabled = false;
      save.textContent = "Connect";
    }
  });
}
