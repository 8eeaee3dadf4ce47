// Where the person is, kept in the address (`#/channel/thread`), so that reload, back and bookmarks work.

export function readPlace() {
  const [channel, thread] = location.hash.replace(/^#\/?/, "").split("/").map(decode);
  return { channel: channel || null, thread: thread || null };
}

export function goTo(channel, thread = null) {
  const hash = `#/${encodeURIComponent(channel)}${thread ? `/${encodeURIComponent(thread)}` : ""}`;
  if (hash !== location.hash) location.hash = hash;
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
