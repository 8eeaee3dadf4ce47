// The settings form of one conversation. An empty field means: nothing is set at this level, and what counts then is
// said under it. Only fields the person changed are sent.

import * as api from "./api.js";
import { complainIn } from "./dialogs.js";
import { byId, el } from "./dom.js";
import { icon } from "./icons.js";

const LONGEST_SHOWN = 120;
const LEVELS = {
  deployment: "Everywhere",
  workspace: "Whole workspace",
  channel: "This channel",
  person: "Only me",
  thread: "This thread",
  turn: "One answer",
};

export class Settings {
  constructor(room, onNotice) {
    Object.assign(this, { room, onNotice });
    this.dialog = byId("settings");
    this.fields = byId("settings-fields");
    this.levels = byId("settings-levels");
    this.save = byId("settings-save");
    this.dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  open(place) {
    this.place = place;
    this.fields.replaceChildren(el("p", { class: "soft" }, "Loading…"));
    this.levels.replaceChildren();
    complainIn(this.dialog, "");
    if (!this.dialog.open) this.dialog.showModal();
    return this.#load();
  }

  async #load(level) {
    this.save.disabled = true;
    try {
      const form = await api.form({ person: this.room.me.id, ...this.place, level });
      this.level = form.level;
      this.#drawLevels(form);
      this.fields.replaceChildren(...form.fields.map(fieldRow));
      this.save.disabled = false;
      complainIn(this.dialog, "");
    } catch (error) {
      this.fields.replaceChildren();
      complainIn(this.dialog, error.message);
    }
  }

  #drawLevels({ level, levels }) {
    const focused = this.levels.contains(document.activeElement);
    this.levels.replaceChildren(
      ...levels.map((each) =>
        el(
          "label",
          { class: "segment" },
          el("input", {
            type: "radio",
            name: "level",
            value: each,
            checked: each === level,
            "data-testid": `level-${each}`,
            onchange: () => this.#load(each),
          }),
          el("span", {}, LEVELS[each] ?? each),
        ),
      ),
    );
    if (focused) this.levels.querySelector("input:checked")?.focus();
  }

  async #submit() {
    const values = {};
    for (const input of this.fields.querySelectorAll("[name]")) {
      if (!input.disabled && input.value !== input.dataset.before) values[input.name] = input.value;
    }
    if (Object.keys(values).length === 0) return this.dialog.close();
    this.save.disabled = true;
    try {
      const { notice, field_errors: wrong } = await api.submitForm({
        person: this.room.me.id,
        ...this.place,
        level: this.level,
        values,
      });
      if (wrong && Object.keys(wrong).length) return this.#showErrors(wrong, notice);
      if (notice?.error) return complainIn(this.dialog, notice.text);
      this.dialog.close();
      if (notice) this.onNotice(this.place, notice);
    } catch (error) {
      complainIn(this.dialog, error.message);
    } finally {
      this.save.disabled = false;
    }
  }

  #showErrors(wrong, notice) {
    for (const row of this.fields.querySelectorAll(".field")) {
      const sentence = wrong[row.dataset.key] ?? "";
      const place = row.querySelector(".field-error");
      place.replaceChildren(...sentence.split("`").map((words, at) => (at % 2 ? el("code", {}, words) : words)));
      place.hidden = !sentence;
      row.querySelector("[name]").toggleAttribute("aria-invalid", Boolean(sentence));
    }
    complainIn(this.dialog, notice?.error ? notice.text : "Nothing was saved yet: please look at the marked fields.");
    const first = this.fields.querySelector("[aria-invalid]");
    first?.focus();
    first?.closest(".field").scrollIntoView({ block: "nearest" }); // with what is wrong, which stands under it
  }
}

function fieldRow(field) {
  const id = `setting-${field.key}`;
  const control = fieldControl(field, id);
  control.dataset.before = control.value;
  const origin = el(
    "span",
    { class: "origin" },
    "Now: ",
    el("b", { title: field.effective }, shortened(field.effective) || "not set"),
    field.origin ? ` · ${field.origin}` : "",
  );
  return el(
    "div",
    { class: "field", "data-key": field.key, "data-testid": `field-${field.key}` },
    el("label", { for: id }, field.label, field.locked && el("span", { class: "locked" }, icon("lock"), "locked")),
    control,
    el("p", { class: "help", id: `${id}-help` }, field.help ? `${field.help} ` : "", origin),
    el("p", { class: "field-error", id: `${id}-error`, hidden: true }),
  );
}

function shortened(value) {
  return value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}…` : value;
}

function fieldControl(field, id) {
  const attributes = { id, name: field.key, disabled: field.locked, "aria-describedby": `${id}-help ${id}-error` };
  const choices = field.choices?.length ? field.choices : field.kind === "switch" ? ["on", "off"] : [];
  if (choices.length) {
    const known = choices.includes(field.value) || !field.value ? choices : [field.value, ...choices];
    const options = known.map((choice) => el("option", { value: choice, selected: choice === field.value }, choice));
    return el("select", attributes, el("option", { value: "" }, "Not set here"), ...options);
  }
  if (field.kind === "long") {
    const area = el("textarea", { ...attributes, rows: "4", placeholder: "Not set here" });
    area.value = field.value;
    return area;
  }
  const number = field.kind === "number" ? { inputmode: "decimal" } : {};
  return el("input", {
    ...attributes,
    ...number,
    type: "text",
    value: field.value,
    placeholder: "Not set here",
    autocomplete: "off",
  });
}
