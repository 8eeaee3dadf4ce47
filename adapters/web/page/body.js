// The text of one message, kept cheap while it grows: only its last blocks are rendered again, and what did not change
// keeps its nodes (so a selection or a scrolled code block survives).

import { renderBlocks } from "./markdown.js";

// Text that follows can still change these many blocks at the end (a heading underline, a list going on).
const UNSETTLED = 2;
const DEFINITION = /^ {0,3}\[[^\]]+\]:/m;

export class Body {
  #blocks = [];
  #text = null;
  #names = null;

  constructor(element) {
    this.element = element;
  }

  /** `whole`: the text is complete; links defined at its end then reach blocks at its beginning. */
  show(source, names, whole) {
    // Blocks are cut at line feeds; the parser would count a lone carriage return as a line too.
    const text = source.includes("\r") ? source.replace(/\r\n?/g, "\n") : source;
    if (text === this.#text && names === this.#names && !(whole && DEFINITION.test(text))) return;
    const fresh = names !== this.#names || (whole && DEFINITION.test(text));
    let kept = fresh ? 0 : this.#settled(text);
    const offset = this.#blocks.slice(0, kept).reduce((sum, block) => sum + block.source.length, 0);
    const old = this.#blocks.splice(kept);
    const rendered = text.slice(offset).trim() ? renderBlocks(text.slice(offset), names) : [];
    for (const [index, block] of rendered.entries()) this.#blocks.push(this.#place(old[index], block));
    for (const block of old.slice(rendered.length)) block.node.remove();
    this.#text = text;
    this.#names = names;
  }

  #settled(text) {
    let offset = 0;
    let kept = 0;
    for (const { source } of this.#blocks.slice(0, -UNSETTLED)) {
      if (!text.startsWith(source, offset)) break;
      offset += source.length;
      kept += 1;
    }
    return kept;
  }

  #place(old, block) {
    if (!old) this.element.append(block.node);
    else if (old.node.isEqualNode(block.node) || growCode(old.node, block.node)) return { ...block, node: old.node };
    else old.node.replaceWith(block.node);
    return block;
  }
}

function growCode(old, next) {
  const from = old.matches("figure.code") && old.querySelector("code")?.firstChild;
  const to = next.matches("figure.code") && next.querySelector("code")?.firstChild;
  if (!from || !to || !to.data.startsWith(from.data)) return false;
  if (old.querySelector("figcaption span").textContent !== next.querySelector("figcaption span").textContent)
    return false;
  from.appendData(to.data.slice(from.data.length));
  return true;
}
