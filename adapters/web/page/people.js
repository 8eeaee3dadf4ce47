// Who is writing. The workspace is one machine's: anybody at it may be any of its people.

import * as api from "./api.js";
import { askName } from "./dialogs.js";
import { byId, el } from "./dom.js";
import { face } from "./face.js";
import { icon } from "./icons.js";
import { recall, remember } from "./memory.js";

/** The person this browser was last, else the first there is, else a new one. */
export async function whoAmI(people) {
  const known = people.find((person) => person.id === recall("person"));
  return known ?? people[0] ?? (await api.addPerson("You"));
}

export function preparePeople(room, become) {
  const menu = byId("people-menu");
  const open = byId("open-people");
  const choose = (person) => {
    menu.hidePopover();
    remember("person", person.id);
    if (person.id !== room.me.id) become(person);
  };
  const draw = () => {
    if (!room.me) return;
    byId("me").replaceChildren(face(room.me), el("span", { class: "name" }, room.me.name));
    const people = [...room.people.values()].map((person) =>
      el(
        "li",
        {},
        el(
          "button",
          {
            type: "button",
            class: "menu-item",
            "aria-current": person.id === room.me.id ? "true" : false,
            onclick: () => choose(person),
          },
          face(person),
          person.name,
          person.id === room.me.id && icon("check"),
        ),
      ),
    );
    byId("people-list").replaceChildren(...people);
  };
  byId("add-person").addEventListener("click", () => {
    menu.hidePopover();
    askName({
      title: "Add a person",
      label: "Name",
      hint: "Try a conversation between several people: everyone in a thread takes part.",
      button: "Add and switch",
      save: async (name) => {
        const person = await api.addPerson(name);
        room.people.set(person.id, person);
        choose(person);
      },
    });
  });
  menu.addEventListener("toggle", ({ newState }) => open.setAttribute("aria-expanded", String(newState === "open")));
  room.addEventListener("people", draw);
  return draw;
}
