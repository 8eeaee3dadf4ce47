// "Behave like": the workspace can take on the limits of Slack or of Discord.

import * as api from "./api.js";
import { byId, narrow } from "./dom.js";
import { toast } from "./notices.js";

const MEANINGS = {
  web: "Without limits: answers grow many times a second.",
  slack: "Like Slack: 12,000 characters a message, about 50 edits a minute.",
  discord: "Like Discord: 2,000 characters a message, 5 edits in 5 seconds.",
};

export function prepareBehave(room) {
  const form = byId("behave");
  const line = byId("behave-line");
  const draw = () => {
    for (const input of form.querySelectorAll("input")) input.checked = input.value === room.behave;
    line.textContent = MEANINGS[room.behave] ?? "";
    line.hidden = room.behave === "web";
  };
  for (const input of form.querySelectorAll("input")) {
    input.parentElement.title = MEANINGS[input.value];
    input.addEventListener("change", async () => {
      try {
        room.set("behave", (await api.behave(input.value)).behave);
        if (room.behave === "web") toast(MEANINGS.web);
      } catch (error) {
        toast(error.message, { error: true });
        draw();
      }
    });
  }
  room.addEventListener("behave", draw);
  const settle = () => byId(narrow.matches ? "sidebar-foot" : "header-tools").prepend(form);
  narrow.addEventListener("change", settle);
  settle();
}
