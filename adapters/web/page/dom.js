// Building elements. Text always becomes text nodes; nothing here parses HTML.

/** `on…` are listeners, true/false sets or leaves an attribute; children are nodes, texts or null. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

const due = new Map();

/** Run once in the next animation frame; a later call with the same key replaces the earlier one. */
export function nextFrame(key, run) {
  if (due.size === 0) requestAnimationFrame(runDue);
  due.set(key, run);
}

function runDue() {
  const runs = [...due.values()];
  due.clear();
  for (const run of runs) run();
}

/** The width from which thread and channel do not fit side by side; style.css has the same number. */
export const narrow = matchMedia("(max-width: 700px)");
