// What this browser remembers (drafts, person, theme). Storage may be full or forbidden: then nothing is kept.

const PREFIX = "parley:";

export function recall(key) {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

export function remember(key, value) {
  try {
    if (value) localStorage.setItem(PREFIX + key, value);
    else localStorage.removeItem(PREFIX + key);
  } catch {
    // A draft that cannot be stored stays in the box until the page is closed.
  }
}
