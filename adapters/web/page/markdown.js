// Markdown to DOM. Every text passes markdown-it (raw HTML off) and then DOMPurify with the short list below; what
// comes out is nodes, never an HTML string put into the page. Pictures become links: reading an answer loads nothing.

import "./vendor/markdown-it.umd.min.js";
import "./vendor/purify.min.js";
import { el } from "./dom.js";
import { icon } from "./icons.js";

const TAGS = [
  "a",
  "blockquote",
  "br",
  "code",
  "del",
  "em",
  "h1",
  "h2",
  "h3",
  "h4",
  "h5",
  "h6",
  "hr",
  "li",
  "ol",
  "p",
  "pre",
  "s",
  "span",
  "strong",
  "table",
  "tbody",
  "td",
  "th",
  "thead",
  "tr",
  "ul",
];
const PURIFIER = {
  ALLOWED_TAGS: TAGS,
  ALLOWED_ATTR: ["href", "class", "start", "data-language"],
  // Attributes that hold no address; without this their values would be measured against the pattern below.
  ADD_URI_SAFE_ATTR: ["start", "data-language"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  RETURN_DOM_FRAGMENT: true,
};
const CLASSES = new Set(["align-center", "align-right", "picture", ...[1, 2, 3, 4, 5, 6].map((n) => `heading-${n}`)]);

const markdown = globalThis.markdownit({ html: false, linkify: true, breaks: true });
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
markdown.validateLink = (address) => PURIFIER.ALLOWED_URI_REGEXP.test(address.trim());
const escape = markdown.utils.escapeHtml;

function renderCode(tokens, index) {
  const language = (tokens[index].info ?? "").trim().split(/\s+/)[0];
  return `<pre data-language="${escape(language)}"><code>${escape(tokens[index].content)}</code></pre>`;
}
markdown.renderer.rules.fence = renderCode;
markdown.renderer.rules.code_block = renderCode;
markdown.renderer.rules.image = (tokens, index) => {
  const address = tokens[index].attrGet("src");
  return `<a class="picture" href="${escape(address)}">${escape(tokens[index].content || "picture")}</a>`;
};
for (const cell of ["th_open", "td_open"]) {
  markdown.renderer.rules[cell] = (tokens, index) => {
    const side = /text-align:(center|right)/.exec(tokens[index].attrGet("style") ?? "");
    return `<${tokens[index].tag}${side ? ` class="align-${side[1]}"` : ""}>`;
  };
}
// A message lives below the page's own headings, so its outline starts at level three.
for (const [rule, slash] of [
  ["heading_open", ""],
  ["heading_close", "/"],
]) {
  markdown.renderer.rules[rule] = (tokens, index) => {
    const level = Number(tokens[index].tag[1]);
    return `<${slash}h${Math.min(6, level + 2)}${slash ? "" : ` class="heading-${level}"`}>`;
  };
}
// Models break lines inside table cells with this tag; it is the only one read, and only as a line break.
markdown.inline.ruler.before("html_inline", "break_tag", (state, silent) => {
  const tag = /^<br\s*\/?>/i.exec(state.src.slice(state.pos, state.pos + 8));
  if (!tag) return false;
  if (!silent) state.push("hardbreak", "br", 0);
  state.pos += tag[0].length;
  return true;
});

const purify = globalThis.DOMPurify;
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.hasAttribute?.("class") && !CLASSES.has(node.getAttribute("class"))) node.removeAttribute("class");
  if (node.nodeName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer");
});

/** Text → [{source, node}], one per top-level block; the sources together are the text again. */
export function renderBlocks(text, names = null) {
  const tokens = markdown.parse(text, {});
  const starts = topLevelLines(tokens);
  const fragment = purify.sanitize(markdown.renderer.render(tokens, markdown.options, {}), PURIFIER);
  const nodes = [...fragment.children];
  for (const node of nodes) decorate(node, names);
  const decorated = [...fragment.children];
  // Link definitions render nothing but belong to no block of their own, so counts agree; if ever not, one block it is.
  if (starts.length !== decorated.length || starts.length === 0) {
    return [{ source: text, node: el("div", { class: "blocks" }, ...decorated) }];
  }
  const borders = [0, ...starts.slice(1).map(offsets(text)), text.length];
  return decorated.map((node, index) => ({ source: text.slice(borders[index], borders[index + 1]), node }));
}

function topLevelLines(tokens) {
  const lines = [];
  for (const token of tokens) if (token.level === 0 && token.nesting >= 0 && token.map) lines.push(token.map[0]);
  return lines;
}

function offsets(text) {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (line) => starts[line] ?? text.length;
}

function decorate(block, names) {
  if (names) markMentions(block, names);
  const found = [...block.querySelectorAll("pre, table")];
  if (block.matches("pre, table")) found.push(block);
  for (const node of found) (node.nodeName === "PRE" ? frameCode : frameTable)(node);
}

function frameCode(pre) {
  const language = pre.dataset.language ?? "";
  const copy = el("button", { type: "button", class: "copy-code", "aria-label": "Copy code" }, icon("copy"), "Copy");
  const figure = el("figure", { class: "code" }, el("figcaption", {}, el("span", {}, language || "text"), copy));
  pre.replaceWith(figure);
  pre.tabIndex = 0;
  figure.append(pre);
}

function frameTable(table) {
  const frame = el("div", { class: "table", role: "region", "aria-label": "Table", tabindex: "0" });
  table.replaceWith(frame);
  frame.append(table);
}

function markMentions(block, names) {
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement.closest("code, pre, a") && walker.currentNode.data.includes("@")) {
      found.push(walker.currentNode);
    }
  }
  for (const node of found) {
    const pieces = node.data.split(names);
    if (pieces.length === 1) continue;
    node.replaceWith(...pieces.map((piece, index) => (index % 2 ? el("span", { class: "mention" }, piece) : piece)));
  }
}

/** The pattern that finds `@Name` of the people given, or null; its one group is the mention. */
export function mentionPattern(names) {
  const escaped = names.filter(Boolean).sort((a, b) => b.length - a.length);
  if (escaped.length === 0) return null;
  const choice = escaped.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  return new RegExp(`(?<![\\p{L}\\p{N}_])(@(?:${choice}))(?![\\p{L}\\p{N}_])`, "giu");
}
