"use strict";
// How the text is coloured. Names in a layer's head, and what stands in braces, differ in colour.
const netdefLanguage = (() => {
  const { HighlightStyle, StreamLanguage, tags } = CodeMirror;
  const statement = /^(?:layers?|defaults|include|remove|bypass|train|test)$/;
  const number = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[fF]?(?![\w/])/;

  function word(stream, state) {
    const text = stream.current(), next = stream.peekAhead();
    if (state.depth === 0 && state.head === 0 && statement.test(text)) {
      state.head = text === "train" || text === "test" ? 0 : 1;
      if (next === "{") state.head = 0; // Caffe's form
      return "keyword";
    }
    if (state.depth === 0 && state.head === 2) return "typeName";
    if (state.depth === 0 && state.head) return "variableName";
    if (next === ":" || next === "{" || next === "<") return "propertyName";
    return text === "true" || text === "false" ? "bool" : "atom";
  }

  const mode = {
    name: "netdef",
    startState: () => ({ depth: 0, head: 0, quote: "" }),
    copyState: (state) => ({ ...state }),
    token(stream, state) {
      if (stream.sol() && state.depth === 0) state.head = 0;
      if (stream.eatSpace()) return null;
      const letter = stream.peek();
      if (letter === "#") { stream.skipToEnd(); return "comment"; }
      if (letter === '"' || letter === "'") {
        stream.next();
        for (let escaped = false, one; (one = stream.next()) !== undefined; escaped = !escaped && one === "\\") if (one === letter && !escaped) break;
        return "string";
      }
      if (stream.match(number)) return "number";
      if (stream.match(/^[A-Za-z_]\w*(?:[./-]\w+)*/)) {
        stream.peekAhead = () => (stream.string.slice(stream.pos).match(/^\s*(.)/) || ["", ""])[1];
        return word(stream, state);
      }
      if (stream.match("->")) { state.head = 3; return "operator"; }
      stream.next();
      if (letter === "{") { state.depth += 1; return "brace"; }
      if (letter === "}") { state.depth = Math.max(0, state.depth - 1); if (!state.depth) state.head = 0; return "brace"; }
      if (state.depth === 0 && letter === ":") state.head = state.head ? 2 : 0;
      if (state.depth === 0 && letter === "(") state.head = 3;
      return "punctuation";
    },
    indent: (state, after, context) => context.unit * Math.max(0, state.depth - (/^\s*}/.test(after) ? 1 : 0)),
    languageData: { commentTokens: { line: "#" }, closeBrackets: { brackets: ["(", "{", "[", '"'] }, indentOnInput: /^\s*}$/ },
  };

  const colours = HighlightStyle.define([
    { tag: tags.comment, class: "tok-comment" },
    { tag: tags.string, class: "tok-string" },
    { tag: [tags.number, tags.bool, tags.atom], class: "tok-value" },
    { tag: tags.keyword, class: "tok-keyword" },
    { tag: tags.typeName, class: "tok-type" },
    { tag: tags.variableName, class: "tok-name" },
    { tag: tags.propertyName, class: "tok-field" },
  ]);
  return { language: StreamLanguage.define(mode), colours };
})();
