// The workspace's HTTP interface. Every failure becomes `Refused`, whose message is a sentence for people.

export class Refused extends Error {
  constructor(sentence, status = 0) {
    super(sentence);
    this.status = status;
  }
}

const UNREACHABLE = "The workspace cannot be reached right now. Nothing is lost; try again in a moment.";
const PATIENCE_MS = 20_000;

async function call(method, path, body, patience = PATIENCE_MS) {
  const headers = {};
  if (method !== "GET") headers["X-Parley"] = "1";
  if (body !== undefined && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, { method, headers, body, signal: AbortSignal.timeout(patience) });
  } catch {
    throw new Refused(UNREACHABLE);
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    throw new Refused(answer?.error || `The workspace refused this (${response.status}).`, response.status);
  }
  if (answer === null) throw new Refused(UNREACHABLE, response.status);
  return answer;
}

const query = (values) =>
  new URLSearchParams(Object.entries(values).filter(([, value]) => value !== null && value !== undefined));

export const hello = (person) => call("GET", `/api/hello?${query({ person })}`);
export const messages = (values) => call("GET", `/api/messages?${query(values)}`);
export const message = (id) => call("GET", `/api/messages/${encodeURIComponent(id)}`);
export const post = (values) => call("POST", "/api/messages", values);
export const edit = (id, values) => call("PATCH", `/api/messages/${encodeURIComponent(id)}`, values);
export const remove = (id, person) => call("DELETE", `/api/messages/${encodeURIComponent(id)}`, { person });
export const press = (values) => call("POST", "/api/controls", values);
export const command = (values) => call("POST", "/api/commands", values);
export const complete = (values) => call("POST", "/api/complete", values, 4_000);
export const form = (values) => call("GET", `/api/form?${query(values)}`);
export const submitForm = (values) => call("POST", "/api/form", values);
export const addPerson = (name) => call("POST", "/api/people", { name });
export const addChannel = (name) => call("POST", "/api/channels", { name });
export const useKey = (values) => call("POST", "/api/key", values, 60_000);
export const behave = (name) => call("POST", "/api/behave", { behave: name });
export const fileAddress = (id) => `/api/files/${encodeURIComponent(id)}`;

export function upload(file, person) {
  const body = new FormData();
  body.append("file", file, file.name);
  return call("POST", `/api/files?${query({ person })}`, body, 300_000);
}
