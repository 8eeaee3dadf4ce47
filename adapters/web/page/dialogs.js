// Native dialogs: the browser keeps the focus inside, closes on Esc and gives the focus back. Small ones live here.

import { byId, el } from "./dom.js";

/** Closes on its ✕ and on a press outside of it. */
export function prepareDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("pointerdown", (event) => event.target === dialog && dialog.close());
    for (const button of dialog.querySelectorAll("[data-close]"))
      button.addEventListener("click", () => dialog.close());
  }
}

export function complainIn(dialog, sentence) {
  const place = dialog.querySelector(".complaint");
  place.textContent = sentence;
  place.hidden = !sentence;
}

/** One question; true when the person agrees. */
export function confirmed(question, agree) {
  const dialog = byId("confirm");
  dialog.querySelector("p").textContent = question;
  byId("confirm-agree").textContent = agree;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "agree"), { once: true }),
  );
}

/** Asks for one name and hands it to `save(name)`, whose refusal is shown in the dialog. */
export function askName({ title, label, hint, button, save }) {
  const dialog = byId("naming");
  dialog.querySelector("h2").textContent = title;
  byId("naming-label").textContent = label;
  byId("naming-hint").textContent = hint;
  byId("naming-save").textContent = button;
  const input = byId("naming-input");
  input.value = "";
  complainIn(dialog, "");
  dialog.querySelector("form").onsubmit = async (event) => {
    event.preventDefault();
    if (!input.value.trim()) return complainIn(dialog, "Please type a name.");
    try {
      await save(input.value.trim());
      dialog.close();
    } catch (error) {
      complainIn(dialog, error.message);
    }
  };
  dialog.showModal();
  input.focus();
}

/** Ctrl/Cmd+K: go to a channel by typing a piece of its name. `places()` gives [{id, label}]; `go(id)`. */
export function prepareJump(places, go) {
  const dialog = byId("jump");
  const input = byId("jump-input");
  const list = byId("jump-list");
  let found = [];
  let active = 0;
  const choose = (index) => {
    if (!found[index]) return;
    dialog.close();
    go(found[index].id);
  };
  const draw = () => {
    list.replaceChildren(
      ...found.map(({ label }, index) =>
        el(
          "li",
          {
            role: "option",
            id: `jump-${index}`,
            "aria-selected": String(index === active),
            onclick: () => choose(index),
          },
          label,
        ),
      ),
    );
    if (found.length) input.setAttribute("aria-activedescendant", `jump-${active}`);
    else input.removeAttribute("aria-activedescendant");
  };
  const look = () => {
    const typed = input.value.trim().replace(/^[#@]/, "").toLowerCase();
    found = places().filter(({ label }) => label.toLowerCase().includes(typed));
    active = 0;
    draw();
  };
  input.addEventListener("input", look);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") choose(active);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp")
      active = (active + (event.key === "ArrowDown" ? 1 : -1) + found.length) % (found.length || 1);
    else return;
    event.preventDefault();
    draw();
  });
  const open = () => {
    if (document.querySelector("dialog[open]")) return;
    input.value = "";
    look();
    dialog.showModal();
  };
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
  });
  byId("open-jump").addEventListener("click", open);
}
